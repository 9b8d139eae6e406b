"""Numba kernels of block descent in layered networks, for the CPU.

Every function writes into arrays it is given, trusts its caller about shapes and types, and treats samples independently of
each other, so that a result depends neither on the other samples nor on the number of threads.

Compilation policy, one for all kernels: cached on disk; the GIL is released, so that plain threads run in parallel; sums may
be reordered and contracted, which is what vectorises them, but NaN and infinity keep their meaning, because that is how a
diverged sample is found. Kernels that call each other live in one file, if they can: numba's cache looks at the caller's only.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import numba
import numpy as np

from contrastive_core.kernels import formulas
from contrastive_core.kernels.vector_cpu import GROUP, PADDED, VECTOR_BYTES, fetch, move_hidden, move_outputs

Array = Any
"""A NumPy array; numba takes its types from the arguments, and the annotations are for the reader."""

F = TypeVar("F", bound=Callable[..., Any])

Number = Any
"""A scalar of whatever type numba finds, often made one of the arrays' own type on the way."""

njit: Callable[[F], F] = cast(
    Any, partial(numba.njit, cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")
)

CONVERGED, BUDGET, DIVERGED = 0, 1, 2
"""The values of ``contrastive_core.types.Status``, which numba cannot read."""

FREE, PULLED, SOFTMAX, HELD = 0, 1, 2, 3
"""What acts on the last layer: nothing; a constant pull; the pull of a cross-entropy that follows the outputs; a hold."""

_respond, _nudged = njit(formulas.respond), njit(formulas.nudged)


@njit
def _spread(values: Array, weights: Array, drive: Array) -> None:
    """Add ``values @ weights`` to ``drive`` in place, five rows at a time; shapes (k,), (k, n or more), (n,)."""
    count, width = weights.shape[0], drive.shape[0]
    whole = count - count % 5
    for k in range(0, whole, 5):
        a, b, c, d, e = values[k], values[k + 1], values[k + 2], values[k + 3], values[k + 4]
        for j in range(width):
            first = a * weights[k, j] + b * weights[k + 1, j] + c * weights[k + 2, j]
            drive[j] += first + d * weights[k + 3, j] + e * weights[k + 4, j]
    for k in range(whole, count):
        a = values[k]
        for j in range(width):
            drive[j] += a * weights[k, j]


@njit
def _gather(weights: Array, values: Array, sums: Array) -> None:
    """Write ``weights @ values`` into ``sums``; shapes (k, n or more), (n,), (k,)."""
    count, width = weights.shape[0], values.shape[0]
    whole = count - count % 5
    zero = values.dtype.type(0)
    for k in range(0, whole, 5):
        a, b, c, d, e = zero, zero, zero, zero, zero
        for j in range(width):
            value = values[j]
            a += weights[k, j] * value
            b += weights[k + 1, j] * value
            c += weights[k + 2, j] * value
            d += weights[k + 3, j] * value
            e += weights[k + 4, j] * value
        sums[k], sums[k + 1], sums[k + 2], sums[k + 3], sums[k + 4] = a, b, c, d, e
    for k in range(whole, count):
        a = zero
        for j in range(width):
            a += weights[k, j] * values[j]
        sums[k] = a


@njit
def _copy(source: Array, target: Array) -> None:
    """Copy in a loop, which is vectorised; NumPy's assignment is not, here."""
    for j in range(target.shape[0]):
        target[j] = source[j]


@njit
def _fill(value: Number, target: Array) -> None:
    for j in range(target.shape[0]):
        target[j] = value


@njit
def _softmax_pull(output: Array, target: Array, pull: Array) -> None:
    """Write what a cross-entropy of strength 1 pulls with, the target less the softmax, into ``pull``; all of shape (k,)."""
    # Not formulas.softmax_scale, which returns no terms: here there is memory to keep them in, and they are half of the exponentials.
    largest = output[0]
    for k in range(1, output.shape[0]):
        largest = max(largest, output[k])
    total = output.dtype.type(0)
    for k in range(output.shape[0]):
        pull[k] = math.exp(output[k] - largest)
        total += pull[k]
    for k in range(output.shape[0]):
        pull[k] = target[k] - pull[k] / total


@njit
def _all_finite(layer: Array) -> bool:
    """Whether no unit is NaN or infinite: times 0, those become NaN and everything else 0."""
    zero = layer.dtype.type(0)
    total = zero
    for j in range(layer.shape[0]):
        total += layer[j] * zero
    finite: bool = total == zero
    return finite


@njit
def _larger(change: Number, largest: Number) -> Number:
    """Return the larger of two absolute changes; NaN is above all, and stays."""
    return change if change > largest or change != change else largest


@njit
def _move_units(
    drive: Array, rows: Array, sent: Array, low: Number, high: Number, units: Array, source: int, target: int, sums: Array, base: Array
) -> Number:
    """Do what :func:`move_hidden` does, and what it leaves over: outputs beyond the first GROUP, and units that fill no vector.

    ``base`` of shape (n,) is overwritten.
    """
    width = drive.shape[0]
    whole = width - width % (VECTOR_BYTES // units.itemsize)
    base[:] = drive
    _spread(sent[GROUP : rows.shape[0]], rows[GROUP:], base)
    largest = move_hidden(base, rows, sent, low, high, units, source, target, sums, whole)
    for j in range(whole, width):
        value = base[j]
        for k in range(GROUP):
            value += sent[k] * rows[k, j]
        value = low if value < low else value  # comparisons that NaN fails, unlike min and max
        value = high if value > high else value
        largest = _larger(abs(value - units[source + j]), largest)
        units[target + j] = value
        for k in range(GROUP):
            sums[k] += value * rows[k, j]
    _gather(rows[GROUP:], units[target : target + width], sums[GROUP:])
    return largest


@njit
def _settle_row(
    drive: Array, rows: Array, bias: Array, pull: Array, strength: Number, curvature: Number, stiffness: Number, feedback: Number,
    low: Number, high: Number, low_out: Number, high_out: Number, phase: int, output_first: bool, tolerance: Number, budget: int,
    units: Array, source: int, target: int, outputs: Array, sums: Array, sent: Array, offset: Array, base: Array, count: int,
) -> tuple[int, Number]:  # fmt: skip
    """Settle one row of ``count`` outputs, and return its number of sweeps and the largest change in the last of them.

    The units start at ``source`` of an array and are written from ``target`` on; all else is settled in place. ``sums`` has to be what the
    units send to the outputs, and ``sent`` what these send back; both still are so at the end. Arrays along the outputs are of the
    length that :func:`places_of` gives.
    """
    real = units.dtype.type
    limited, fits = tolerance >= 0, rows.shape[0] == GROUP and drive.shape[0] % (VECTOR_BYTES // units.itemsize) == 0
    gain = real(1)
    if phase == PULLED:  # the drive of an output is linear in its input and in the pull, and so known but for the sums
        gain = _nudged(real(1), real(0), real(0), strength, curvature, stiffness, formulas.CLIPPED)
        slope = _nudged(real(0), real(1), real(0), strength, curvature, stiffness, formulas.CLIPPED)
        for k in range(count):
            offset[k] = gain * bias[k] + slope * pull[k]
    elif phase == FREE:
        for k in range(count):
            offset[k] = bias[k]
    step, largest = 0, real(0)
    while step < budget:
        step += 1
        largest = real(0)
        for part in range(2):
            if output_first == (part == 1):
                # One pass where it fits, called from here: numba counts references on every call that takes a slice.
                if fits:
                    change = move_hidden(drive, rows, sent, low, high, units, source, target, sums, drive.shape[0])
                else:
                    change = _move_units(drive, rows, sent, low, high, units, source, target, sums, base)
                largest, source = _larger(change, largest), target
            elif phase == SOFTMAX:
                _softmax_pull(outputs[:count], pull, offset)
                for k in range(count):
                    value = _nudged(bias[k] + sums[k], offset[k], outputs[k], strength, curvature, stiffness, formulas.CLIPPED)
                    value = _respond(formulas.CLIPPED, value, low_out, high_out)
                    largest = _larger(abs(value - outputs[k]), largest)
                    outputs[k], sent[k] = value, feedback * value
            elif phase != HELD:
                change = move_outputs(sums, count, gain, offset, low_out, high_out, feedback, outputs, sent, outputs.shape[0])
                largest = _larger(change, largest)
        if limited and not largest > tolerance:
            break
    return step, largest


@njit
def _status(largest: Number, tolerance: Number, units: Array, outputs: Array) -> int:
    """Return how a relaxation ended whose last sweep made this change."""
    if largest != largest or not (_all_finite(units) and _all_finite(outputs)):
        return DIVERGED
    return CONVERGED if largest <= tolerance else BUDGET


@njit
def places_of(count: int) -> int:
    """Return the length of arrays that hold some number of outputs in whole vectors."""
    return (max(count, GROUP) + PADDED - 1) // PADDED * PADDED


@njit
def rows_of(weight: Array) -> Array:
    """Return weights of shape (n, k) along the hidden units, for :func:`_move_units`: (k or more, n or more), aligned, 0 elsewhere."""
    width, count = weight.shape
    lanes = VECTOR_BYTES // weight.itemsize
    stride, height = (width + lanes - 1) // lanes * lanes, max(count, GROUP)
    memory = np.zeros(height * stride + lanes, weight.dtype)
    shift = -memory.ctypes.data % VECTOR_BYTES // weight.itemsize
    rows = memory[shift : shift + height * stride].reshape(height, stride)
    for j in range(width):
        for k in range(count):
            rows[k, j] = weight[j, k]
    return rows


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
    places = places_of(count)
    outputs = np.full(places, min(max(real(0), low_out), high_out))
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
            elif from_rest:
                for j in range(target, target + width):
                    units[j] = min(max(real(0), low), high)
            if output_first and not second:
                _gather(rows, units[target : target + width], sums)
            for k in range(count):
                if from_rest:
                    outputs[k] = output[0, sample, k] if second else min(max(real(0), low_out), high_out)
                else:
                    outputs[k] = output[number, sample, k]
                sent[k] = feedback * outputs[k]
            taken, largest = _settle_row(
                given, rows, bias, wanted, strengths[number], curvature, stiffness, feedback,
                low, high, low_out, high_out, FREE if from_rest and number == 0 else phase, output_first != second,
                tolerances[number], budgets[number], units, source, target, outputs, sums, sent, offset, base, count,
            )  # fmt: skip
            if from_rest and number == 0:
                _copy(sums, free_sums)
            for k in range(count):
                output[number, sample, k] = outputs[k]
            steps[number, sample], residual[number, sample] = taken, largest
            bounded = abs(low) + abs(high) < np.inf  # then a unit can only be NaN, and so is its change
            ended = outputs[:count]
            status[number, sample] = _status(largest, tolerances[number], ended if bounded else units[target : target + width], ended)
