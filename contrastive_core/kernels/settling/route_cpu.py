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

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.kernels.settling.any_depth.host_cpu import settle_blocks, unstacked
from contrastive_core.kernels.settling.deep.host_cpu import Tower
from contrastive_core.kernels.settling.elements.codes import ActionKind
from contrastive_core.kernels.settling.elements.output_phase import actions_of, fused_depth
from contrastive_core.kernels.settling.ladder_cpu import settle_ladder
from contrastive_core.kernels.settling.one_hidden.host_cpu import settle_pair
from contrastive_core.network import Clamped
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Hold, Phase
from contrastive_core.types import State


def settle(clamped: Clamped, state: State, dynamics: Dynamics, stop: Stop, phases: Sequence[Phase]) -> list[Relaxation]:
    """Relax phases that :func:`contrastive_core.relaxation.backends.obstacle` has nothing against, as the reference would.

    Phases that differ in strength only are stacked, as more rows of one batch.

    Parameters
    ----------
    clamped, state, dynamics, stop, phases
        As in :func:`contrastive_core.relaxation.relax.relax_each`.

    Returns
    -------
    list of Relaxation
        One per phase.
    """
    network = cast(Layered, clamped.network)
    descent = cast(BlockDescent, dynamics)
    groups = descent.groups(len(state))
    order = [index for group in groups for index in group]
    relaxations: list[Relaxation] = []
    ladder = clamped.network.ladder(clamped)
    depth = fused_depth(network) if ladder is None else 0
    with torch.no_grad():
        for action in actions_of(clamped, phases, state):
            phase = phases[len(relaxations)]
            start = (*state[:-1], phase.output) if isinstance(phase, Hold) else state
            if ladder is not None:
                relaxations.extend(settle_ladder(ladder, start, order, stop, action))
            elif depth == 1 and action.kind is not ActionKind.READOUT:
                relaxations.extend(settle_pair(network, clamped, start, order[0] == 1, [stop] * len(action.strengths), action))
            elif depth > 1 and action.kind is not ActionKind.READOUT:
                rows = Tower(network, clamped.drive, descent.over_relaxation).settle(start, order, stop, action)
                relaxations.extend(unstacked(rows, len(action.strengths)))
            else:
                rows = settle_blocks(network, clamped, start, order, stop, action)
                relaxations.extend(unstacked(rows, len(action.strengths)))
    return relaxations


def settle_from_rest(clamped: Clamped, dynamics: Dynamics, free: Stop, second: Stop, phases: Sequence[Phase]) -> list[Relaxation] | None:
    """Relax a free phase, and from its end others, in one call of a kernel.

    Parameters
    ----------
    clamped, dynamics, free, second, phases
        As in :func:`contrastive_core.relaxation.relax.relax_from_rest`.

    Returns
    -------
    list of Relaxation, optional
        The free one first; None where there is no such kernel.
    """
    network = cast(Layered, clamped.network)
    depth = 0 if clamped.network.pieces.ladder is not None else fused_depth(network)
    if depth == 0 or any(isinstance(phase, Hold) for phase in phases):
        return None
    with torch.no_grad():
        rest = network.initial_state(clamped)
        actions = actions_of(clamped, phases, rest)
        if len(actions) != 1 or actions[0].kind is ActionKind.READOUT:
            return None
        descent = cast(BlockDescent, dynamics)
        groups = descent.groups(len(rest))
        if depth > 1:
            order, opposite = ([index for group in visited for index in group] for visited in (groups, groups[::-1]))
            tower = Tower(network, clamped.drive, descent.over_relaxation)
            first, later = tower.settle_from_rest(rest, order, opposite, free, second, actions[0])
            return [first, *unstacked(later, len(phases))]
        action = actions[0]._replace(strengths=(0.0, *actions[0].strengths))
        return settle_pair(network, clamped, None, groups[0][0] == 1, [free, *[second] * len(phases)], action)
