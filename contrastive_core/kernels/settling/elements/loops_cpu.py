"""Loops of the CPU kernels in numba, up to settling one row of hidden units and outputs.

Every function writes into arrays it is given, trusts its caller about shapes and types, and treats samples independently of
each other, so that a result depends neither on the other samples nor on the number of threads.

Compilation policy, one for all kernels: cached on disk; the GIL is released, so that plain threads run in parallel; sums may
be reordered and contracted, which is what vectorises them, but NaN and infinity keep their meaning, because that is how a
diverged sample is found. Kernels that call each other live in one file, if they can: numba's cache looks at the caller's only.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from contrastive_core.kernels.caching import compiler
from contrastive_core.kernels.settling.elements import formulas
from contrastive_core.kernels.settling.elements.codes import BUDGET, CONVERGED, DIVERGED, FREE, HELD, SOFTMAX
from contrastive_core.kernels.settling.elements.llvm_cpu import VECTOR_BYTES
from contrastive_core.kernels.settling.elements.simd_cpu import GROUP, move_hidden

Array = Any
"""A NumPy array; numba takes its types from the arguments, and the annotations are for the reader."""

F = TypeVar("F", bound=Callable[..., Any])

Number = Any
"""A scalar of whatever type numba finds, often made one of the arrays' own type on the way."""

njit: Callable[[F], F] = compiler(nogil=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")

respond, nudged, larger = njit(formulas.respond), njit(formulas.nudged), njit(formulas.larger)


@njit
def spread(values: Array, weights: Array, drive: Array) -> None:
    """Add ``values @ weights`` to ``drive`` in place, five rows at a time; shapes (k,), (k, n or more), (n,)."""
    count, width = weights.shape[0], drive.shape[0]
    whole = count - count % 5  # five rows at a time load and store the drive once, and classes come in tens
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
def gather(weights: Array, values: Array, sums: Array) -> None:
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
def copy(source: Array, target: Array) -> None:
    """Copy in a loop, which is vectorised; NumPy's assignment is not, here."""
    for j in range(target.shape[0]):
        target[j] = source[j]


@njit
def fill(value: Number, target: Array) -> None:
    """Write one value everywhere; a loop for the reason of :func:`copy`."""
    for j in range(target.shape[0]):
        target[j] = value


@njit
def softmax_pull(output: Array, origin: Array, target: Array, pull: Array) -> None:
    """Write the pull of a cross-entropy of strength 1 into ``pull``: the target less the softmax of ``origin + output``; shapes (k,)."""
    # Not formulas.softmax_scale, which returns no terms: here there is memory to keep them in, and they are half of the exponentials.
    # The largest output becomes exp(0) = 1, so that nothing overflows.
    largest = origin[0] + output[0]
    for k in range(1, output.shape[0]):
        largest = max(largest, origin[k] + output[k])
    total = output.dtype.type(0)
    for k in range(output.shape[0]):
        pull[k] = math.exp(origin[k] + output[k] - largest)
        total += pull[k]
    for k in range(output.shape[0]):
        pull[k] = target[k] - pull[k] / total


@njit
def all_finite(layer: Array) -> bool:
    """Whether no unit is NaN or infinite: times 0, those become NaN and everything else 0."""
    zero = layer.dtype.type(0)
    total = zero
    for j in range(layer.shape[0]):
        total += layer[j] * zero
    finite: bool = total == zero
    return finite


@njit
def _move_units(
    drive: Array, rows: Array, sent: Array, low: Number, high: Number, origin: Array, units: Array, sums: Array, base: Array
) -> Number:  # fmt: skip
    """Set ``units``, measured from ``origin``, to their minimum and ``sums`` to ``rows @ units``, and return the largest change.

    Shapes (n,), (k, n or more), (k,), (n,), (n,), (k,) and (n,) with k at least GROUP; ``base`` is overwritten. Covers what
    :func:`move_hidden` leaves over: outputs beyond the first GROUP, and units that fill no vector.
    """
    width = units.shape[0]
    whole = width - width % (VECTOR_BYTES // units.itemsize)
    base[:] = drive
    spread(sent[GROUP:], rows[GROUP:], base)
    largest = move_hidden(base, rows, sent, low, high, origin, units, sums, whole)
    for j in range(whole, width):
        value = base[j]
        for k in range(GROUP):
            value += sent[k] * rows[k, j]
        value = respond(formulas.CLIPPED, value, low - origin[j], high - origin[j])
        largest = larger(abs(value - units[j]), largest)
        units[j] = value
        for k in range(GROUP):
            sums[k] += value * rows[k, j]
    gather(rows[GROUP:], units, sums[GROUP:])
    return largest


class LastLayers(NamedTuple):
    """Scalars by which the last hidden layer and the outputs move.

    Attributes
    ----------
    curvature, stiffness : float
        Stiffness that a nudge of strength 1 adds to the outputs, and their own.
    feedback : float
        Ratio of feedback to forward coupling.
    low, high, low_out, high_out : float
        Bounds of the hidden units and of the outputs.
    """

    curvature: Number
    stiffness: Number
    feedback: Number
    low: Number
    high: Number
    low_out: Number
    high_out: Number


@njit
def last_layers(numbers: tuple[Number, ...], like: Array) -> LastLayers:
    """Return plain numbers, in the order of :class:`LastLayers`, as scalars of the type of an array.

    Hosts pass a plain tuple, because numba looks up the type of a named one in Python, which takes longer than a sweep of one sample.
    """
    real = like.dtype.type
    curvature, stiffness, feedback, low, high, low_out, high_out = numbers
    return LastLayers(real(curvature), real(stiffness), real(feedback), real(low), real(high), real(low_out), real(high_out))


@njit
def settle_row(
    drive: Array, rows: Array, bias: Array, pull: Array, strength: Number, layers: LastLayers, phase: int, output_first: bool,
    tolerance: Number, budget: int, origins: tuple[Array, Array], scales: tuple[Number, Number], units: Array, outputs: Array, sums: Array,
    sent: Array, linear: Array, base: Array,
) -> tuple[int, Number]:  # fmt: skip
    """Settle one row in place, and return its number of sweeps and the largest change in the last of them.

    Units and outputs are measured from their ``origins``: from 0 they are a state, whose ``drive`` and ``bias`` are the constant inputs
    of both layers. From a free state they are displacements, and the constant inputs are what presses units on their bounds. Changes of
    the layers count times their ``scales``. ``sums`` must hold what the units send to the outputs, and ``sent`` what the outputs send back;
    both still do so at the end.
    """
    real = units.dtype.type
    (origin, origin_out), (scale, scale_out) = origins, scales
    limited, fits = tolerance >= 0, rows.shape[0] == GROUP and units.shape[0] % (VECTOR_BYTES // units.itemsize) == 0
    step, largest = 0, real(0)
    while step < budget:
        step += 1
        largest = real(0)
        for part in range(2):
            if output_first == (part == 1):
                # Whole vectors take one pass, called from here: numba counts references on every call that is handed a slice.
                if fits:
                    change = move_hidden(drive, rows, sent, layers.low, layers.high, origin, units, sums, units.shape[0])
                else:
                    change = _move_units(drive, rows, sent, layers.low, layers.high, origin, units, sums, base)
                largest = larger(scale * change, largest)
            elif phase != HELD:
                if phase == SOFTMAX:
                    softmax_pull(outputs, origin_out, pull, linear)
                for k in range(outputs.shape[0]):
                    value = bias[k] + sums[k]
                    if phase != FREE:
                        force = linear[k] if phase == SOFTMAX else pull[k] - layers.curvature * origin_out[k]
                        value = nudged(value, force, outputs[k], strength, layers.curvature, layers.stiffness, formulas.CLIPPED)
                    value = respond(formulas.CLIPPED, value, layers.low_out - origin_out[k], layers.high_out - origin_out[k])
                    largest = larger(scale_out * abs(value - outputs[k]), largest)
                    outputs[k], sent[k] = value, layers.feedback * value
        if limited and not largest > tolerance:  # NaN compares false: a diverged sample stops here
            break
    return step, largest


@njit
def press(drive: Array, units: Array, low: Number, high: Number, pressed: Array) -> None:
    """Write what presses each unit on the bound where it rests into ``pressed``; 0 inside. All of shape (n,).

    A unit inside its bounds counts as settled, so that the residual of a free phase is no force on its displacement.
    """
    for j in range(units.shape[0]):
        excess = min(drive[j] - low, 0) if units[j] <= low else 0
        pressed[j] = max(drive[j] - high, 0) if units[j] >= high else excess


@njit
def ended(largest: Number, tolerance: Number, units: Array, outputs: Array) -> int:
    """Return the status of a relaxation whose last sweep made this change."""
    if largest != largest or not (all_finite(units) and all_finite(outputs)):
        return DIVERGED
    return CONVERGED if largest <= tolerance else BUDGET


@njit
def aligned(size: int, like: Array) -> Array:
    """Return zeros of the type of an array that start at a whole vector, so that no load of one spans two lines of the cache."""
    memory = np.zeros(size + VECTOR_BYTES // like.itemsize, like.dtype)
    shift = -memory.ctypes.data % VECTOR_BYTES // like.itemsize
    return memory[shift : shift + size]


@njit
def rows_of(weight: Array) -> Array:
    """Return weights of shape (n, k) along the hidden units, for :func:`_move_units`: (k or more, n or more), aligned, 0 elsewhere."""
    width, count = weight.shape
    lanes = VECTOR_BYTES // weight.itemsize
    stride, height = (width + lanes - 1) // lanes * lanes, max(count, GROUP)
    rows = aligned(height * stride, weight).reshape(height, stride)
    for j in range(width):
        for k in range(count):
            rows[k, j] = weight[j, k]
    return rows
