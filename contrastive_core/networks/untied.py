"""Layered networks whose feedback is not the transpose of their forward weights: a field without an energy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
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


class Feedback(Enum):
    """Relation of the feedback to the forward weights while these learn."""

    FOLLOWS = "follows"
    """In proportion, :math:`W^{fb} = W \\circ (1 + D)`: two arrays that are written together, and differ."""
    FIXED = "fixed"
    """Never: feedback alignment (Lillicrap et al., 2016)."""
    SIGN = "sign"
    """By sign, with the mean size of a layer's weights: sign symmetry (Xiao et al., 2019)."""
    KOLEN_POLLACK = "kolen-pollack"
    """By the update of the forward weights. With weight decay the difference shrinks in every step (Kolen & Pollack, 1994)."""
    LEARNING = "learning"
    """By its own contrast."""


@final
@typed()
class Untied(SameUnits[Layered], Network):
    r"""A layered network with feedback through weights of its own, which start at :math:`W^{fb}_l = W_l \circ (1 + D_l)`.

    Layers are stationary at :math:`s_l = \sigma_l(s_{l-1} W_l + b_l + \lambda s_{l+1} (W^{fb}_{l+1})^T)`. This field is
    the slope of no energy, and equilibrium propagation becomes its generalisation to vector fields (Scellier et al., 2018; verified
    numerically, not re-read). A rule then contrasts the change of the field by a parameter, times the displacement of the state by the
    nudge,

    .. math:: g_{W_l} = -\lambda^l \langle \bar s_{l-1}^T (s_l^+ - s_l^-) \rangle, \qquad
              g_{b_l} = -\lambda^l \langle s_l^+ - s_l^- \rangle,

    with the mean :math:`\bar s` of both states. The weights learn as forward weights only: with D = 0 it is the gradient of the cost with
    the feedback held, and differs from that of the tied network by the other half of its contrast,
    :math:`(s_{l-1}^+ - s_{l-1}^-)^T \bar s_l`. With D it is off by as much as the field's Jacobian is not symmetric.

    Learning feedback is a parameter :math:`W^{fb}_l`, ``feedback_l``, whose contrast is that other half. That of Kolen & Pollack is one
    too, and gets the contrast of the forward weights. With weight decay :math:`\gamma` and learning rate :math:`\eta` plain gradient
    descent then shrinks :math:`W_l - W^{fb}_l` by :math:`1 - \eta\gamma` in every step.

    Parameters
    ----------
    network : Layered
        Forward weights, which stay its own and are shared.
    deviations : mapping of str to Tensor
        :math:`D_l` by the name of the weights, ``weight_2`` up to the last layer, each of its weights' shape.
    mode : Feedback
        Relation of the feedback to the forward weights while these learn. Feedback by sign has no use for deviations.
    """

    def __init__(self, network: Layered, deviations: Mapping[str, Tensor], mode: Feedback = Feedback.FOLLOWS) -> None:
        super().__init__()
        names = [f"weight_{index + 1}" for index in range(1, len(network.sizes))]
        if missing := [name for name in names if name not in deviations]:
            raise InputError(f"deviations have no {missing[0]}; give those of {', '.join(names)}")
        self.enclose(network)
        if network.architecture.skips:
            raise InputError("feedback of its own belongs to layers that see their neighbours alone; leave residual edges out")
        if network.architecture.memories:
            raise InputError("feedback of its own leaves no energy, of which memories are a term; leave memories out")
        self.mode = mode
        for name, parameter in network.named_parameters():
            self.register_parameter(name, parameter)
        for index in range(1, len(network.sizes)):
            deviation = deviations[f"weight_{index + 1}"].detach().to(network.weight(index))
            start = network.weight(index).detach() * (1 + deviation)
            if mode in (Feedback.LEARNING, Feedback.KOLEN_POLLACK):
                self.register_parameter(_feedback(index), nn.Parameter(start))
            elif mode is Feedback.FIXED:
                self.register_buffer(_feedback(index), start)
            elif mode is Feedback.FOLLOWS:
                self.register_buffer(_deviation(index), deviation)

    @property
    def pieces(self) -> Pieces:
        """Return the description and the magnitudes of the tied network: weights and biases have no bounds."""
        return self.inside.pieces

    def feedback_weight(self, index: int) -> Tensor:
        """Return the weights by which block ``index - 1`` hears block ``index``, shaped as the forward weights between them."""
        forward = self.inside.weight(index)
        if self.mode is Feedback.FOLLOWS:
            return forward * (1 + self.get_buffer(_deviation(index)))
        if self.mode is Feedback.SIGN:
            return (forward.sign() * forward.abs().mean()).detach()
        return self.get_buffer(_feedback(index)) if self.mode is Feedback.FIXED else self.get_parameter(_feedback(index))

    def angles(self) -> tuple[float, ...]:
        """Return the angle between feedback and forward weights, in degrees, for the weights of each layer but the first."""
        found = []
        for index in range(1, len(self.sizes)):
            pair = [weight.detach().double().flatten() for weight in (self.inside.weight(index), self.feedback_weight(index))]
            one, other = (weight / weight.norm().clamp(min=1e-300) for weight in pair)
            # The arc cosine of the product would lose small angles to rounding.
            found.append(math.degrees(2 * math.atan2(float((one - other).norm()), float((one + other).norm()))))
        return tuple(found)

    def _excess(self, index: int, state: State, clamped: Clamped) -> Tensor:
        """Return the drive of block ``index`` beyond that of the transposed forward weights, shaped as the block."""
        forward, (edge,) = self.inside.weight(index + 1), self.inside.out_of[index]
        follows = self.mode is Feedback.FOLLOWS
        weight = forward * self.get_buffer(_deviation(index + 1)) if follows else self.feedback_weight(index + 1) - forward
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
            if self.mode is Feedback.KOLEN_POLLACK and index > 0:
                gradients[_feedback(index)] = gradients[edge.name].clone()
            if self.mode is Feedback.LEARNING and index > 0:
                gradients[_feedback(index)] = link.gradient(changes[index - 1], link.pressed(mean[index] * self.inside.energy_scale, route))
        return gradients

    def minimiser(self, index: int, state: State, clamped: Clamped, pull: Pull | None = None) -> Tensor:
        """Return the stationary value of a block: that of the tied network, pulled by the difference of the feedback."""
        if index + 1 < len(self.sizes):
            excess = self.stiffness[index] * self._excess(index, state, clamped)
            pull = Pull(excess, 0.0) if pull is None else Pull(excess + pull.linear, pull.curvature)
        return self.inside.minimiser(index, state, clamped, pull)


def _feedback(index: int) -> str:
    return f"feedback_{index + 1}"


def _deviation(index: int) -> str:
    return f"deviation_{index + 1}"
