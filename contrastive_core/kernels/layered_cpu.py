"""Numba kernels of block descent in layered networks, for the CPU.

Every function writes into arrays it is given, trusts its caller about shapes and types, and treats samples independently of
each other, so that a result depends neither on the other samples nor on the number of threads.

Compilation policy, one for all kernels: cached on disk; the GIL is released, so that plain threads run in parallel; sums may
be reordered and contracted, which is what vectorises them, but NaN and infinity keep their meaning, because that is how a
diverged sample is found. Kernels that call each other live in one file: numba's cache looks at the file of the caller only.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import numba
import numpy as np

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


@njit
def _spread(values: Array, weights: Array, drive: Array) -> None:
    """Add ``values @ weights`` to ``drive`` in place; shapes (k,), (k, n), (n,).

    Five rows at a time, because the traffic of ``drive`` is what this costs and class counts are multiples of five.
    """
    count, width = weights.shape
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
def _gather(weights: Array, values: Array, base: Array, drive: Array) -> None:
    """Write ``base + weights @ values`` into ``drive``; shapes (k, n), (n,), (k,), (k,)."""
    count, width = weights.shape
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
        drive[k], drive[k + 1], drive[k + 2] = base[k] + a, base[k + 1] + b, base[k + 2] + c
        drive[k + 3], drive[k + 4] = base[k + 3] + d, base[k + 4] + e
    for k in range(whole, count):
        a = zero
        for j in range(width):
            a += weights[k, j] * values[j]
        drive[k] = base[k] + a


@njit
def _move(drive: Array, low: Number, high: Number, layer: Array, bits: Array) -> Number:
    """Set ``layer`` to the clipped ``drive``, and ``drive`` to the absolute changes; return the bits of the largest one.

    ``bits`` is ``drive`` seen as integers: non-negative floats are ordered as their bits are, with NaN above infinity, so that an
    integer maximum is exact, keeps NaN and is vectorised. One array serves twice because the compiler, which has to allow for
    overlap of the arrays it is given, vectorises only where there is none.
    """
    for j in range(layer.shape[0]):
        value = drive[j]
        value = low if value < low else value  # comparisons that NaN fails, unlike min and max
        value = high if value > high else value
        drive[j] = abs(value - layer[j])
        layer[j] = value
    largest = bits[0]
    for j in range(1, layer.shape[0]):
        largest = max(largest, bits[j])
    return largest


@njit
def _softmax_pull(output: Array, target: Array, pull: Array) -> None:
    """Write what a cross-entropy of strength 1 pulls with, the target less the softmax, into ``pull``; all of shape (k,)."""
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
def _move_output(
    units: Array, rows: Array, bias: Array, pull: Array, strength: Number, curvature: Number, stiffness: Number, phase: int,
    low: Number, high: Number, outputs: Array, drive: Array, bits: Array, linear: Array,
) -> Number:  # fmt: skip
    """Set ``outputs`` to their minimum under what acts on them, in place; return the bits of their largest change."""
    _gather(rows, units, bias, drive)
    if phase == SOFTMAX:
        _softmax_pull(outputs, pull, linear)
    else:
        linear = pull
    if phase != FREE:
        total = stiffness + strength * curvature
        for k in range(outputs.shape[0]):
            drive[k] = (stiffness * drive[k] + strength * linear[k]) / total
    return _move(drive, low, high, outputs, bits)


@njit
def _settle_row(
    drive: Array, rows: Array, bias: Array, pull: Array, strength: Number, curvature: Number, stiffness: Number, feedback: Number,
    low: Number, high: Number, low_out: Number, high_out: Number, phase: int, output_first: bool, tolerance: Number, budget: int,
    units: Array, outputs: Array, integers: Array, residual: Array, status: Array, sideways: Array, scratch: Array,
) -> int:  # fmt: skip
    """Settle one row in place, write its residual and status into arrays of shape (1,), and return its number of sweeps.

    ``sideways``, of shape (n,), and ``scratch``, of shape (3, k), are overwritten.
    """
    width, count = units.shape[0], outputs.shape[0]
    scaled, upward, linear = scratch[0], scratch[1], scratch[2]
    bits, bits_out, worst_bits = sideways.view(integers.dtype), upward.view(integers.dtype), residual.view(integers.dtype)
    limited = tolerance >= 0
    step = 0
    while step < budget:
        step += 1
        worst_bits[0] = 0
        for part in range(2):
            if output_first == (part == 1):
                for k in range(count):
                    scaled[k] = feedback * outputs[k]
                for j in range(width):
                    sideways[j] = drive[j]
                _spread(scaled, rows, sideways)
                worst_bits[0] = max(worst_bits[0], _move(sideways, low, high, units, bits))
            elif phase != HELD:
                largest = _move_output(
                    units, rows, bias, pull, strength, curvature, stiffness, phase, low_out, high_out, outputs, upward, bits_out, linear
                )  # fmt: skip
                worst_bits[0] = max(worst_bits[0], largest)
        if limited and not residual[0] > tolerance:
            break
    if residual[0] != residual[0] or not (_all_finite(units) and _all_finite(outputs)):
        status[0] = DIVERGED
    else:
        status[0] = CONVERGED if limited and residual[0] <= tolerance else BUDGET
    return step


@njit
def settle_pair(
    first: int, last: int, drive: Array, weight: Array, bias: Array, pull: Array, strengths: Array,
    hidden: Array, output: Array, steps: Array, residual: Array, status: Array, integers: Array,
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
        Total clamped input of the hidden layer.
    weight, bias : arrays of shape (n, k) and (k,)
        From the hidden layer to the outputs.
    pull : array of shape (B, k)
        PULLED: its linear part at strength 1; SOFTMAX: the targets; else not used.
    strengths : array of shape (P,)
        Of each phase's nudge.
    hidden, output : arrays of shape (P, B, n) and (P, B, k)
        Start states, not read from rest; overwritten with the result.
    steps, residual, status : arrays of shape (P, B)
        Overwritten with the certificates.
    integers : array
        Empty, of the integer type as wide as the floats.
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
    rows = np.empty((count, width), drive.dtype)  # contiguous along the hidden units
    for j in range(width):
        for k in range(count):
            rows[k, j] = weight[j, k]
    sideways, scratch = np.empty(width, drive.dtype), np.empty((3, count), drive.dtype)
    for sample in range(first, last):
        for number in range(strengths.shape[0]):
            units, outputs = hidden[number, sample], output[number, sample]
            second = from_rest and number > 0
            if second:
                units[:], outputs[:] = hidden[0, sample], output[0, sample]
            elif from_rest:
                units[:], outputs[:] = min(max(real(0), low), high), min(max(real(0), low_out), high_out)
            steps[number, sample] = _settle_row(
                drive[sample], rows, bias, pull[sample], strengths[number], curvature, stiffness, feedback,
                low, high, low_out, high_out, FREE if from_rest and number == 0 else phase, output_first != second,
                tolerances[number], budgets[number],
                units, outputs, integers, residual[number, sample : sample + 1], status[number, sample : sample + 1], sideways, scratch,
            )  # fmt: skip


@njit
def move_rows(drive: Array, low: Number, high: Number, layer: Array, residual: Array, change: Array, integers: Array) -> None:
    """Set each row of ``layer`` to the clipped drive, in place, and raise each row's ``residual`` to its largest change.

    Parameters
    ----------
    drive, layer : arrays of shape (m, n)
        Where the units go, and where they are; ``layer`` is overwritten.
    low, high : float
        Bounds of the units.
    residual : array of shape (m,)
        Overwritten with the larger of itself and the row's largest change; NaN stays and is taken over.
    change : array of shape (n,) or longer
        Scratch.
    integers : array
        Empty, of the integer type as wide as the floats.
    """
    real = layer.dtype.type
    low, high = real(low), real(high)
    bits, residual_bits = change.view(integers.dtype), residual.view(integers.dtype)
    for row in range(layer.shape[0]):
        for j in range(layer.shape[1]):
            change[j] = drive[row, j]
        largest = _move(change[: layer.shape[1]], low, high, layer[row], bits)
        residual_bits[row] = max(residual_bits[row], largest)


@njit
def check_rows(layer: Array, status: Array) -> None:
    """Set the status to DIVERGED where a row is not finite, in place.

    Parameters
    ----------
    layer : array of shape (m, n)
        The units.
    status : array of shape (m,)
        Left alone where the row is finite.
    """
    for row in range(layer.shape[0]):
        if not _all_finite(layer[row]):
            status[row] = DIVERGED
