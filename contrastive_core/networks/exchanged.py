"""The field around a free state in which deviations see forward and feedback weights exchanged."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.network import Clamped, Network, Pieces
from contrastive_core.networks.untied import Untied
from contrastive_core.networks.wrapper import SameUnits
from contrastive_core.phases import Pull
from contrastive_core.types import Gradients, State


@final
class Exchanged(SameUnits[Untied], Network):
    r"""A network with feedback of its own, whose Jacobian is transposed around one of its free states.

    The field :math:`F(s) - (J - J^T)(s - s^*)` has the same free state and there the Jacobian :math:`J^T`, so that a nudge displaces it
    along the adjoint of the cost, :math:`J^T \delta = -\beta\,\partial C`. With weights W and feedback :math:`W^{fb}` the correction of
    what drives a layer is local:

    .. math:: (s_{l-1} - s_{l-1}^*)(W^{fb}_l - W_l) + \lambda (s_{l+1} - s_{l+1}^*)(W_{l+1} - W^{fb}_{l+1})^T.

    Parameters
    ----------
    network : Untied
        Network of rows of units, or of pictures whose poolings are means; its parameters are used, and not registered again.
    free : State
        Free state :math:`s^*`.

    Raises
    ------
    InputError
        If feedback goes back through a pooling by the response: the way up of a deviation would not be that of a layer.
    """

    def __init__(self, network: Untied, free: State) -> None:
        super().__init__()
        if any(edge.link.routed for edge in network.inside.architecture.edges):
            raise InputError(
                "asymmetric equilibrium propagation takes average pooling (a2) or none, because through a maximum feedback returns by the "
                "response; change the pooling, or use ep-centered"
            )
        self.enclose(network)
        self.free = free
        weights = [(network.inside.weight(index), network.feedback_weight(index)) for index in range(1, len(network.sizes))]
        self.lacking = [feedback.detach() - forward.detach() for forward, feedback in weights]

    @property
    def pieces(self) -> Pieces:
        """Return the pieces of the network inside."""
        return self.inside.pieces

    def _correction(self, index: int, state: State) -> Tensor:
        """Return what is added to the drive of a block, shaped as the block."""
        layers, added = self.inside.inside, torch.zeros_like(state[index])
        if index > 0:
            (edge,) = layers.into[index]
            added = edge.link.up(state[index - 1] - self.free[index - 1], self.lacking[index - 1], added)
        if index + 1 < len(state):
            (edge,) = layers.out_of[index]
            above = edge.link.pressed(state[index + 1] - self.free[index + 1], None)
            added = edge.link.down(above, self.lacking[index], added, -layers.energy_scale)
        return added

    def clamp(self, inputs: Tensor) -> Clamped:
        """Hold the inputs, of shape (B, n_in)."""
        return self.inside.clamp(inputs)._replace(network=self)

    def energy(self, state: State, clamped: Clamped) -> Tensor:
        """Return the energy of the tied network, of shape (B,): this field neither lowers it nor is its slope."""
        return self.inside.energy(state, clamped)

    def force(self, state: State, clamped: Clamped) -> State:
        """Return the corrected field."""
        plain = self.inside.force(state, clamped)
        return tuple(f + scale * self._correction(i, state) for i, (f, scale) in enumerate(zip(plain, self.stiffness, strict=True)))

    def energy_gradient(self, state: State, clamped: Clamped, minus: State | None = None, factor: float = 1.0) -> Gradients:
        """Return the contrast of the network inside."""
        return self.inside.energy_gradient(state, clamped, minus, factor)

    def minimiser(self, index: int, state: State, clamped: Clamped, pull: Pull | None = None) -> Tensor:
        """Return the stationary value of a block, pulled by the correction."""
        correction = self.stiffness[index] * self._correction(index, state)
        linear, curvature = (0.0, 0.0) if pull is None else (pull.linear, pull.curvature)
        return self.inside.minimiser(index, state, clamped, Pull(linear + correction, curvature))


def exchanged(clamped: Clamped, free: State) -> Clamped:
    """Return the clamped network with deviations that see its weights exchanged; a network with tied feedback stays as it is."""
    network = clamped.network
    return clamped._replace(network=Exchanged(network, free)) if isinstance(network, Untied) else clamped
