"""Host side of the fused kernel: networks with one hidden layer and few outputs, several phases in one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch

from contrastive_core.kernels import layered_cpu
from contrastive_core.kernels.action import Action
from contrastive_core.kernels.sweep_cpu import INTEGERS
from contrastive_core.networks.activation import Clipped
from contrastive_core.networks.layered import Layered
from contrastive_core.types import Clamped, Relaxation, State, Stop

MOST_OUTPUTS = 64
"""Widest output layer of the fused kernel; beyond it BLAS on the whole batch is faster."""

FEWEST_SAMPLES = 32
"""Fewest samples worth a thread of their own: below, waking it costs more than the samples."""


def is_pair(network: Layered) -> bool:
    """Whether the fused kernel can settle a network.

    Parameters
    ----------
    network : Layered
        Any.

    Returns
    -------
    bool
        True for one hidden layer, few outputs and units with bounds.
    """
    return len(network.sizes) == 2 and network.sizes[1] <= MOST_OUTPUTS and all(type(a) is Clipped for a in network.activations)


def settle_pair(
    network: Layered, clamped: Clamped, start: State | None, output_first: bool, stops: Sequence[Stop], action: Action
) -> list[Relaxation]:
    """Settle one phase per strength with the fused kernel.

    Parameters
    ----------
    network, clamped
        A network that :func:`is_pair`, and its inputs.
    start : State, optional
        Where every phase starts. None puts a free phase from rest before the others, which start where it ends and visit the layers
        in the other order; the action's strengths then begin with one for it, which is not used.
    output_first : bool
        Whether a sweep of the first phase starts at the outputs.
    stops : sequence of Stop
        One per phase.
    action : Action
        What acts on the outputs.

    Returns
    -------
    list of Relaxation
        One per phase.
    """
    drive = clamped.drive.detach().contiguous()
    phases, batch_size = len(action.strengths), drive.shape[0]
    shapes = [(phases, batch_size, size) for size in network.sizes]
    hidden, output = (
        drive.new_empty(shape) if start is None else start[index].detach().expand(shape).clone(memory_format=torch.contiguous_format)
        for index, shape in enumerate(shapes)
    )
    steps = torch.empty((phases, batch_size), dtype=torch.int64)
    residual = drive.new_empty((phases, batch_size))
    status = torch.empty((phases, batch_size), dtype=torch.int8)
    given = (drive, network.weight(1).detach(), network.bias(1).detach(), output[0] if action.pull is None else action.pull.contiguous())
    results = (hidden, output, steps, residual, status)
    views = [tensor.numpy() for tensor in given]
    real = views[0].dtype
    tolerances = [-1.0 if stop.tolerance is None else stop.tolerance for stop in stops]
    low, high = (cast(Clipped, activation) for activation in network.activations)
    arguments: tuple[Any, ...] = (
        *views, np.array(action.strengths, real), *(tensor.numpy() for tensor in results), INTEGERS[drive.dtype],
        int(action.kind), action.curvature, network.stiffness[1], network.energy_scale, low.low, low.high, high.low, high.high,
        output_first, np.array(tolerances, real), np.array([stop.budget for stop in stops]), start is None,
    )  # fmt: skip
    _in_threads(lambda first, last: layered_cpu.settle_pair(first, last, *arguments), batch_size)
    parts = zip(*(tensor.unbind(0) for tensor in results), strict=True)
    return [Relaxation((s1, s2), *certificate) for s1, s2, *certificate in parts]


def _in_threads(work: Callable[[int, int], None], num_samples: int) -> None:
    """Split samples into one range per thread, as many threads as torch uses, and wait for all."""
    num_threads = min(torch.get_num_threads(), num_samples // FEWEST_SAMPLES)
    if num_threads <= 1:
        work(0, num_samples)
        return
    bounds = np.linspace(0, num_samples, num_threads + 1).astype(int).tolist()
    pool = _pool(os.getpid(), num_threads - 1)
    others = [pool.submit(work, first, last) for first, last in pairwise(bounds[1:])]
    work(bounds[0], bounds[1])  # this thread takes its share, and so needs no waking
    for other in others:
        other.result()


@cache
def _pool(process: int, num_threads: int) -> ThreadPoolExecutor:
    """Return the threads of this process; keyed by it, because a forked one inherits the object without the threads."""
    return ThreadPoolExecutor(num_threads, thread_name_prefix="eqlab-settle")
