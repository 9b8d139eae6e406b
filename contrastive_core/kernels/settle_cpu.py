"""Settling on the CPU: numba for what is sequential and skinny, BLAS for products between hidden layers.

A network with one hidden layer and few outputs settles in one call of a fused kernel, sample by sample. Any other network is
swept layer by layer over the samples that are still active, which are kept packed in the first rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch

from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.kernels import layered_cpu
from contrastive_core.kernels.action import Action, Kind, actions_of
from contrastive_core.kernels.sweep_cpu import INTEGERS, settle_blocks, stacked
from contrastive_core.networks.activation import Clipped
from contrastive_core.networks.layered import Layered
from contrastive_core.types import Clamped, Hold, Phase, Relaxation, State, Stop

MOST_OUTPUTS = 64
"""Widest output layer of the fused kernel; beyond it BLAS on the whole batch is faster."""

FEWEST_ROWS = 32
"""Fewest samples worth a thread of their own: below, waking it costs more than the samples."""


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
    boxes = all(type(activation) is Clipped for activation in network.activations)
    relaxations: list[Relaxation] = []
    with torch.no_grad():
        for action in actions_of(clamped, phases, state):
            phase = phases[len(relaxations)]
            start = (*state[:-1], phase.output) if isinstance(phase, Hold) else state
            if len(state) == 2 and boxes and action.kind is not Kind.READOUT and network.sizes[1] <= MOST_OUTPUTS:
                rows = _settle_pair(network, clamped, start, order[0] == 1, stop, action)
            else:
                rows = settle_blocks(network, clamped, start, order, stop, action)
            relaxations.extend(_unstacked(rows, len(action.strengths)))
    return relaxations


def _unstacked(rows: Relaxation, num_phases: int) -> list[Relaxation]:
    """Return the phases that are one after the other in the rows."""
    if num_phases == 1:
        return [rows]
    size = len(rows.steps) // num_phases
    parts = [slice(number * size, (number + 1) * size) for number in range(num_phases)]
    return [Relaxation(tuple(s[p] for s in rows.state), rows.steps[p], rows.residual[p], rows.status[p]) for p in parts]


def _settle_pair(network: Layered, clamped: Clamped, state: State, output_first: bool, stop: Stop, action: Action) -> Relaxation:
    """Settle a network of one hidden layer with the fused kernel."""
    hidden, output = (stacked(layer, len(action.strengths)) for layer in state)
    num_rows = hidden.shape[0]
    steps = torch.empty(num_rows, dtype=torch.int64)
    residual = hidden.new_empty(num_rows)
    status = torch.empty(num_rows, dtype=torch.int8)
    arrays = (clamped.drive, network.weight(1), network.bias(1), output if action.pull is None else action.pull)
    low, high = (cast(Clipped, activation) for activation in network.activations)
    numbers = (
        int(action.kind), action.curvature, network.stiffness[1], network.energy_scale,
        low.low, low.high, high.low, high.high, output_first, -1.0 if stop.tolerance is None else stop.tolerance, stop.budget,
    )  # fmt: skip
    views = [tensor.detach().contiguous().numpy() for tensor in arrays]
    results = [tensor.numpy() for tensor in (hidden, output, steps, residual, status)]
    integers, strengths = INTEGERS[hidden.dtype], np.array(action.strengths, results[0].dtype)

    arguments: tuple[Any, ...] = (*views, strengths, *results, integers, *numbers)

    def rows(first: int, last: int) -> None:
        layered_cpu.settle_pair(first, last, *arguments)

    _in_threads(rows, num_rows)
    return Relaxation((hidden, output), steps, residual, status)


def _in_threads(work: Callable[[int, int], None], num_rows: int) -> None:
    """Split rows into one range per thread, as many threads as torch uses, and wait for all."""
    num_threads = min(torch.get_num_threads(), num_rows // FEWEST_ROWS)
    if num_threads <= 1:
        work(0, num_rows)
        return
    bounds = np.linspace(0, num_rows, num_threads + 1).astype(int).tolist()
    pool = _pool(os.getpid(), num_threads - 1)
    others = [pool.submit(work, first, last) for first, last in pairwise(bounds[1:])]
    work(bounds[0], bounds[1])  # this thread takes its share, and so needs no waking
    for other in others:
        other.result()


@cache
def _pool(process: int, num_threads: int) -> ThreadPoolExecutor:
    """Return the threads of this process; keyed by it, because a forked one inherits the object without the threads."""
    return ThreadPoolExecutor(num_threads, thread_name_prefix="eqlab-settle")
