"""The innermost loops of the layered kernels as vector instructions.

One pass over a hidden layer reads each weight and uses it twice: to drive the hidden unit, and to gather what the unit's new
value sends back to the outputs. Written as loops, this is not vectorised: too many arrays might overlap for the compiler to check.
So the vectors are spelled out here.

Numba's cache looks at the file of the kernel that it keeps: after a change here, change the kernels that call it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from contrastive_core.kernels.settling.elements.llvm_cpu import INDEX, Loop, Vectors, arrays_of

GROUP = 10
"""Output units that one pass serves: two vectors of each and the temporaries fill the 32 registers, and classes come in tens."""

TOGETHER = 4
"""Vectors that a loop handles at a time: the sums of one would keep each other waiting."""

CHUNK = 8
"""Samples whose contrasts are added at a time: their units stay in the first-level cache, and the sums in registers."""

PADDED = 16
"""Places that whole vectors of GROUP outputs take."""


@cast(Any, intrinsic)  # type: ignore[untyped-decorator]
def move_hidden(typing: Any, drive: Any, rows: Any, sent: Any, low: Any, high: Any, origin: Any, units: Any, count: Any) -> Any:
    """Set hidden units to their minimum under what ten outputs send, in one pass over the weights.

    ``units = clip(drive + sent @ rows)``, between the bounds less the origin, for the first ``count`` units, in place; returns the
    largest absolute change, which is NaN if any change is NaN.

    Parameters
    ----------
    typing : object
        Typing context of numba.
    drive : array of shape (n,)
        Input of the units from everything but the outputs.
    rows : array of shape (GROUP or more, n or more)
        Contiguous; the first GROUP rows are used.
    sent : array of shape (GROUP or more,), or None
        The first GROUP elements are used. None is 0, for which no weights are read.
    low, high : float
        Bounds of the units, of the arrays' own type.
    origin : array of shape (n,)
        Values from which units are measured.
    units : array of shape (n,)
        Overwritten.
    count : int
        Number of units to move, a multiple of the lanes of a vector.
    """
    signature = drive.dtype(drive, rows, sent, low, high, origin, units, count)

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        vectors, arrays = Vectors(builder, signature.args[0].dtype), arrays_of(context, builder, signature, values)
        drive, rows, *sent, origin, units = (array.data for array in arrays)
        width, (low, high) = builder.extract_value(arrays[1].shape, 1), (vectors.splat(bound) for bound in values[3:5])
        starts = [builder.mul(width, INDEX(k)) for k in range(GROUP)]
        outputs = [vectors.splat(builder.load(builder.gep(given, [INDEX(k)]))) for given in sent for k in range(GROUP)]
        index, largest = INDEX(0), ir.Constant(vectors.integer, None)
        for together in (TOGETHER, 1):  # the second loop takes the vectors that are left over
            loop = Loop(vectors, index, [largest], values[-1], together)
            moved = [vectors.load(drive, place) for place in loop.places]
            for start, output in zip(starts, outputs, strict=False):
                weights = [vectors.load(rows, builder.add(start, place)) for place in loop.places]
                moved = [vectors.add_product(value, weight, output) for value, weight in zip(moved, weights, strict=True)]
            (largest,) = loop.carried
            for value, place in zip(moved, loop.places, strict=True):
                centre = vectors.load(origin, place)
                value = vectors.clipped(value, builder.fsub(low, centre), builder.fsub(high, centre))
                largest = vectors.larger(vectors.distance(value, vectors.load(units, place)), largest)
                vectors.store(value, units, place)
            loop.close([largest])
            index, (largest,) = loop.index, loop.carried
        return builder.bitcast(vectors.largest(largest), vectors.scalar)

    return signature, generate


@cast(Any, intrinsic)  # type: ignore[untyped-decorator]
def gather_hidden(typing: Any, rows: Any, units: Any, sums: Any, count: Any) -> Any:
    """Write what the first ``count`` hidden units send to ten outputs, ``rows @ units``, into ``sums``; arguments as in ``move_hidden``."""
    signature = types.void(rows, units, sums, count)

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        vectors, arrays = Vectors(builder, signature.args[0].dtype), arrays_of(context, builder, signature, values)
        rows, units, sums = (array.data for array in arrays)
        starts = [builder.mul(builder.extract_value(arrays[0].shape, 1), INDEX(k)) for k in range(GROUP)]
        # Ten sums side by side keep each other from waiting.
        loop = Loop(vectors, INDEX(0), [ir.Constant(vectors.real, None)] * GROUP, values[-1], 1)
        value = vectors.load(units, loop.index)
        totals = [
            vectors.add_product(total, vectors.load(rows, builder.add(start, loop.index)), value)
            for total, start in zip(loop.carried, starts, strict=True)
        ]
        loop.close(totals)
        for number, total in enumerate(vectors.totals(loop.carried)):
            vectors.store_first(total, min(vectors.lanes, GROUP - number * vectors.lanes), sums, number * vectors.lanes)
        return context.get_dummy_value()

    return signature, generate


@cast(Any, intrinsic)  # type: ignore[untyped-decorator]
def add_contrasts(
    typing: Any, origin: Any, plus: Any, minus: Any, change: Any, first: Any, width: Any, steps: Any, bases: Any, scale: Any, sums: Any,
    bias: Any,
) -> Any:  # fmt: skip
    """Add the contributions of CHUNK samples to the contrasts of the weights to ten outputs and of the hidden units' bias.

    With ``moved = plus - minus``, ``sums += steps.T @ (origin + plus) + bases.T @ moved`` and ``change = scale * moved``, whose sum is
    added to ``bias``; sample after sample, in place.

    Parameters
    ----------
    typing : object
        Typing context of numba.
    origin, plus, minus, change : arrays
        Rows of hidden units in one dimension; of plus and minus, measured from the origin, one may be every sample's. Writes ``change``.
    first : int
        The first sample.
    width : int
        Hidden units n, a multiple of the lanes.
    steps, bases : arrays of shape (CHUNK, PADDED)
        Differences of the outputs of each sample, and the outputs that they start from.
    scale : float
        Factor of the change, of the arrays' own type.
    sums : array of shape (GROUP, n)
        Added to.
    bias : array of shape (n,)
        Added to.
    """
    signature = types.void(origin, plus, minus, change, first, width, steps, bases, scale, sums, bias)

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        vectors, arrays = Vectors(builder, signature.args[0].dtype), arrays_of(context, builder, signature, values)
        origin, plus, minus, change, steps, bases, sums, bias = (array.data for array in arrays)
        first, width, scale = values[4], values[5], vectors.splat(values[8])
        loop = Loop(vectors, INDEX(0), [], width, 1)
        rows = [builder.add(builder.mul(INDEX(k), width), loop.index) for k in range(GROUP)]
        # All contrasts of one vector of units stay in registers while the samples pass.
        totals, whole = [vectors.load(sums, row) for row in rows], vectors.load(bias, loop.index)
        single = [builder.icmp_signed("==", builder.extract_value(array.shape, 0), width) for array in arrays[1:3]]
        for sample in range(CHUNK):
            place = builder.add(builder.mul(builder.add(first, INDEX(sample)), width), loop.index)
            ahead, behind = (vectors.load(a, builder.select(one, loop.index, place)) for a, one in zip((plus, minus), single, strict=True))
            above, moved = builder.fadd(vectors.load(origin, place), ahead), builder.fsub(ahead, behind)
            for k in range(GROUP):
                step, base = (vectors.splat(builder.load(builder.gep(part, [INDEX(sample * PADDED + k)]))) for part in (steps, bases))
                totals[k] = vectors.add_product(vectors.add_product(totals[k], step, above), base, moved)
            moved = builder.fmul(scale, moved)
            whole = builder.fadd(whole, moved)
            vectors.store(moved, change, place)
        for row, total in zip(rows, totals, strict=True):
            vectors.store(total, sums, row)
        vectors.store(whole, bias, loop.index)
        loop.close([])
        return context.get_dummy_value()

    return signature, generate


@cast(Any, intrinsic)  # type: ignore[untyped-decorator]
def fetch(typing: Any, array: Any, start: Any, count: Any) -> Any:
    """Ask for ``count`` elements of a one-dimensional array that are going to be overwritten, so that they wait in the cache."""
    signature = types.void(array, start, count)

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        vectors, (array,) = Vectors(builder, signature.args[0].dtype), arrays_of(context, builder, signature, values)
        loop = Loop(vectors, INDEX(0), [], values[2], 1)
        vectors.fetch(array.data, builder.add(values[1], loop.index))
        loop.close([])
        return context.get_dummy_value()

    return signature, generate
