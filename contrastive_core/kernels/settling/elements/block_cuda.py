"""Device functions that all threads of a CUDA block call together: sums, stops and certificates of the block's sample."""

# numba.cuda has no types: its decorators and what they compile are opaque to mypy.
# mypy: disable-error-code="untyped-decorator, no-untyped-call, attr-defined, no-any-return"

from __future__ import annotations

import math

import numpy as np
from numba import cuda

from contrastive_core.kernels.settling.elements import formulas
from contrastive_core.kernels.settling.elements.codes import BUDGET, CONVERGED, DIVERGED
from contrastive_core.kernels.settling.elements.formulas import Array, Number

larger = cuda.jit(device=True)(formulas.larger)


@cuda.jit(device=True)
def total(terms: Number, partial: Array, chunk: int, parts: int) -> Number:
    """Return, to the threads of part 0, the sum over the parts; all threads of the block have to call it."""
    thread = cuda.threadIdx.x
    partial[thread] = terms
    cuda.syncthreads()
    if thread < chunk:
        for part in range(1, parts):
            terms += partial[part * chunk + thread]
    cuda.syncthreads()  # before anyone writes into partial again
    return terms


@cuda.jit(device=True)
def all_finite(units: Array, count: int) -> bool:
    """Whether no unit is NaN or infinite; the answer is the same for all threads of the block, which all have to call it."""
    broken = False
    for j in range(cuda.threadIdx.x, count, cuda.blockDim.x):
        broken = broken or not math.isfinite(units[j])
    return cuda.syncthreads_or(np.int32(broken)) == 0  # a vote of the block, and a barrier in one


@cuda.jit(device=True)
def stops(worst: Number, tolerance: Number) -> bool:
    """Whether a sweep that made this change was the last; the same for all threads of the block, which all have to call it."""
    active = cuda.syncthreads_or(np.int32(worst > tolerance)) != 0
    broken = cuda.syncthreads_or(np.int32(worst != worst)) != 0
    return broken or not active  # NaN is larger than no tolerance: a diverged sample stops here


@cuda.jit(device=True)
def certify(worst: Number, finite: bool, tolerance: Number, partial: Array, residual: Array, status: Array) -> None:
    """Write the largest change over the block's threads, and how the relaxation ended, into arrays of shape (1,)."""
    thread = cuda.threadIdx.x
    partial[thread] = worst
    cuda.syncthreads()
    # One thread compares all: it happens once per phase, and a tree of maxima would have to be careful with NaN.
    if thread == 0:
        for other in range(1, cuda.blockDim.x):
            worst = larger(worst, partial[other])
        residual[0] = worst
        if worst != worst or not finite:
            status[0] = DIVERGED
        else:
            status[0] = CONVERGED if tolerance >= 0 and worst <= tolerance else BUDGET
    cuda.syncthreads()
