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
from contrastive_core.kernels.settling.elements.simd_cpu import GROUP, gather_hidden, move_hidden

Array = Any
"""A NumPy array; numba takes its types from the arguments, and the annotations are for the reader."""

F = TypeVar("F", bound=Callable[..., Any])

Number = Any
"""A scalar of whatever type numba finds, often made one of the arrays' own type on the way."""

_OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": {"contract", "reassoc", "nsz"}, "error_model": "numpy"}

njit: Callable[[F], F] = compiler(**_OPTIONS)

bare: Callable[[F], F] = compiler(**_OPTIONS, _nrt=False)
"""Compiles functions that make no arrays, whose references then need no counting: a third of the time of two sweeps of 512 units."""

respond, nudged, larger = bare(formulas.respond), bare(formulas.nudged), bare(formulas.larger)


@bare
def gather(rows: Array, units: Array, sums: Array) -> None:
    """Write ``rows @ units`` into ``sums``; shapes (k, n or more), (n,) and (k,), the rows as :func:`rows_of` returns them."""
    width = units.shape[0]
    whole = width - width % (VECTOR_BYTES // units.itemsize)
    for first in range(0, rows.shape[0], GROUP):
        gather_hidden(rows[first:], units, sums[first:], whole)
    for j in range(whole, width):  # units that fill no vector
        for k in range(rows.shape[0]):
            sums[k] += units[j] * rows[k, j]


@bare
def copy(source: Array, target: Array) -> None:
    """Copy in a loop, which is vectorised; NumPy's assignment is not, here."""
    for j in range(target.shape[0]):
        target[j] = source[j]


@bare
def fill(value: Number, target: Array) -> None:
    """Write one value everywhere; a loop for the reason of :func:`copy`."""
    for j in range(target.shape[0]):
        target[j] = value


@bare
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


@bare
def all_finite(layer: Array) -> bool:
    """Whether no unit is NaN or infinite: times 0, those become NaN and everything else 0."""
    zero = layer.dtype.type(0)
    total = zero
    for j in range(layer.shape[0]):
        total += layer[j] * zero
    finite: bool = total == zero
    return finite


@bare
def move_units(
    drive: Array, rows: Array, sent: Array, low: Number, high: Number, finite: bool, origin: Array, units: Array, base: Array
) -> Number:  # fmt: skip
    """Set ``units``, measured from ``origin``, to their minimum under ``drive + sent @ rows``, and return the largest change.

    Shapes (n,), (k, n or more), (k,), (n,), (n,) and (n,), the rows as :func:`rows_of` returns them; ``base`` is overwritten. ``finite``
    tells whether all weights are.
    """
    width, silent, total, endless = units.shape[0], finite, drive, units.dtype.type(np.inf)
    for k in range(sent.shape[0]):
        silent = silent and sent[k] == 0
    whole = width - width % (VECTOR_BYTES // units.itemsize)
    last = rows.shape[0] - GROUP
    for first in range(0, last, GROUP):  # without bounds a move is the total input
        move_hidden(total, rows[first:], sent[first:], -endless, endless, origin, base, whole)
        total = base
    if silent:  # from rest nothing comes back yet
        largest = move_hidden(total, rows[last:], None, low, high, origin, units, whole)
    else:
        largest = move_hidden(total, rows[last:], sent[last:], low, high, origin, units, whole)
    for j in range(whole, width):  # units that fill no vector
        value = drive[j]
        for k in range(rows.shape[0]):
            value += sent[k] * rows[k, j]
        value = respond(formulas.CLIPPED, value, low - origin[j], high - origin[j])
        largest = larger(abs(value - units[j]), largest)
        units[j] = value
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
    finite : bool
        Whether all weights between them are: 0 times another one is no 0.
    """

    curvature: Number
    stiffness: Number
    feedback: Number
    low: Number
    high: Number
    low_out: Number
    high_out: Number
    finite: bool


@bare
def last_layers(numbers: tuple[Number, ...], rows: Array) -> LastLayers:
    """Return plain numbers, in the order of :class:`LastLayers`, as scalars of the type of the weights that :func:`rows_of` returns.

    Hosts pass a plain tuple, because numba looks up the type of a named one in Python, which takes longer than a sweep of one sample.
    """
    real, finite = rows.dtype.type, all_finite(rows.reshape(-1))
    curvature, stiffness, feedback, low, high, low_out, high_out = numbers
    return LastLayers(real(curvature), real(stiffness), real(feedback), real(low), real(high), real(low_out), real(high_out), finite)


@bare
def settle_row(
    drive: Array, rows: Array, bias: Array, pull: Array, strength: Number, layers: LastLayers, phase: int, output_first: bool,
    tolerance: Number, budget: int, origins: tuple[Array, Array], scales: tuple[Number, Number], units: Array, outputs: Array, sums: Array,
    sent: Array, linear: Array, base: Array, gathered: bool,
) -> tuple[int, Number]:  # fmt: skip
    """Settle one row in place, and return its number of sweeps and the largest change in the last of them.

    Units and outputs are measured from their ``origins``: from 0 they are a state, whose ``drive`` and ``bias`` are the constant inputs
    of both layers. From a free state they are displacements, and the constant inputs are what presses units on their bounds. Changes of
    the layers count times their ``scales``. ``sums`` must hold what the units send to the outputs, and ``sent`` what the outputs send back;
    both still do so at the end, the sums only if they are to be ``gathered``.
    """
    real = units.dtype.type
    (origin, origin_out), (scale, scale_out) = origins, scales
    step, largest, current = 0, real(0), True
    while step < budget:
        step += 1
        largest = real(0)
        for part in range(2):
            if output_first == (part == 1):
                change = move_units(drive, rows, sent, layers.low, layers.high, layers.finite, origin, units, base)
                largest, current = larger(scale * change, largest), False
            elif phase != HELD:
                if not current:
                    gather(rows, units, sums)
                    current = True
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
        if tolerance >= 0 and not largest > tolerance:  # NaN compares false: a diverged sample stops here
            break
    if gathered and not current:
        gather(rows, units, sums)
    return step, largest


@bare
def press(drive: Array, units: Array, low: Number, high: Number, pressed: Array) -> None:
    """Write what presses each unit on the bound where it rests into ``pressed``; 0 inside. All of shape (n,).

    A unit inside its bounds counts as settled, so that the residual of a free phase is no force on its displacement.
    """
    zero = drive.dtype.type(0)  # a plain 0 would make every number a double, and take eight times as long
    for j in range(units.shape[0]):
        excess = min(drive[j] - low, zero) if units[j] <= low else zero
        pressed[j] = max(drive[j] - high, zero) if units[j] >= high else excess


@bare
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
    """Return weights of shape (n, k) along the hidden units: (whole groups, n or more), aligned, 0 elsewhere."""
    width, count = weight.shape
    lanes = VECTOR_BYTES // weight.itemsize
    stride, height = (width + lanes - 1) // lanes * lanes, (count + GROUP - 1) // GROUP * GROUP
    rows = aligned(height * stride, weight).reshape(height, stride)
    for k in range(count):  # writing along the rows takes half the time of reading along them
        for j in range(width):
            rows[k, j] = weight[j, k]
    return rows
