"""Handing phases to the kernel that a route names; which kernel that is, :mod:`contrastive_core.relaxation.backends` decides."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.kernels import SETTLING
from contrastive_core.kernels.settling.elements.output_phase import actions_of
from contrastive_core.network import Clamped
from contrastive_core.phases import Hold, Phase
from contrastive_core.types import State


def settle(kernel: str, clamped: Clamped, state: State, dynamics: Dynamics, stop: Stop, phases: Sequence[Phase]) -> list[Relaxation]:
    """Relax phases from one state, as the reference would; phases that differ in strength only are one call of the kernel.

    Parameters
    ----------
    kernel : str
        Name in :data:`contrastive_core.kernels.SETTLING`.
    clamped, state, dynamics, stop, phases
        Same as in :func:`contrastive_core.relaxation.relax.relax_each`.

    Returns
    -------
    list of Relaxation
        One per phase.
    """
    relaxations: list[Relaxation] = []
    with torch.no_grad():
        for action in actions_of(clamped, phases, state):
            phase = phases[len(relaxations)]  # the first of those that the action stands for
            start = (*state[:-1], phase.output) if isinstance(phase, Hold) else state
            relaxations.extend(SETTLING[kernel](clamped, start, dynamics, [stop] * len(action.strengths), action))
    return relaxations


def settle_from_rest(
    kernel: str, clamped: Clamped, dynamics: Dynamics, free: Stop, second: Stop, phases: Sequence[Phase]
) -> list[Relaxation]:
    """Relax a free phase from rest, and from its end phases that differ in strength only, in one call of the kernel.

    Parameters
    ----------
    kernel : str
        Name in :data:`contrastive_core.kernels.SETTLING`.
    clamped, dynamics, free, second, phases
        Same as in :func:`contrastive_core.relaxation.relax.relax_from_rest`.

    Returns
    -------
    list of Relaxation
        The free one first.
    """
    with torch.no_grad():
        # One action, because the plan lets only phases that are alike start from rest together.
        (action,) = actions_of(clamped, phases, clamped.network.initial_state(clamped))
        action = action._replace(strengths=(0.0, *action.strengths))
        relaxations: list[Relaxation] = SETTLING[kernel](clamped, None, dynamics, [free, *[second] * len(phases)], action)
    return relaxations
