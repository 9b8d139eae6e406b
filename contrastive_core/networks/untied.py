"""Layered networks whose feedback is not the transpose of their forward weights: a field without an energy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast, final

import torch
from torch import Tensor, nn

from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped, Network, Pieces
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.links import Convolution, Dense, per_channel
from contrastive_core.networks.wrapper import SameUnits
from contrastive_core.phases import Pull
from contrastive_core.types import Gradients, State


@final
@typed()
class Untied(SameUnits[Layered], Network):
    r"""A layered network with feedback through weights of its own, :math:`W^{fb}_l = W_l \circ (1 + D_l)`, with D held fixed.

    Layers are stationary at :math:`s_l = \sigma_l(s_{l-1} W_l + b_l + \lambda s_{l+1} (W^{fb}_{l+1})^T)`. This field is
    the slope of no energy, and equilibrium propagation becomes its generalisation to vector fields (Scellier et al., 2018; verified
    numerically, not re-read). A rule then contrasts the change of the field by a parameter, times the displacement of the state by the
    nudge,

    .. math:: g_{W_l} = -\lambda^l \langle \bar s_{l-1}^T (s_l^+ - s_l^-) \rangle, \qquad
              g_{b_l} = -\lambda^l \langle s_l^+ - s_l^- \rangle,

    with the mean :math:`\bar s` of both states. The weights learn as forward weights only: with D = 0 it is the gradient of the cost with
    the feedback held, and differs from that of the tied network by the other half of its contrast,
    :math:`(s_{l-1}^+ - s_{l-1}^-)^T \bar s_l`. With D it is off by as much as the field's Jacobian is not symmetric.

    Feedback that learns for itself starts there and is a parameter :math:`W^{fb}_l`, ``feedback_l``, whose contrast is that other half.

    Parameters
    ----------
    network : Layered
        Forward weights, which stay its own and are shared.
    deviations : mapping of str to Tensor
        :math:`D_l` by the name of the weights, ``weight_2`` up to the last layer, each of its weights' shape.
    learning : bool
        Whether the feedback learns for itself, instead of following the forward weights.
    """

    def __init__(self, network: Layered, deviations: Mapping[str, Tensor], learning: bool = False) -> None:
        super().__init__()
        names = [f"weight_{index + 1}" for index in range(1, len(network.sizes))]
        if missing := [name for name in names if name not in deviations]:
            raise InputError(f"deviations have no {missing[0]}; give those of {', '.join(names)}")
        self.enclose(network)
        if network.architecture.skips:
            raise InputError("feedback of its own belongs to layers that see their neighbours alone; leave residual edges out")
        if network.architecture.memories:
            raise InputError("feedback of its own leaves no energy, of which memories are a term; leave memories out")
        self.learning = learning
        for name, parameter in network.named_parameters():
            self.register_parameter(name, parameter)
        for index in range(1, len(network.sizes)):
            deviation = deviations[f"weight_{index + 1}"].detach().to(network.weight(index))
            if learning:
                self.register_parameter(_feedback(index), nn.Parameter(network.weight(index).detach() * (1 + deviation)))
            else:
                self.register_buffer(_deviation(index), deviation)

    @property
    def pieces(self) -> Pieces:
        """Return the description and the magnitudes of the tied network: weights and biases have no bounds."""
        return self.inside.pieces

    def _excess(self, index: int, state: State, clamped: Clamped) -> Tensor:
        """Return the drive of block ``index`` beyond that of the transposed forward weights, shaped as the block."""
        own, forward, (edge,) = self.learning, self.inside.weight(index + 1), self.inside.out_of[index]
        weight = self.get_parameter(_feedback(index + 1)) - forward if own else forward * self.get_buffer(_deviation(index + 1))
        # Through the pooling feedback goes back the way that the forward response came up.
        pressed = edge.link.pressed(state[index + 1], self.inside.route(edge, state, clamped))
        return self.inside.energy_scale * edge.link.down(pressed, weight, torch.zeros_like(state[index]), 1.0)

    def clamp(self, inputs: Tensor) -> Clamped:
        """Hold the inputs, of shape (B, n_in)."""
        return self.inside.clamp(inputs)._replace(network=self)

    def energy(self, state: State, clamped: Clamped) -> Tensor:
        """Return the energy of the tied network, of shape (B,): this field neither lowers it nor is its slope."""
        return self.inside.energy(state, clamped)

    def force(self, state: State, clamped: Clamped) -> State:
        """Return the field."""
        *lower, last = self.inside.force(state, clamped)
        return (
            *(f + scale * self._excess(i, state, clamped) for i, (f, scale) in enumerate(zip(lower, self.stiffness, strict=False))),
            last,
        )

    def energy_gradient(self, state: State, clamped: Clamped, minus: State | None = None, factor: float = 1.0) -> Gradients:
        """Return ``factor`` times the contrast of two states that replaces that of an energy.

        Raises
        ------
        InputError
            Without a second state.
        """
        if minus is None:
            raise InputError(
                "a network whose feedback is not tied has no energy; take a rule that contrasts two states, such as ep-centered"
            )
        gradients = {name: torch.zeros_like(parameter) for name, parameter in self.named_parameters()}
        mean = tuple((plus + other) / 2 for plus, other in zip(state, minus, strict=True))
        differences = zip(state, minus, self.stiffness, strict=True)
        changes = [(plus - other) * (-factor * stiffness / plus.shape[0]) for plus, other, stiffness in differences]
        for index, change in enumerate(changes):
            (edge,) = self.inside.into[index]
            link = cast(Dense | Convolution, edge.link)
            route = self.inside.route(edge, mean, clamped)
            below = clamped.inputs if index == 0 else mean[index - 1]
            gradients[edge.name] = link.gradient(below, link.pressed(change, route))
            gradients[f"bias_{index + 1}"] = per_channel(change)
            if self.learning and index > 0:
                gradients[_feedback(index)] = link.gradient(changes[index - 1], link.pressed(mean[index] * self.inside.energy_scale, route))
        return gradients

    def minimiser(self, index: int, state: State, clamped: Clamped, pull: Pull | None = None) -> Tensor:
        """Return the stationary value of a block: that of the tied network, pulled by the difference of the feedback."""
        if index + 1 < len(self.sizes):
            pull = Pull(self.stiffness[index] * self._excess(index, state, clamped), 0.0)
        return self.inside.minimiser(index, state, clamped, pull)


def _feedback(index: int) -> str:
    return f"feedback_{index + 1}"


def _deviation(index: int) -> str:
    return f"deviation_{index + 1}"
