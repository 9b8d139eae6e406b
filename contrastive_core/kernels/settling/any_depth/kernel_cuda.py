"""Numba CUDA kernel of block descent in layered networks of any depth: the mirror of ``any_depth/host_cpu.py``.

One block of threads settles one sample, its units in shared memory where they fit there; its threads share the units of a layer out,
and where a layer has fewer units than the block has threads, the terms of each unit's sum as well. What BLAS multiplies on the CPU is one
product here, ``_terms``: both directions read weights along the units, which is why the transposed ones are given too.

Without a device the kernel runs in numba's CUDA simulator (``NUMBA_ENABLE_CUDASIM=1``), which is how it is tested; it has compiled for
devices but not run on one, and no timing of it is claimed. This module does not import torch.
"""

# numba.cuda has no types: its decorators and what they compile are opaque to mypy.
# mypy: disable-error-code="untyped-decorator, no-untyped-call, attr-defined, no-any-return"

from __future__ import annotations

import math

import numpy as np
from numba import cuda

from contrastive_core.kernels.settling import formulas
from contrastive_core.kernels.settling.formulas import Array, Number

CONVERGED, BUDGET, DIVERGED = 0, 1, 2
"""The values of ``contrastive_core.certificate.Status``."""

FREE, PULLED, SOFTMAX, HELD, READOUT = 0, 1, 2, 3, 4
"""The values of ``contrastive_core.kernels.settling.output_phase.Kind``."""

SIZE, FIRST, WEIGHT, ACTIVATION, ORDER = 0, 1, 2, 3, 4
"""Rows of a layout: units of each layer, the first of them, the first weight into it, its activation; and the order of the moves."""

_respond = cuda.jit(device=True)(formulas.respond)
_nudged = cuda.jit(device=True)(formulas.nudged)
_larger = cuda.jit(device=True)(formulas.larger)
_softmax_scale = cuda.jit(device=True)(formulas.softmax_scale)


@cuda.jit(device=True)
def _terms(values: Array, first: int, count: int, weights: Array, offset: int, width: int, unit: int, part: int, parts: int) -> Number:
    """Return every ``parts``-th term, from ``part`` on, of ``values[first:first + count] @ weights[:, unit]``, summed."""
    total = values.dtype.type(0)
    for i in range(part, count, parts):
        total += values[first + i] * weights[offset + i * width + unit]
    return total


@cuda.jit(device=True)
def _total(terms: Number, partial: Array, chunk: int, parts: int) -> Number:
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
def _errors(
    phase: int, softmax: bool, units: Array, layout: Array, readout: Array, readout_bias: Array,
    wanted: Array, errors: Array, partial: Array,
) -> None:  # fmt: skip
    """Write the gradient of a cost that follows the units, with respect to the outputs, into ``errors`` of shape (n_out,)."""
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
    last, count = layout.shape[1] - 1, errors.shape[0]
    first, width = layout[FIRST, last], layout[SIZE, last]
    if phase == READOUT:
        chunk = min(count, threads)
        parts, part = threads // chunk, thread // chunk
        for start in range(0, count, chunk):
            k = start + thread % chunk
            terms = units.dtype.type(0)
            if part < parts and k < count:
                terms = _terms(units, first, width, readout, 0, count, k, part, parts)
            terms = _total(terms, partial, chunk, parts)
            if part == 0 and k < count:
                errors[k] = terms + readout_bias[k]
    else:
        for k in range(thread, count, threads):
            errors[k] = units[first + k]
    cuda.syncthreads()
    largest, scale = errors.dtype.type(0), errors.dtype.type(0)
    if softmax:
        largest, scale = _softmax_scale(errors)
    cuda.syncthreads()  # everyone has read all outputs before the first is overwritten
    for k in range(thread, count, threads):
        output = math.exp(errors[k] - largest) / scale if softmax else errors[k]
        errors[k] = output - wanted[k]
    cuda.syncthreads()


@cuda.jit(device=True)
def _pull(phase: int, j: int, pull: Array, errors: Array, readout: Array) -> Number:
    """Return the linear part of the pull of strength 1 on unit ``j`` of the last layer."""
    if phase == PULLED:
        return pull[j]
    if phase == SOFTMAX:
        return -errors[j]
    count, total = errors.shape[0], errors.dtype.type(0)
    for k in range(count):
        total -= readout[j * count + k] * errors[k]
    return total


@cuda.jit(device=True)
def _move(
    layer: int, drive: Array, weights: Array, transposed: Array, biases: Array, readout: Array, readout_bias: Array, pull: Array,
    strength: Number, units: Array, errors: Array, partial: Array, layout: Array, bounds: Array,
    phase: int, softmax: bool, curvature: Number, stiffness: Number, feedback: Number,
) -> Number:  # fmt: skip
    """Set one layer to its minimum, in place, and return the largest change of the thread's own units."""
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
    last = layout.shape[1] - 1
    first, width, activation = layout[FIRST, layer], layout[SIZE, layer], layout[ACTIVATION, layer]
    low, high = bounds[0, layer], bounds[1, layer]
    pulled = layer == last and phase != FREE
    if pulled and phase != PULLED:
        _errors(phase, softmax, units, layout, readout, readout_bias, pull, errors, partial)
    chunk = min(width, threads)
    parts, part = threads // chunk, thread // chunk
    worst = units.dtype.type(0)
    for start in range(0, width, chunk):
        j = start + thread % chunk
        terms = units.dtype.type(0)
        if part < parts and j < width:
            if layer < last:
                above, count = layout[FIRST, layer + 1], layout[SIZE, layer + 1]
                terms = feedback * _terms(units, above, count, transposed, layout[WEIGHT, layer + 1], width, j, part, parts)
            if layer > 0:
                below, count = layout[FIRST, layer - 1], layout[SIZE, layer - 1]
                terms += _terms(units, below, count, weights, layout[WEIGHT, layer], width, j, part, parts)
        terms = _total(terms, partial, chunk, parts)
        if part == 0 and j < width:
            old = units[first + j]
            value = terms + (biases[first + j] if layer > 0 else drive[j])
            if pulled:
                value = _nudged(value, _pull(phase, j, pull, errors, readout), old, strength, curvature, stiffness, activation)
            value = _respond(activation, value, low, high)
            units[first + j] = value
            worst = _larger(worst, abs(units[first + j] - old))
    cuda.syncthreads()
    return worst


@cuda.jit(device=True)
def _all_finite(units: Array, count: int) -> bool:
    """Whether no unit is NaN or infinite; the same answer for all threads of the block, which all have to call it."""
    broken = False
    for j in range(cuda.threadIdx.x, count, cuda.blockDim.x):
        broken = broken or not math.isfinite(units[j])
    return cuda.syncthreads_or(np.int32(broken)) == 0


@cuda.jit(device=True)
def _stops(worst: Number, tolerance: Number) -> bool:
    """Whether a sweep that made this change was the last; the same for all threads of the block, which all have to call it."""
    active = cuda.syncthreads_or(np.int32(worst > tolerance)) != 0
    broken = cuda.syncthreads_or(np.int32(worst != worst)) != 0
    return broken or not active  # NaN is larger than no tolerance: a diverged sample stops here


@cuda.jit(device=True)
def _certify(worst: Number, finite: bool, tolerance: Number, partial: Array, residual: Array, status: Array) -> None:
    """Write the largest change over the block's threads, and how the relaxation ended, into arrays of shape (1,)."""
    thread = cuda.threadIdx.x
    partial[thread] = worst
    cuda.syncthreads()
    if thread == 0:
        for other in range(1, cuda.blockDim.x):
            worst = _larger(worst, partial[other])
        residual[0] = worst
        if worst != worst or not finite:
            status[0] = DIVERGED
        else:
            status[0] = CONVERGED if tolerance >= 0 and worst <= tolerance else BUDGET
    cuda.syncthreads()


@cuda.jit(device=True)
def _settle_row(
    drive: Array, weights: Array, transposed: Array, biases: Array, readout: Array, readout_bias: Array, pull: Array,
    strength: Number, units: Array, errors: Array, partial: Array, layout: Array, bounds: Array,
    phase: int, softmax: bool, curvature: Number, stiffness: Number, feedback: Number,
    tolerance: Number, budget: int, backwards: bool, residual: Array, status: Array,
) -> int:  # fmt: skip
    """Settle one sample in place, write its residual and status into arrays of shape (1,), and return its number of sweeps."""
    num_layers = layout.shape[1]
    worst = units.dtype.type(0)
    step = 0
    while step < budget:
        step += 1
        worst = units.dtype.type(0)
        for position in range(num_layers):
            layer = layout[ORDER, num_layers - 1 - position if backwards else position]
            if phase == HELD and layer == num_layers - 1:
                continue
            change = _move(
                layer, drive, weights, transposed, biases, readout, readout_bias, pull, strength, units, errors, partial, layout, bounds,
                phase, softmax, curvature, stiffness, feedback,
            )  # fmt: skip
            worst = _larger(worst, change)
        if tolerance >= 0 and _stops(worst, tolerance):
            break
    finite = _all_finite(units, layout[FIRST, num_layers - 1] + layout[SIZE, num_layers - 1])
    _certify(worst, finite, tolerance, partial, residual, status)
    return step


@cuda.jit
def settle_blocks(
    drive: Array, weights: Array, transposed: Array, biases: Array, readout: Array, readout_bias: Array, pull: Array, strengths: Array,
    units: Array, steps: Array, residual: Array, status: Array, layout: Array, bounds: Array,
    phase: int, softmax: bool, curvature: Number, stiffness: Number, feedback: Number, tolerances: Array, budgets: Array,
    from_rest: bool, shared: bool,
) -> None:  # fmt: skip
    """Settle the samples of a layered network of any depth in P phases, each until it has converged.

    Launched with one block per sample, times P or any smaller number of blocks over which the phases are shared out, and dynamic
    shared memory for one number per thread, and for one per unit and output error if ``shared``. From rest, which takes one block
    per sample, the first phase is the free one, and the others start where it ends and visit the layers in the other order.

    Parameters
    ----------
    drive : array of shape (B, n_1)
        Total clamped input of the first layer.
    weights, transposed : arrays
        The weights into each layer but the first, of shapes (n below, n), and their transposes, one after the other.
    biases : array of shape (N,)
        Of all layers, N units; the first layer's are not used.
    readout, readout_bias : arrays of shape (n_L n_out,) and (n_out,)
        READOUT: its weights and biases; else not used.
    pull : array of shape (B, k)
        PULLED: its linear part at strength 1; SOFTMAX, READOUT: the targets; else not used.
    strengths : array of shape (P,)
        Of each phase's nudge.
    units : array of shape (P, B, N + n_out)
        Start states, not read from rest; overwritten with the result. Behind the units is room for the errors of SOFTMAX and READOUT.
    steps, residual, status : arrays of shape (P, B)
        Overwritten with the certificates.
    layout : array of int64 of shape (5, L)
        Rows SIZE, FIRST, WEIGHT, ACTIVATION and ORDER.
    bounds : array of shape (2, L)
        Lower and upper bounds of the layers' units.
    phase : int
        FREE, PULLED, SOFTMAX, HELD or READOUT.
    softmax : bool
        Whether the errors are those of a cross-entropy.
    curvature : float
        Of a nudge of strength 1.
    stiffness, feedback : float
        Energy scale of the last layer, and ratio of feedback to forward coupling.
    tolerances, budgets : arrays of shape (P,)
        Of each phase; a negative tolerance is none.
    from_rest : bool
        Whether to put a free phase before the others.
    shared : bool
        Whether there is shared memory for the units.
    """
    sample, thread, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    num_layers = layout.shape[1]
    num_units = layout[FIRST, num_layers - 1] + layout[SIZE, num_layers - 1]
    memory = cuda.shared.array(0, drive.dtype)
    partial = memory[:threads]
    for number in range(cuda.blockIdx.y, strengths.shape[0], cuda.gridDim.y):
        second = from_rest and number > 0
        result = units[number, sample]
        row = memory[threads : threads + units.shape[2]] if shared else result
        if from_rest and not second:
            for layer in range(num_layers):
                rest = _respond(layout[ACTIVATION, layer], drive.dtype.type(0), bounds[0, layer], bounds[1, layer])
                for j in range(thread, layout[SIZE, layer], threads):
                    row[layout[FIRST, layer] + j] = rest
        else:
            for j in range(thread, num_units, threads):
                row[j] = units[0 if second else number, sample, j]
        cuda.syncthreads()
        taken = _settle_row(
            drive[sample], weights, transposed, biases, readout, readout_bias, pull[sample], strengths[number],
            row, row[num_units:], partial, layout, bounds,
            FREE if from_rest and not second else phase, softmax, curvature, stiffness, feedback,
            tolerances[number], budgets[number], second, residual[number, sample : sample + 1], status[number, sample : sample + 1],
        )  # fmt: skip
        if thread == 0:
            steps[number, sample] = taken
        for j in range(thread, num_units, threads):
            result[j] = row[j]
        cuda.syncthreads()
