"""Numba kernels of block descent in networks with one hidden layer, for the CPU.

How they are compiled, and what they promise, is said in :mod:`contrastive_core.kernels.settling.loops_cpu`.
"""

import numpy as np

from contrastive_core.kernels.settling import formulas
from contrastive_core.kernels.settling.llvm_cpu import VECTOR_BYTES
from contrastive_core.kernels.settling.loops_cpu import (
    BUDGET,
    CONVERGED,
    DIVERGED,
    FREE,
    HELD,
    PULLED,
    SOFTMAX,
    Array,
    Number,
    _all_finite,
    _copy,
    _fill,
    _gather,
    _larger,
    _move_units,
    _nudged,
    _settle_row,
    _spread,
    _status,
    inlined,
    njit,
    rows_of,
)
from contrastive_core.kernels.settling.simd_cpu import (
    GROUP,
    PADDED,
    begin_hidden,
    end_hidden,
    fetch,
    follow_hidden,
    move_hidden,
    move_outputs,
)

__all__ = [  # what kernels of other networks are made of, too
    "BUDGET", "CONVERGED", "DIVERGED", "FREE", "HELD", "PULLED", "SOFTMAX", "Array", "Number", "_copy", "_fill", "_gather", "_larger",
    "_move_units", "_settle_row", "_spread", "_status", "njit", "rows_of", "settle_pair",
]  # fmt: skip


@inlined
def _settle_vectors(
    drive: Array, rows: Array, bias: Array, pull: Array, strength: Number, curvature: Number, stiffness: Number, feedback: Number,
    low: Number, high: Number, low_out: Number, high_out: Number, phase: int, output_first: bool, tolerance: Number, budget: int,
    units: Array, source: int, target: int, outputs: Array, sums: Array, sent: Array, offset: Array, silent: bool, rest: Number,
) -> tuple[int, Number]:  # fmt: skip
    """Settle as ``_settle_row`` does, by vector instructions only: hidden units that fill vectors, GROUP outputs and no softmax.

    The units start at ``source`` of an array and are written from ``target`` on. Arrays from ``outputs`` on are PADDED. ``silent``
    says that the hidden units move first, from ``rest``, and hear nothing from the outputs then. Where they move second, ``sums`` are not
    always theirs in the end: no one asks, as phases that follow this one start with the hidden units.
    """
    real, count = units.dtype.type, bias.shape[0]
    gain, slope = real(1), real(0)
    if phase == PULLED:  # the drive of an output is linear in its input and in the pull, and so known but for the sums
        gain = _nudged(real(1), real(0), real(0), strength, curvature, stiffness, formulas.CLIPPED)
        slope = _nudged(real(0), real(1), real(0), strength, curvature, stiffness, formulas.CLIPPED)
    for k in range(count):
        offset[k] = gain * bias[k] + slope * pull[k] if phase == PULLED else bias[k]
    step, largest, change = 0, real(0), real(0)
    while step < budget:
        step += 1
        largest = real(0)
        for part in range(2):
            if output_first == (part == 1):
                if silent and step == 1:
                    change = begin_hidden(drive, rows, rest, low, high, units, source, target, sums, drive.shape[0])
                elif tolerance >= 0 and largest > tolerance and step < budget:  # the outputs have moved: on in any case
                    change = follow_hidden(drive, rows, sent, low, high, units, source, target, sums, drive.shape[0])
                elif part == 1 and (tolerance >= 0 or step == budget):  # most likely this is the last time that they move
                    change = end_hidden(drive, rows, sent, low, high, units, source, target, sums, drive.shape[0])
                    if change > tolerance and step < budget:
                        move_hidden(drive, rows, sent, low, high, units, target, target, sums, drive.shape[0])
                else:
                    change = move_hidden(drive, rows, sent, low, high, units, source, target, sums, drive.shape[0])
                source = target
            elif phase != HELD:
                change = move_outputs(sums, count, gain, offset, low_out, high_out, feedback, outputs, sent, outputs.shape[0])
            else:
                change = real(0)
            largest = _larger(change, largest)
        if tolerance >= 0 and not largest > tolerance:
            break
    return step, largest


@njit
def settle_pair(
    first: int, last: int, drive: Array, bias_in: Array, weight: Array, bias: Array, pull: Array, labels: Array, strengths: Array,
    hidden: Array, output: Array, steps: Array, residual: Array, status: Array,
    phase: int, curvature: Number, stiffness: Number, feedback: Number, low: Number, high: Number, low_out: Number, high_out: Number,
    output_first: bool, tolerances: Array, budgets: Array, from_rest: bool,
) -> None:  # fmt: skip
    """Settle samples ``first`` to ``last`` of a network with one hidden layer in P phases, each until it has converged.

    A sample's whole relaxation runs in the first-level cache: its own units and the weights between hidden layer and outputs.
    From rest, the first phase is the free one, and the others start where it ends and visit the layers in the other order.

    Parameters
    ----------
    first, last : int
        The samples to work on; different ranges may run in different threads.
    drive : array of shape (B, n)
        Clamped input of the hidden layer.
    bias_in : array of shape (n,)
        What is added to it.
    weight, bias : arrays of shape (n, k) and (k,)
        To the outputs.
    pull : array of shape (B, k)
        PULLED: its linear part at strength 1; SOFTMAX: the targets. Not read where there are labels.
    labels : array of shape (B,) or (0,)
        Classes, whose one-hot targets stand for the pull; none where the pull is given.
    strengths : array of shape (P,)
        Of the nudges.
    hidden, output : arrays of shape (P, B, n) and (P, B, k)
        From a start: it; overwritten with the result.
    steps, residual, status : arrays of shape (P, B)
        Overwritten with the certificates.
    phase : int
        FREE, PULLED, SOFTMAX or HELD.
    curvature : float
        Of a nudge of strength 1.
    stiffness, feedback : float
        Energy scale of the outputs, and ratio of feedback to forward coupling.
    low, high, low_out, high_out : float
        Bounds of the units.
    output_first : bool
        Whether a sweep of the first phase starts at the outputs.
    tolerances, budgets : arrays of shape (P,)
        Of each phase; a negative tolerance is none.
    from_rest : bool
        Whether to put a free phase before the others.
    """
    real = drive.dtype.type
    low, high, low_out, high_out = real(low), real(high), real(low_out), real(high_out)
    curvature, stiffness, feedback = real(curvature), real(stiffness), real(feedback)
    width, count = weight.shape
    num_samples, units, rows = drive.shape[0], hidden.reshape(-1), rows_of(weight)
    in_vectors = phase != SOFTMAX and rows.shape[0] == GROUP and width % (VECTOR_BYTES // drive.itemsize) == 0
    places = (rows.shape[0] + PADDED - 1) // PADDED * PADDED
    rest, rest_out = min(max(real(0), low), high), min(max(real(0), low_out), high_out)
    silent = in_vectors and from_rest and rest_out == 0 and not output_first and budgets[0] > 0
    silent = silent and _all_finite(rows.reshape(-1))  # 0 times infinity is NaN, and has to be made for a diverged sample to be found
    outputs = np.full(places, rest_out)
    sent, offset, sums, free_sums = np.zeros(places, real), np.zeros(places, real), np.zeros(places, real), np.zeros(places, real)
    wanted, given, base = np.empty(count, real), np.empty(width, real), np.empty(width, real)
    for sample in range(first, last):
        for j in range(width):
            given[j] = drive[sample, j] + bias_in[j]
        for k in range(count):
            wanted[k] = real(k == labels[sample]) if labels.shape[0] > 0 else pull[sample, k]
        for number in range(strengths.shape[0]):
            target, second = (number * num_samples + sample) * width, from_rest and number > 0
            source = sample * width if second else target
            fetch(units, target + width, width)  # for the next sample, while this one is settled
            if second:
                _copy(free_sums, sums)
            elif from_rest and not silent:
                _fill(rest, hidden[number, sample])
            if output_first and not second:
                _gather(rows, hidden[number, sample], sums)
            for k in range(count):
                if from_rest:
                    outputs[k] = output[0, sample, k] if second else rest_out
                else:
                    outputs[k] = output[number, sample, k]
                sent[k] = feedback * outputs[k]
            acting = FREE if from_rest and number == 0 else phase
            if in_vectors:
                taken, largest = _settle_vectors(
                    given, rows, bias, wanted, strengths[number], curvature, stiffness, feedback,
                    low, high, low_out, high_out, acting, output_first != second,
                    tolerances[number], budgets[number], units, source, target, outputs, sums, sent, offset,
                    silent and number == 0, rest,
                )  # fmt: skip
            else:
                if second:
                    _copy(hidden[0, sample], hidden[number, sample])
                taken, largest = _settle_row(
                    given, rows, bias, wanted, strengths[number], curvature, stiffness, feedback,
                    low, high, low_out, high_out, acting, output_first != second,
                    tolerances[number], budgets[number], hidden[number, sample], outputs[:count], sums, sent, offset, base,
                )  # fmt: skip
            if from_rest and number == 0:
                _copy(sums, free_sums)
            _copy(outputs[:count], output[number, sample])
            steps[number, sample], residual[number, sample] = taken, largest
            bounded = abs(low) + abs(high) < np.inf  # then a unit can only be NaN, and so is its change
            ended = output[number, sample]
            status[number, sample] = _status(largest, tolerances[number], ended if bounded else hidden[number, sample], ended)
