"""Settling on the CPU: numba for what is sequential and skinny, BLAS for products between hidden layers.

A network with one hidden layer and few outputs settles in one call of a fused kernel, sample by sample; with more hidden layers, the
last of them and the outputs move in a kernel, between products. Any other network is swept layer by layer. Both work on the samples
that are still active, which are kept packed in the first rows. Ladders have a kernel of
their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch

from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.kernels.action import Action, Kind, actions_of
from contrastive_core.kernels.pair_cpu import is_pair, settle_pair
from contrastive_core.kernels.resistive_cpu import settle_ladder
from contrastive_core.kernels.sweep_cpu import settle_blocks
from contrastive_core.kernels.tower_cpu import Tower, can_settle, is_tower
from contrastive_core.networks.layered import Layered
from contrastive_core.types import Clamped, Hold, Phase, Relaxation, State, Stop


def settle(clamped: Clamped, state: State, dynamics: Dynamics, stop: Stop, phases: Sequence[Phase]) -> list[Relaxation]:
    """Relax phases that :func:`contrastive_core.kernels.table.obstacle` has nothing against, as the reference would.

    Phases that differ in strength only are stacked, as more rows of one batch.

    Parameters
    ----------
    clamped, state, dynamics, stop, phases
        As in :func:`contrastive_core.relaxation.relax_each`.

    Returns
    -------
    list of Relaxation
        One per phase.
    """
    network = cast(Layered, clamped.network)
    groups = cast(BlockDescent, dynamics).groups(len(state))
    order = [index for group in groups for index in group]
    relaxations: list[Relaxation] = []
    ladder = clamped.network.ladder(clamped) if clamped.network.is_ladder else None
    with torch.no_grad():
        for action in actions_of(clamped, phases, state):
            phase = phases[len(relaxations)]
            start = (*state[:-1], phase.output) if isinstance(phase, Hold) else state
            if ladder is not None:
                relaxations.extend(settle_ladder(ladder, start, order, stop, action))
            elif action.kind is not Kind.READOUT and is_pair(network):
                relaxations.extend(settle_pair(network, clamped, start, order[0] == 1, [stop] * len(action.strengths), action))
            elif can_settle(network, action):
                rows = Tower(network, clamped.drive).settle(start, order, stop, action)
                relaxations.extend(_unstacked(rows, len(action.strengths)))
            else:
                rows = settle_blocks(network, clamped, start, order, stop, action)
                relaxations.extend(_unstacked(rows, len(action.strengths)))
    return relaxations


def settle_from_rest(clamped: Clamped, dynamics: Dynamics, free: Stop, second: Stop, phases: Sequence[Phase]) -> list[Relaxation] | None:
    """Relax a free phase, and from its end others, in one call of a kernel.

    Parameters
    ----------
    clamped, dynamics, free, second, phases
        As in :func:`contrastive_core.relaxation.relax_from_rest`.

    Returns
    -------
    list of Relaxation, optional
        The free one first; None where there is no such kernel.
    """
    network = cast(Layered, clamped.network)
    if clamped.network.is_ladder or not (is_pair(network) or is_tower(network)) or any(isinstance(phase, Hold) for phase in phases):
        return None
    with torch.no_grad():
        rest = network.initial_state(clamped)
        actions = actions_of(clamped, phases, rest)
        if len(actions) != 1 or actions[0].kind is Kind.READOUT:
            return None
        groups = cast(BlockDescent, dynamics).groups(len(rest))
        if is_tower(network):
            tower, order = Tower(network, clamped.drive), [index for group in groups for index in group]
            first = tower.settle(rest, order, free, Action(Kind.FREE, (0.0,)))
            opposite = [index for group in groups[::-1] for index in group]
            return [first, *_unstacked(tower.settle(first.state, opposite, second, actions[0]), len(phases))]
        action = actions[0]._replace(strengths=(0.0, *actions[0].strengths))
        return settle_pair(network, clamped, None, groups[0][0] == 1, [free, *[second] * len(phases)], action)


def _unstacked(rows: Relaxation, num_phases: int) -> list[Relaxation]:
    """Return the phases that are one after the other in the rows."""
    if num_phases == 1:
        return [rows]
    size = len(rows.steps) // num_phases
    parts = [slice(number * size, (number + 1) * size) for number in range(num_phases)]
    return [Relaxation(tuple(s[p] for s in rows.state), rows.steps[p], rows.residual[p], rows.status[p]) for p in parts]
