"""Actions of phases on the last layer of a network, as the numbers and arrays that kernels take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.costs.cross_entropy import CrossEntropy
from contrastive_core.costs.labels import targets
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.kernels.settling.elements.codes import ActionKind
from contrastive_core.network import Clamped
from contrastive_core.networks.activation import Clipped
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Nudge, Phase
from contrastive_core.types import State

MOST_OUTPUTS = 64
"""Widest output layer of the fused kernels; beyond it BLAS on the whole batch is faster."""


def fused_depth(network: Layered) -> int:
    """Return the number of hidden layers of a network that kernels can move together with the outputs.

    Parameters
    ----------
    network : Layered
        Any.

    Returns
    -------
    int
        1 for the kernels of ``one_hidden``, more for those of deep networks; 0 if neither covers the network: they need at
        most ``MOST_OUTPUTS`` outputs and clipped units.
    """
    fits = network.sizes[-1] <= MOST_OUTPUTS and all(type(activation) is Clipped for activation in network.activations)
    return len(network.sizes) - 1 if fits else 0


KNOWN_COSTS: tuple[type[Cost], ...] = (SquaredError, CrossEntropy)
"""The costs whose live nudges the kernels know."""


class Action(NamedTuple):
    """Phases that differ in strength only, as numbers.

    Attributes
    ----------
    kind : ActionKind
        Kind of the action.
    strengths : tuple of float
        Strengths of the nudges, one per phase; 0 without one.
    pull : Tensor of shape (B, k), optional
        PULLED: the linear part of the pull at strength 1. SOFTMAX and READOUT: the targets.
    curvature : float
        Stiffness that a nudge of strength 1 adds to the last layer.
    softmax : bool
        Whether a pull that follows the units goes through a softmax.
    """

    kind: ActionKind
    strengths: tuple[float, ...]
    pull: Tensor | None = None
    curvature: float = 0.0
    softmax: bool = False


def actions_of(clamped: Clamped, phases: Sequence[Phase], state: State) -> list[Action]:
    """Return the actions of phases on the last layer, one for neighbours that differ in strength only.

    Parameters
    ----------
    clamped : Clamped
        The network that the phases act on.
    phases : sequence of Nudge, Hold or None
        Nudges are frozen or of a known cost.
    state : State
        Any state of the network, for the shape and dtype of the targets.

    Returns
    -------
    list of Action
        Actions in the order of the phases.
    """
    actions: list[Action] = []
    for number, phase in enumerate(phases):
        if isinstance(phase, Nudge):
            if number and are_alike(phases[number - 1 : number + 1]):
                actions[-1] = actions[-1]._replace(strengths=(*actions[-1].strengths, phase.strength))
            else:
                actions.append(_nudge(clamped, phase, state))
        else:
            actions.append(Action(ActionKind.FREE if phase is None else ActionKind.HELD, (0.0,)))
    return actions


def are_alike(phases: Sequence[Phase]) -> bool:
    """Whether phases are one action: a single one, or nudges that differ in strength only."""
    first, *others = phases
    # Identity, not equality: comparing tensors takes longer than settling the phases apart.
    for phase in others:
        if not isinstance(first, Nudge) or not isinstance(phase, Nudge):
            return False
        if phase.cost is not first.cost or phase.batch.labels is not first.batch.labels or phase.frozen is not first.frozen:
            return False
    return True


def live_action(cost: Cost, strengths: tuple[float, ...]) -> Action:
    """Return live nudges by a known cost of the units as an action without its pull."""
    kind = ActionKind.SOFTMAX if type(cost) is CrossEntropy else ActionKind.PULLED
    return Action(kind, strengths, None, cost.curvature, kind is ActionKind.SOFTMAX)


def _nudge(clamped: Clamped, nudge: Nudge, state: State) -> Action:
    network, strengths = clamped.network, (nudge.strength,)
    if nudge.frozen is not None:  # the gradient at the free state, held constant: minus it pulls
        return Action(ActionKind.PULLED, strengths, -network.pull_back(state, nudge.frozen))
    wanted = targets(network.output(state), nudge.batch)
    softmax = type(nudge.cost) is CrossEntropy
    if not network.output_is_last_layer:
        return Action(ActionKind.READOUT, strengths, wanted, 0.0, softmax)
    if softmax:
        return Action(ActionKind.SOFTMAX, strengths, wanted, 0.0, softmax)
    # o - dC/do = y: the pull of a squared error does not follow the state.
    return Action(ActionKind.PULLED, strengths, wanted, nudge.cost.curvature)
