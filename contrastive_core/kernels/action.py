"""What a phase does to the last layer of a layered network, as the numbers and arrays that kernels take."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.costs.cross_entropy import CrossEntropy
from contrastive_core.costs.labels import targets
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.types import Clamped, Hold, Nudge, Phase, State


class Kind(IntEnum):
    """What acts on the last layer; the values are those that the kernels use."""

    FREE = 0
    """Nothing."""
    PULLED = 1
    """A pull that stays the same: a frozen nudge, or squared error on the units themselves."""
    SOFTMAX = 2
    """The pull of a cross-entropy on the units themselves, which follows them."""
    HELD = 3
    """It does not move."""
    READOUT = 4
    """The pull of a cost behind a readout, which follows the units."""


KNOWN_COSTS: tuple[type[Cost], ...] = (SquaredError, CrossEntropy)
"""The costs whose live nudges the kernels know."""


class Action(NamedTuple):
    """A phase as numbers.

    Attributes
    ----------
    kind : Kind
        What acts.
    pull : Tensor of shape (B, k), optional
        PULLED: the linear part of the pull. SOFTMAX and READOUT: the targets.
    strength : float
        Of the nudge; what multiplies the pull of SOFTMAX and READOUT.
    curvature : float
        Stiffness that the nudge adds to the last layer.
    softmax : bool
        Whether a pull that follows the units goes through a softmax.
    """

    kind: Kind
    pull: Tensor | None = None
    strength: float = 0.0
    curvature: float = 0.0
    softmax: bool = False


def action_of(clamped: Clamped, phase: Phase, state: State) -> Action:
    """Return what a phase does to the last layer.

    Parameters
    ----------
    clamped : Clamped
        The network that the phase acts on.
    phase : Nudge, Hold or None
        A nudge is frozen or of a known cost.
    state : State
        Any state of the network, for the shape and dtype of the targets.
    """
    if phase is None:
        return Action(Kind.FREE)
    if isinstance(phase, Hold):
        return Action(Kind.HELD)
    return _nudge(clamped, phase, state)


def _nudge(clamped: Clamped, nudge: Nudge, state: State) -> Action:
    network = clamped.network
    if nudge.frozen is not None:
        return Action(Kind.PULLED, -nudge.strength * network.pull_back(nudge.frozen))
    wanted = targets(network.output(state), nudge.batch)
    softmax = type(nudge.cost) is CrossEntropy
    if not network.output_is_last_layer:
        return Action(Kind.READOUT, wanted, nudge.strength, 0.0, softmax)
    if softmax:
        return Action(Kind.SOFTMAX, wanted, nudge.strength, 0.0, True)
    # o - dC/do = y: the pull of a squared error does not follow the state.
    return Action(Kind.PULLED, nudge.strength * wanted, nudge.strength, nudge.strength * nudge.cost.curvature)
