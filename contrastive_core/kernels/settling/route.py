"""Handing phases to the kernel that a route names; which kernel that is, :mod:`contrastive_core.relaxation.backends` decides."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.kernels import DISPLACING, SETTLING
from contrastive_core.kernels.settling.elements.output_phase import actions_of
from contrastive_core.network import Clamped
from contrastive_core.phases import Hold, Phase
from contrastive_core.types import State

Ended = tuple[State, Relaxation]
"""Displacements of the layers from a free state, and the state that they lead to."""


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


def displace(kernel: str, clamped: Clamped, free: State, dynamics: Dynamics, stop: Stop, nudges: Sequence[Phase]) -> list[Ended]:
    """Relax nudges in displacements from a free state; those that differ in strength only are one call of the kernel.

    Parameters
    ----------
    kernel : str
        Name in :data:`contrastive_core.kernels.DISPLACING`.
    clamped, free, dynamics, stop, nudges
        Same as in :func:`contrastive_core.relaxation.displace.displace_each`.

    Returns
    -------
    list of (State, Relaxation)
        Displacements of the layers, and the states that they lead to, per nudge.
    """
    ends: list[Ended] = []
    with torch.no_grad():
        for action in actions_of(clamped, nudges, free):
            ends.extend(DISPLACING[kernel](clamped, free, dynamics, stop, action))
    return ends
