"""Settling on the CPU: numba for what is sequential and skinny, BLAS for products between hidden layers.

A network with one hidden layer and few outputs settles in one call of a fused kernel, sample by sample. Any other network is
swept layer by layer over the samples that are still active, which are kept packed in the first rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import cast

import numpy as np
import torch

from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.kernels import layered_cpu
from contrastive_core.kernels.action import Action, Kind, action_of
from contrastive_core.kernels.sweep_cpu import INTEGERS, settle_blocks
from contrastive_core.networks.activation import Clipped
from contrastive_core.networks.layered import Layered
from contrastive_core.types import Clamped, Phase, Relaxation, State, Stop

MOST_OUTPUTS = 64
"""Widest output layer of the fused kernel; beyond it BLAS on the whole batch is faster."""

FEWEST_ROWS = 32
"""Fewest samples worth a thread of their own: below, waking it costs more than the samples."""


def settle(clamped: Clamped, state: State, dynamics: Dynamics, stop: Stop, phase: Phase) -> Relaxation:
    """Relax a case that :func:`contrastive_core.kernels.table.obstacle` has nothing against, as the reference would."""
    network = cast(Layered, clamped.network)
    groups = cast(BlockDescent, dynamics).groups(len(state))
    with torch.no_grad():
        action = action_of(clamped, phase, state)
        boxes = all(type(activation) is Clipped for activation in network.activations)
        if len(state) == 2 and boxes and action.kind is not Kind.READOUT and network.sizes[1] <= MOST_OUTPUTS:
            return _settle_pair(network, clamped, state, groups[0][0] == 1, stop, action)
        return settle_blocks(network, clamped, state, [index for group in groups for index in group], stop, action)


def _settle_pair(network: Layered, clamped: Clamped, state: State, output_first: bool, stop: Stop, action: Action) -> Relaxation:
    """Settle a network of one hidden layer with the fused kernel."""
    hidden, output = (layer.detach().clone(memory_format=torch.contiguous_format) for layer in state)
    batch_size = hidden.shape[0]
    steps = torch.empty(batch_size, dtype=torch.int64)
    residual = hidden.new_empty(batch_size)
    status = torch.empty(batch_size, dtype=torch.int8)
    low, high = (cast(Clipped, activation) for activation in network.activations)
    arrays = (clamped.drive, network.weight(1), network.bias(1), output if action.pull is None else action.pull)
    numbers = (
        int(action.kind), action.strength, action.curvature, network.stiffness[1], network.energy_scale,
        low.low, low.high, high.low, high.high, output_first, -1.0 if stop.tolerance is None else stop.tolerance, stop.budget,
    )  # fmt: skip
    views = [tensor.detach().contiguous().numpy() for tensor in (*arrays, hidden, output, steps, residual, status)]
    integers = INTEGERS[hidden.dtype]

    def rows(first: int, last: int) -> None:
        layered_cpu.settle_pair(first, last, *views, integers, *numbers)

    _in_threads(rows, batch_size)
    return Relaxation((hidden, output), steps, residual, status)


def _in_threads(work: Callable[[int, int], None], num_rows: int) -> None:
    """Split rows into one range per thread, as many threads as torch uses, and wait for all."""
    num_threads = min(torch.get_num_threads(), num_rows // FEWEST_ROWS)
    if num_threads <= 1:
        work(0, num_rows)
        return
    bounds = np.linspace(0, num_rows, num_threads + 1).astype(int).tolist()
    pool = _pool(os.getpid(), num_threads - 1)
    others = [pool.submit(work, first, last) for first, last in zip(bounds[1:-1], bounds[2:], strict=True)]
    work(bounds[0], bounds[1])  # this thread takes its share, and so needs no waking
    for other in others:
        other.result()


@cache
def _pool(process: int, num_threads: int) -> ThreadPoolExecutor:
    """Return the threads of this process; keyed by it, because a forked one inherits the object without the threads."""
    return ThreadPoolExecutor(num_threads, thread_name_prefix="eqlab-settle")
