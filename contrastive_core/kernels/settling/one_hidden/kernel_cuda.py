"""Numba CUDA kernel of networks with one hidden layer: the mirror of :mod:`contrastive_core.kernels.settling.one_hidden.kernel_cpu`.

As in ``any_depth/kernel_cuda.py``, one block of threads settles one sample. The kernel has run in the simulator and been
compiled, but not run on a device. This module does not import torch.
"""

# numba.cuda has no types: its decorators and what they compile are opaque to mypy.
# mypy: disable-error-code="untyped-decorator, no-untyped-call, attr-defined, no-any-return"

from __future__ import annotations

import math

from numba import cuda

from contrastive_core.kernels.settling.any_depth import kernel_cuda
from contrastive_core.kernels.settling.any_depth.kernel_cuda import FREE, HELD, SOFTMAX
from contrastive_core.kernels.settling.formulas import CLIPPED, Array, Number

_respond, _nudged, _larger, _softmax_scale = kernel_cuda._respond, kernel_cuda._nudged, kernel_cuda._larger, kernel_cuda._softmax_scale
_total, _all_finite, _stops, _certify = kernel_cuda._total, kernel_cuda._all_finite, kernel_cuda._stops, kernel_cuda._certify


@cuda.jit(device=True)
def _move_units(drive: Array, weight: Array, feedback: Number, low: Number, high: Number, units: Array, outputs: Array) -> Number:
    """Set the hidden units to their minimum, in place, and return the largest change of the thread's own."""
    width, count = weight.shape
    worst = units.dtype.type(0)
    for j in range(cuda.threadIdx.x, width, cuda.blockDim.x):
        old, sent = units[j], units.dtype.type(0)
        for k in range(count):
            sent += outputs[k] * weight[j, k]
        units[j] = _respond(CLIPPED, drive[j] + feedback * sent, low, high)
        worst = _larger(abs(units[j] - old), worst)
    cuda.syncthreads()
    return worst


@cuda.jit(device=True)
def _move_outputs(
    weight: Array, bias: Array, pull: Array, strength: Number, curvature: Number, stiffness: Number, low: Number, high: Number,
    phase: int, units: Array, outputs: Array, partial: Array,
) -> Number:  # fmt: skip
    """Set the outputs to their minimum, in place, and return the largest change of the thread's own; threads share out the terms."""
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
    width, count = weight.shape
    largest, scale, worst = units.dtype.type(0), units.dtype.type(0), units.dtype.type(0)
    if phase == SOFTMAX:
        largest, scale = _softmax_scale(outputs)
    cuda.syncthreads()  # everyone has read all outputs before the first is overwritten
    chunk = min(count, threads)
    parts, part = threads // chunk, thread // chunk
    for start in range(0, count, chunk):
        k = start + thread % chunk
        terms = units.dtype.type(0)
        if part < parts and k < count:
            for j in range(part, width, parts):
                terms += units[j] * weight[j, k]
        terms = _total(terms, partial, chunk, parts)
        if part == 0 and k < count:
            old = outputs[k]
            value = terms + bias[k]
            if phase != FREE:
                force = pull[k]
                if phase == SOFTMAX:
                    force -= math.exp(old - largest) / scale
                value = _nudged(value, force, old, strength, curvature, stiffness, CLIPPED)
            outputs[k] = _respond(CLIPPED, value, low, high)
            worst = _larger(abs(outputs[k] - old), worst)
    cuda.syncthreads()
    return worst


@cuda.jit
def settle_pair(
    drive: Array, weight: Array, bias: Array, pull: Array, labels: Array, labelled: bool, strengths: Array,
    hidden: Array, output: Array, steps: Array, residual: Array, status: Array,
    phase: int, curvature: Number, stiffness: Number, feedback: Number, low: Number, high: Number, low_out: Number, high_out: Number,
    output_first: bool, tolerances: Array, budgets: Array, from_rest: bool, shared: bool,
) -> None:  # fmt: skip
    """Settle the samples of a network with one hidden layer in P phases, each until it has converged.

    Launched like ``settle_blocks`` of ``any_depth/kernel_cuda.py``. From rest, which takes one block per sample, the first
    phase is the free one, and the others start where it ends and visit the layers in the other order.

    Parameters
    ----------
    drive, weight, bias, strengths, hidden, output, steps, residual, status
        As in :func:`contrastive_core.kernels.settling.one_hidden.kernel_cpu.settle_pair`.
    pull : array of shape (B, k)
        PULLED: its linear part at strength 1; SOFTMAX: the targets; else not used. Overwritten where there are labels, of which
        those that are no class make a row of zeros.
    labels : array of shape (B,)
        Classes, whose one-hot rows become the pull.
    labelled : bool
        Whether to use them: an array without elements has no address to give the device.
    phase, curvature, stiffness, feedback, low, high, low_out, high_out, output_first, tolerances, budgets, from_rest
        As there.
    shared : bool
        Whether there is shared memory for the units.
    """
    sample, thread, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    width, count = weight.shape
    memory = cuda.shared.array(0, drive.dtype)
    partial, wanted = memory[:threads], pull[sample]
    zero = drive.dtype.type(0)
    if labelled:
        for k in range(thread, count, threads):
            wanted[k] = drive.dtype.type(1) if k == labels[sample] else zero
    for number in range(cuda.blockIdx.y, strengths.shape[0], cuda.gridDim.y):
        second = from_rest and number > 0
        acting = FREE if from_rest and not second else phase
        units = memory[threads : threads + width] if shared else hidden[number, sample]
        outputs = memory[threads + width : threads + width + count] if shared else output[number, sample]
        origin = 0 if second else number
        for j in range(thread, width, threads):
            units[j] = _respond(CLIPPED, zero, low, high) if from_rest and not second else hidden[origin, sample, j]
        for k in range(thread, count, threads):
            outputs[k] = _respond(CLIPPED, zero, low_out, high_out) if from_rest and not second else output[origin, sample, k]
        cuda.syncthreads()
        tolerance, worst, step = tolerances[number], zero, 0
        while step < budgets[number]:
            step += 1
            worst = zero
            for turn in range(2):
                change = zero
                if (output_first != second) == (turn == 1):
                    change = _move_units(drive[sample], weight, feedback, low, high, units, outputs)
                elif acting != HELD:
                    change = _move_outputs(
                        weight, bias, wanted, strengths[number], curvature, stiffness, low_out, high_out, acting, units, outputs, partial
                    )
                worst = _larger(change, worst)
            if tolerance >= 0 and _stops(worst, tolerance):
                break
        finite = _all_finite(units, width)
        finite = _all_finite(outputs, count) and finite
        _certify(worst, finite, tolerance, partial, residual[number, sample : sample + 1], status[number, sample : sample + 1])
        if thread == 0:
            steps[number, sample] = step
        for j in range(thread, width, threads):
            hidden[number, sample, j] = units[j]
        for k in range(thread, count, threads):
            output[number, sample, k] = outputs[k]
        cuda.syncthreads()
