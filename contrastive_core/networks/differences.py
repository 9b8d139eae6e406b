r"""Nudged phases in difference coordinates: displacements of the layers from a free state, each in units of its own size.

A nudge of strength :math:`\beta\lambda^L` reaches layer l at size :math:`\eta_l = \beta \lambda^{L-l}`. In float32 the contrast of two such
states is soon rounding. Written as :math:`s_l = s_l^* + \eta_l e_l` the displacements are all of order 1, and nothing cancels:

.. math:: \epsilon_l = \lambda e_{l-1} W_l + e_{l+1} W_{l+1}^T, \qquad
          e_l = [\sigma(a_l^* + \eta_l \epsilon_l) - \sigma(a_l^*)] / \eta_l,

with :math:`a_l^*` the drives of the free state, :math:`e_0 = 0`, and the nudge in place of the layer above the last. These are the
nudged states of equilibrium propagation in another representation. For :math:`\beta \to 0` they are the exact adjoint: errors travel
down with weight 1 and up with weight :math:`\lambda`. That is backpropagation at :math:`\lambda \to 0` and recurrent backpropagation
at 1.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, final

import torch
from torch import Tensor

from contrastive_core.phases import Pull
from contrastive_core.types import Gradients, State

if TYPE_CHECKING:
    from contrastive_core.network import Clamped
    from contrastive_core.networks.layered import Layered


class Displacement(NamedTuple):
    r"""Displacements of all layers from a free state.

    Attributes
    ----------
    layers : State
        :math:`e`, one (B, n) tensor per layer.
    strength : float
        :math:`\beta` in units of the outputs' stiffness, positive or negative; 0 is the limit, the exact adjoint.
    """

    layers: State
    strength: float


@final
class Differences:
    r"""A layered network around one of its free states, for nudged phases of any strength.

    Parameters
    ----------
    network : Layered
        Network at rest in the state.
    clamped : Clamped
        Network with its inputs held.
    free : State
        Free state :math:`s^*`, one (B, n) tensor per layer. Units inside their bounds are taken to have settled, so that the residual
        of an unfinished free phase is not divided by a small strength.
    """

    def __init__(self, network: Layered, clamped: Clamped, free: State) -> None:
        self.network, self.clamped, self.free = network, clamped, free

    @cached_property
    def drives(self) -> State:
        """Drives at which the layers rest in the free state."""
        return tuple(
            activation.settled(layer, self.network.drive(index, self.free, self.clamped))
            for index, (activation, layer) in enumerate(zip(self.network.activations, self.free, strict=True))
        )

    def scales(self, strength: float) -> tuple[float, ...]:
        r"""Return :math:`\eta_l`, the size of each layer's displacement at a strength in units of the outputs' stiffness."""
        count = len(self.free)
        return tuple(strength * self.network.energy_scale ** (count - 1 - index) for index in range(count))

    def rest(self) -> State:
        """Return no displacement: the start of every nudged phase."""
        return tuple(torch.zeros_like(layer) for layer in self.free)

    def state(self, displacement: Displacement) -> State:
        """Return the state that a displacement stands for."""
        scales = self.scales(displacement.strength)
        return tuple(torch.add(free, e, alpha=scale) for free, e, scale in zip(self.free, displacement.layers, scales, strict=True))

    def scaled(self, layers: State, strength: float) -> Displacement:
        """Return displacements of the units themselves, as kernels compute them, in the units of each layer."""
        return Displacement(tuple(layer / scale for layer, scale in zip(layers, self.scales(strength), strict=True)), strength)

    def outputs(self, displacement: Displacement) -> State:
        """Return the state with its last layer displaced, which is all that the outputs and the cost see."""
        return (*self.free[:-1], torch.add(self.free[-1], displacement.layers[-1], alpha=displacement.strength))

    def moved(self, index: int, displacement: Displacement, pull: Pull | None) -> Tensor:
        """Return the displacement of a layer that is stationary with the others held.

        Parameters
        ----------
        index : int
            Layer.
        displacement : Displacement
            Present displacements.
        pull : Pull, optional
            Pull of a nudge of strength 1 on the last layer, at the present outputs; None for the other layers.
        """
        layers, strength = displacement
        network, activation = self.network, self.network.activations[index]
        step = torch.zeros_like(layers[index]) if index == 0 else network.energy_scale * (layers[index - 1] @ network.weight(index))
        if index + 1 < len(layers):
            step = torch.addmm(step, layers[index + 1], network.weight(index + 1).T)
        scale = self.scales(strength)[index]
        if pull is not None:
            step = step + pull.linear
            if activation.quadratic:
                # The exact nudged minimum, less the free drive, over the strength.
                stretch = activation.stretch
                step = (step - pull.curvature * stretch * self.drives[index]) / (1 + strength * pull.curvature * stretch)
            elif pull.curvature:
                step = step - pull.curvature * self.outputs(displacement)[-1]
        return activation.change(self.free[index], self.drives[index], step, scale)

    def inside_bounds(self, displacement: Displacement) -> State:
        """Return the displacements, those of units beyond their bounds cut there."""
        layers: list[Tensor] = []
        state = self.state(displacement)
        for free, e, now, allowed, scale in zip(
            self.free, displacement.layers, state, self.network.project(state), self.scales(displacement.strength), strict=True
        ):
            # Only where a unit is cut: the difference of two states has lost the digits that a small displacement has.
            layers.append(torch.where(now == allowed, e, (allowed - free) / scale))
        return tuple(layers)

    def contrast(self, plus: Displacement | None, minus: Displacement | None, factor: float) -> Gradients:
        r"""Return ``factor`` times the contrast of the energy's gradients at two displaced states; None is the free state.

        With :math:`m_l` the scaled difference of both displacements and :math:`\bar s_l` the mean of both states, it is
        :math:`-[\bar s_{l-1}^T m_l + \lambda m_{l-1}^T \bar s_l]/B`, and :math:`-\langle m_l \rangle` for the biases.

        Parameters
        ----------
        plus, minus : Displacement, optional
            End of each phase; the gradient at the second is subtracted from that at the first.
        factor : float
            Factor of the difference, in units of the inverse of the outputs' stiffness: :math:`1/2\beta` for two phases. At strength 0
            the displacement itself is the adjoint, and the factor multiplies it.
        """
        gradients: Gradients = {}
        samples, below, below_change = len(self.free[0]), self.clamped.inputs, None
        for index, free in enumerate(self.free):
            change, mean = torch.zeros_like(free), free
            for side, sign in ((plus, 1.0), (minus, -1.0)):
                if side is not None:
                    strength = side.strength
                    # The sizes of the layers cancel against the stiffness in the energy: only the strengths are left.
                    change = torch.add(change, side.layers[index], alpha=sign * factor * (strength or 1.0))
                    mean = torch.add(mean, side.layers[index], alpha=self.scales(strength)[index] / 2)
            change = change / -samples
            weight = below.T @ change
            if below_change is not None:
                weight = torch.addmm(weight, below_change.T, mean, alpha=self.network.energy_scale)
            gradients[f"weight_{index + 1}"], gradients[f"bias_{index + 1}"] = weight, change.sum(0)
            below, below_change = mean, change
        if self.network.has_readout:
            gradients["weight_readout"] = torch.zeros_like(self.network.weight_readout)
            gradients["bias_readout"] = torch.zeros_like(self.network.bias_readout)
        return gradients
