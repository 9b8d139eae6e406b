"""Host side of the kernels for layered networks of any depth: phases of states, and of displacements from a free state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.kernels.settling.any_depth.rows import Rows
from contrastive_core.kernels.settling.any_depth.sweeps import Sweeps
from contrastive_core.kernels.settling.elements.output_phase import Action
from contrastive_core.network import Clamped
from contrastive_core.networks.layered import Layered
from contrastive_core.types import State


def settle_blocks(clamped: Clamped, start: State | None, dynamics: BlockDescent, stops: Sequence[Stop], action: Action) -> list[Relaxation]:
    """Settle one phase per strength, layer by layer.

    Parameters
    ----------
    clamped : Clamped
        Layered network of any depth, and its inputs.
    start : State, optional
        Start of every phase; a held output is already in it. None is rest.
    dynamics : BlockDescent
        Dynamics of the phases.
    stops : sequence of Stop
        One per phase, all equal.
    action : Action
        Action on the last layer.

    Returns
    -------
    list of Relaxation
        One per phase.
    """
    return _settle(Sweeps(cast(Layered, clamped.network), clamped.drive, dynamics, False), clamped, start, stops, action)


def settle_deep(clamped: Clamped, start: State | None, dynamics: BlockDescent, stops: Sequence[Stop], action: Action) -> list[Relaxation]:
    """Settle a deep network as :func:`settle_blocks` does, with its last two layers moved together."""
    return _settle(Sweeps(cast(Layered, clamped.network), clamped.drive, dynamics, True), clamped, start, stops, action)


def displace_blocks(clamped: Clamped, free: State, dynamics: BlockDescent, stop: Stop, action: Action) -> list[tuple[State, Relaxation]]:
    """Settle the displacements from a free state, one per strength, layer by layer.

    Parameters
    ----------
    clamped, action
        Same as in :func:`settle_blocks`.
    free : State
        Free state.
    dynamics : BlockDescent
        Dynamics of the free phase; displacements visit the layers in the other order.
    stop : Stop
        Stop of every phase, its tolerance relative to the size of the displacements.

    Returns
    -------
    list of (State, Relaxation)
        Displacements, and the states that they lead to, per strength.
    """
    return _displace(Sweeps(cast(Layered, clamped.network), clamped.drive, dynamics, False), free, stop, action)


def displace_deep(clamped: Clamped, free: State, dynamics: BlockDescent, stop: Stop, action: Action) -> list[tuple[State, Relaxation]]:
    """Settle the displacements of a deep network as :func:`displace_blocks` does, with its last two layers moved together."""
    return _displace(Sweeps(cast(Layered, clamped.network), clamped.drive, dynamics, True), free, stop, action)


def _settle(sweeps: Sweeps, clamped: Clamped, start: State | None, stops: Sequence[Stop], action: Action) -> list[Relaxation]:
    state = clamped.network.initial_state(clamped) if start is None else start
    rows = Rows.begin(sweeps.layout, sweeps.frame, sweeps.drive, _values(state)).act(action.strengths, action.pull)
    sweeps.run(rows, stops[-1], action)
    return rows.relaxations(stops[-1], len(action.strengths))


def _displace(sweeps: Sweeps, free: State, stop: Stop, action: Action) -> list[tuple[State, Relaxation]]:
    rows = sweeps.displaced(Rows.begin(sweeps.layout, sweeps.frame, sweeps.drive, _values(free)), action.strengths, action.pull)
    sweeps.run(rows, stop, action, backwards=True)
    ends = rows.relaxations(stop, len(action.strengths))
    return [(end.state, end._replace(state=tuple(torch.add(a, b) for a, b in zip(free, end.state, strict=True)))) for end in ends]


def _values(state: State) -> list[Tensor | float]:
    """Return the layers of a state, those that are one number seen everywhere, as at rest, as that number."""
    return [
        float(layer[0, 0]) if layer.stride()[1] == 0 and layer.stride()[0] * (len(layer) - 1) == 0 else layer.detach() for layer in state
    ]
