"""Settling on a CUDA device: the mirror of :mod:`contrastive_core.kernels.settling.route_cpu`, one launch for all phases that are alike.

Also serves numba's CUDA simulator, whose memory is the CPU's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.kernels.settling.any_depth.host_cuda import settle_blocks
from contrastive_core.kernels.settling.elements.output_phase import actions_of
from contrastive_core.kernels.settling.elements.request import order_of
from contrastive_core.network import Clamped
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Hold, Phase
from contrastive_core.types import State


def settle(clamped: Clamped, state: State, dynamics: Dynamics, stop: Stop, phases: Sequence[Phase]) -> list[Relaxation]:
    """Relax phases that :func:`contrastive_core.relaxation.backends.obstacle` has nothing against, as the reference would.

    Parameters
    ----------
    clamped, state, dynamics, stop, phases
        As in :func:`contrastive_core.relaxation.relax.relax_each`.

    Returns
    -------
    list of Relaxation
        One per phase.
    """
    network, order = cast(Layered, clamped.network), order_of(dynamics, len(state))
    relaxations: list[Relaxation] = []
    with torch.no_grad():
        for action in actions_of(clamped, phases, state):
            phase = phases[len(relaxations)]
            start = (*state[:-1], phase.output) if isinstance(phase, Hold) else state
            stops = [stop] * len(action.strengths)
            relaxations.extend(settle_blocks(network, clamped.drive, start, order, stops, action))
    return relaxations


def settle_from_rest(clamped: Clamped, dynamics: Dynamics, free: Stop, second: Stop, phases: Sequence[Phase]) -> list[Relaxation] | None:
    """Relax a free phase, and from its end others, in one launch.

    Parameters
    ----------
    clamped, dynamics, free, second, phases
        As in :func:`contrastive_core.relaxation.relax.relax_from_rest`.

    Returns
    -------
    list of Relaxation, optional
        The free one first; None where a phase holds the outputs or phases are not alike.
    """
    network = cast(Layered, clamped.network)
    if any(isinstance(phase, Hold) for phase in phases):
        return None
    with torch.no_grad():
        state = network.initial_state(clamped)
        actions = actions_of(clamped, phases, state)
        if len(actions) != 1:
            return None
        action = actions[0]._replace(strengths=(0.0, *actions[0].strengths))
        order, stops = order_of(dynamics, len(state)), [free, *[second] * len(phases)]
        return settle_blocks(network, clamped.drive, None, order, stops, action)
