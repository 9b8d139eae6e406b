r"""Nudged phases in difference coordinates: displacements of the layers from a free state, each in units of its own size.

A nudge of strength :math:`\beta\lambda^L` reaches layer l at size :math:`\eta_l = \beta \lambda^{L-l}`. In float32 the contrast of two such
states is soon rounding. Written as :math:`s_l = s_l^* + \eta_l e_l` the displacements are all of order 1, and nothing cancels:

.. math:: \epsilon_l = \lambda e_{l-1} W_l + e_{l+1} W_{l+1}^T, \qquad
          e_l = [\sigma(a_l^* + \eta_l \epsilon_l) - \sigma(a_l^*)] / \eta_l,

with :math:`a_l^*` the drives of the free state, :math:`e_0 = 0`, and the nudge in place of the layer above the last. These are the
nudged states of equilibrium propagation in another representation. For :math:`\beta \to 0` they are the exact adjoint: errors travel
down with weight 1 and up with weight :math:`\lambda`. That is backpropagation at :math:`\lambda \to 0` and recurrent backpropagation
at 1. Memories of a layer add :math:`M [p(s_l^* + \eta_l e_l) - p(s_l^*)] / \eta_l` to :math:`\epsilon_l`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple, final

import torch
from torch import Tensor

from contrastive_core.networks.links import Identity, is_nothing, per_channel
from contrastive_core.phases import Pull
from contrastive_core.types import Gradients, State

if TYPE_CHECKING:
    from contrastive_core.network import Clamped
    from contrastive_core.networks.layered import Layered
    from contrastive_core.networks.links import Edge
    from contrastive_core.networks.memory import Memories


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


def scales_of(count: int, energy_scale: float, strength: float) -> tuple[float, ...]:
    r"""Return :math:`\eta_l` of each of a number of layers, at a strength in units of the outputs' stiffness."""
    return tuple(strength * energy_scale ** (count - 1 - index) for index in range(count))


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
        self._known: dict[tuple[int, int], tuple[Tensor, Tensor | None]] = {}

    @cached_property
    def drives(self) -> State:
        """Drives at which the layers rest in the free state."""
        return tuple(
            activation.settled(layer, partial(self.network.drive, index, self.free, self.clamped))
            for index, (activation, layer) in enumerate(zip(self.network.activations, self.free, strict=True))
        )

    def _ways(self, edge: Edge) -> tuple[Tensor | None, Tensor | None]:
        """Return the response and the route of an edge in the free state; None where feedback depends on neither."""
        if not edge.link.routed:
            return None, None
        if (ends := (edge.source, edge.target)) not in self._known:
            response = self.network.respond(edge, self.free, self.clamped)
            self._known[ends] = response, edge.link.route(response)
        return self._known[ends]

    def _pressed(self, edge: Edge, displacement: Displacement) -> Tensor:
        r"""Return the change of what presses on the response of an edge, in units of the layer above.

        With the pooling's way back J it is :math:`J e_l + \lambda^{l-j} (J - J^*) s_l^* / \eta_j`: units above move, and so does the way
        back to the layer j below, where it depends on the response to that layer.
        """
        layers, strength = displacement
        (response, route), link = self._ways(edge), edge.link
        if not link.turning or edge.source < 0:
            return link.pressed(layers[edge.target], route)
        scale = self.scales(strength)[edge.source]
        _, turned = link.difference(response, route, layers[edge.source], self.network.weight_of(edge), scale)
        if turned is None or route is None:
            return link.pressed(layers[edge.target], route)
        pressed = link.pressed(layers[edge.target], torch.add(route, turned, alpha=scale))
        return torch.add(pressed, link.pressed(self.free[edge.target], turned), alpha=self.network.feedback(edge))

    def _turned(self, memory: Memories, displacement: Displacement) -> Tensor:
        """Return the change of the shares of a layer's memories, in units of the layer."""
        layer, patterns = memory.layer, self.network.weight_of(memory)
        return memory.turned(self.free[layer], displacement.layers[layer], patterns, self.scales(displacement.strength)[layer])

    def scales(self, strength: float) -> tuple[float, ...]:
        r"""Return :math:`\eta_l`, the size of each layer's displacement at a strength in units of the outputs' stiffness."""
        return scales_of(len(self.free), self.network.energy_scale, strength)

    def rest(self) -> State:
        """Return no displacement: the start of every nudged phase."""
        return tuple(layer.new_zeros(()).expand(layer.shape) for layer in self.free)

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
        step, scales = None, self.scales(strength)
        for edge in network.into[index]:
            if edge.source >= 0:
                ways = self._ways(edge)
                drive, _ = edge.link.difference(*ways, layers[edge.source], network.weight_of(edge), scales[edge.source])
                # In the first sweep nothing below has moved.
                if not is_nothing(drive):
                    drive = network.feedback(edge) * drive
                    step = drive if step is None else step + drive
        step = self.rest()[index] if step is None else step
        for edge in network.out_of[index]:
            step = edge.link.down(self._pressed(edge, displacement), network.weight_of(edge), step, 1.0)
        for memory in network.memories[index]:
            step = step + self._turned(memory, displacement) @ network.weight_of(memory).T
        scale = scales[index]
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

        With :math:`m_l` the scaled difference of both displacements and :math:`s^\pm` the two states, it is
        :math:`-[s_{l-1}^{+T} m_l + \lambda m_{l-1}^T s_l^-]/B`, and :math:`-\langle m_l \rangle` for the biases. With the mean of both
        states in place of each it is the same sum; these two are there already where one of them is the free state.

        Parameters
        ----------
        plus, minus : Displacement, optional
            End of each phase; the gradient at the second is subtracted from that at the first.
        factor : float
            Factor of the difference, in units of the inverse of the outputs' stiffness: :math:`1/2\beta` for two phases. At strength 0
            the displacement itself is the adjoint, and the factor multiplies it.
        """
        gradients: Gradients = {}
        network, sides = self.network, [side for side in (plus, minus) if side is not None]
        # The sizes of the layers cancel against the stiffness in the energy: only the strengths are left.
        sizes = [sign * factor * (side.strength or 1.0) for side, sign in ((plus, 1.0), (minus, -1.0)) if side is not None]
        # One factor goes into the weights at last, so that one side alone needs no pass over the layers.
        whole = -sizes[0] / len(self.free[0])

        def both(index: int, free: Tensor, parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
            """Return the difference of both sides in units of the first, and the second: the free one, if there is no other."""
            change, second = parts[0], free
            for size, side, part in zip(sizes[1:], sides[1:], parts[1:], strict=True):
                change = torch.add(change, part, alpha=size / sizes[0])
                second = torch.add(second, part, alpha=self.scales(side.strength)[index])
            return change, second

        first = self.state(sides[0])
        layers = [both(index, free, [side.layers[index] for side in sides]) for index, free in enumerate(self.free)]
        for index, (change, second) in enumerate(layers):
            for edge in network.into[index]:
                link = edge.link
                if isinstance(link, Identity):
                    continue
                _, route = self._ways(edge)
                if edge.source < 0:  # inputs are the same on both sides
                    gradients[edge.name] = whole * link.gradient(self.clamped.inputs, link.pressed(change, route))
                    continue
                if link.turning:
                    free = link.pressed(self.free[index], route)
                    pressed, pressed_second = both(index, free, [self._pressed(edge, side) for side in sides])
                else:
                    pressed, pressed_second = link.pressed(change, route), link.pressed(second, route)
                weight = link.gradient(first[edge.source], pressed)
                gradients[edge.name] = whole * link.gradient(layers[edge.source][0], pressed_second, weight, network.feedback(edge))
            for memory in network.memories[index]:
                shares = memory.shares(self.free[index], network.weight_of(memory))
                turned, shares = both(index, shares, [self._turned(memory, side) for side in sides])
                gradients[memory.name] = whole * (first[index].T @ turned + change.T @ shares)
            gradients[f"bias_{index + 1}"] = whole * per_channel(change)
        return gradients | network.readout_zeros()
