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

from contrastive_core.kernels.settling.llvm_cpu import INDEX, Loop, Vectors, arrays_of

GROUP = 10
"""Output units that one pass serves: two vectors of each and the temporaries fill the 32 registers, and classes come in tens."""

TOGETHER = 4
"""Vectors that a loop handles at a time: the sums of one would keep each other waiting."""

CHUNK = 8
"""Samples whose contrasts are added at a time: their units stay in the first-level cache, and the sums in registers."""

PADDED = 16
"""Places that whole vectors of GROUP outputs take."""


@cast(Any, intrinsic)  # type: ignore[untyped-decorator]
def move_hidden(
    typing: Any, drive: Any, rows: Any, sent: Any, low: Any, high: Any, units: Any, source: Any, target: Any, sums: Any, count: Any
) -> Any:
    """Set hidden units to their minimum, and gather what they send to ten outputs, in one pass over the weights.

    ``after = clip(drive + sent @ rows)`` and ``sums = rows @ after`` for ``count`` units, a multiple of the lanes, in place;
    returns the largest absolute change, which is NaN where there is any.

    Parameters
    ----------
    typing : object
        Numba's.
    drive : array of shape (n,)
        What else the units receive.
    rows : array of shape (GROUP or more, n or more)
        Contiguous; the first GROUP rows are used.
    sent, sums : arrays of shape (GROUP or more,)
        The first GROUP of ``sent`` are used, those of ``sums`` overwritten.
    low, high : float
        Bounds of the units, of the arrays' own type.
    units : array
        Of one dimension.
    source, target : int
        Where in it the units before start, and where those after are written.
    count : int
        Units.
    """
    return _moved(typing, drive, rows, sent, low, high, units, source, target, sums, count)


@cast(Any, intrinsic)  # type: ignore[untyped-decorator]
def begin_hidden(
    typing: Any, drive: Any, rows: Any, rest: Any, low: Any, high: Any, units: Any, source: Any, target: Any, sums: Any, count: Any
) -> Any:
    """Do what :func:`move_hidden` does while the outputs are silent, from a state in which all units are at ``rest``.

    Arguments are as there, but for ``rest``, a float of the arrays' own type in place of ``sent``; what lies at ``source`` is not read.
    """
    return _moved(typing, drive, rows, rest, low, high, units, source, target, sums, count, silent=True)


@cast(Any, intrinsic)  # type: ignore[untyped-decorator]
def follow_hidden(
    typing: Any, drive: Any, rows: Any, sent: Any, low: Any, high: Any, units: Any, source: Any, target: Any, sums: Any, count: Any
) -> Any:
    """Do what :func:`move_hidden` does, with arguments as there, where it is no matter how far the units go: 0 is returned."""
    return _moved(typing, drive, rows, sent, low, high, units, source, target, sums, count, judged=False)


@cast(Any, intrinsic)  # type: ignore[untyped-decorator]
def end_hidden(
    typing: Any, drive: Any, rows: Any, sent: Any, low: Any, high: Any, units: Any, source: Any, target: Any, sums: Any, count: Any
) -> Any:
    """Do what :func:`move_hidden` does, with arguments as there, where no one asks what the units send: ``sums`` stays."""
    return _moved(typing, drive, rows, sent, low, high, units, source, target, sums, count, gathered=False)


def _moved(
    typing: Any, drive: Any, rows: Any, heard: Any, low: Any, high: Any, units: Any, source: Any, target: Any, sums: Any, count: Any,
    *, silent: bool = False, judged: bool = True, gathered: bool = True,
) -> Any:  # fmt: skip
    """Return type and code of :func:`move_hidden` and of its kinds.

    ``heard`` is what the outputs send or, if they are ``silent``, where the units rest.
    """
    signature = drive.dtype(drive, rows, heard, low, high, units, source, target, sums, count)

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        vectors, arrays = Vectors(builder, signature.args[0].dtype), arrays_of(context, builder, signature, values)
        drive, rows, *sent, units, sums = (array.data for array in arrays)
        before, after = (builder.gep(units, [values[place]]) for place in (6, 7))
        width, (low, high) = builder.extract_value(arrays[1].shape, 1), (vectors.splat(bound) for bound in values[3:5])
        starts = [builder.mul(width, INDEX(k)) for k in range(GROUP)]
        outputs = [] if silent else [vectors.splat(builder.load(builder.gep(sent[0], [INDEX(k)]))) for k in range(GROUP)]
        rest = vectors.splat(values[2]) if silent else None
        index, carried = INDEX(0), [ir.Constant(kind, None) for kind in (vectors.integer, *[vectors.real] * GROUP)]
        for together in (TOGETHER, 1):
            loop = Loop(vectors, index, carried, values[-1], together)
            moved = [vectors.load(drive, place) for place in loop.places]
            if not silent:
                for start, output in zip(starts, outputs, strict=True):
                    weights = [vectors.load(rows, builder.add(start, place)) for place in loop.places]
                    moved = [vectors.add_product(value, weight, output) for value, weight in zip(moved, weights, strict=True)]
            moved = [vectors.clipped(value, low, high) for value in moved]
            largest, *totals = loop.carried
            for value, place in zip(moved, loop.places, strict=True):
                if judged:
                    largest = vectors.larger(vectors.distance(value, rest or vectors.load(before, place)), largest)
                vectors.store(value, after, place)
            for k, start in enumerate(starts if gathered else ()):
                for value, place in zip(moved, loop.places, strict=True):  # read once more: the registers are full
                    totals[k] = vectors.add_product(totals[k], vectors.load(rows, builder.add(start, place)), value)
            loop.close([largest, *totals])
            index, carried = loop.index, loop.carried
        largest, *added = carried
        for number, total in enumerate(vectors.totals(added) if gathered else ()):
            vectors.store_first(total, min(vectors.lanes, GROUP - number * vectors.lanes), sums, number * vectors.lanes)
        return builder.bitcast(vectors.largest(largest), vectors.scalar)

    return signature, generate


@cast(Any, intrinsic)  # type: ignore[untyped-decorator]
def move_outputs(
    typing: Any, sums: Any, used: Any, gain: Any, offset: Any, low: Any, high: Any, feedback: Any, outputs: Any, sent: Any, places: Any
) -> Any:
    """Set outputs to their minimum, and what they send back; returns the largest absolute change, which is NaN where there is any.

    ``outputs = clip(gain * sums + offset)`` and ``sent = feedback * outputs``, in place.

    Parameters
    ----------
    typing : object
        Numba's.
    sums, offset, outputs, sent : arrays of shape (places,)
        The last two are overwritten.
    used : int
        How many places are those of outputs; the sums of the others count as 0.
    gain, low, high, feedback : float
        Of the arrays' own type.
    places : int
        A multiple of the lanes.
    """
    signature = sums.dtype(sums, used, gain, offset, low, high, feedback, outputs, sent, places)

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        vectors, arrays = Vectors(builder, signature.args[0].dtype), arrays_of(context, builder, signature, values)
        sums, offset, outputs, sent = (array.data for array in arrays)
        gain, low, high, feedback = (vectors.splat(values[place]) for place in (2, 4, 5, 6))
        loop = Loop(vectors, INDEX(0), [ir.Constant(vectors.integer, None)], values[-1], 1)
        place = loop.index
        # What lies beyond the outputs may be 0 times infinity.
        total = vectors.first(vectors.load(sums, place), builder.sub(values[1], place))
        value = vectors.clipped(vectors.add_product(vectors.load(offset, place), gain, total), low, high)
        largest = vectors.larger(vectors.distance(value, vectors.load(outputs, place)), loop.carried[0])
        vectors.store(value, outputs, place)
        vectors.store(builder.fmul(feedback, value), sent, place)
        loop.close([largest])
        return builder.bitcast(vectors.largest(loop.carried[0]), vectors.scalar)

    return signature, generate


@cast(Any, intrinsic)  # type: ignore[untyped-decorator]
def add_contrasts(
    typing: Any, plus: Any, minus: Any, change: Any, first: Any, width: Any, steps: Any, bases: Any, scale: Any, sums: Any, bias: Any
) -> Any:
    """Add what CHUNK samples contribute to the contrast of the weights to ten outputs, and to that of the hidden units' bias.

    With ``moved = plus - minus``, ``sums += steps.T @ plus + bases.T @ moved`` and ``change = scale * moved``, whose sum is added to
    ``bias``; sample after sample, in place.

    Parameters
    ----------
    typing : object
        Numba's.
    plus, minus, change : arrays
        Of one dimension: rows of hidden units one after the other; ``change`` is overwritten.
    first : int
        The first sample.
    width : int
        Hidden units n, a multiple of the lanes.
    steps, bases : arrays of shape (CHUNK, PADDED)
        By how much the outputs of each sample differ, and where they start.
    scale : float
        Of the arrays' own type.
    sums : array of shape (GROUP, n)
        Added to.
    bias : array of shape (n,)
        Added to.
    """
    signature = types.void(plus, minus, change, first, width, steps, bases, scale, sums, bias)

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        vectors, arrays = Vectors(builder, signature.args[0].dtype), arrays_of(context, builder, signature, values)
        plus, minus, change, steps, bases, sums, bias = (array.data for array in arrays)
        first, width, scale = values[3], values[4], vectors.splat(values[7])
        loop = Loop(vectors, INDEX(0), [], width, 1)
        rows = [builder.add(builder.mul(INDEX(k), width), loop.index) for k in range(GROUP)]
        totals, whole = [vectors.load(sums, row) for row in rows], vectors.load(bias, loop.index)
        for sample in range(CHUNK):
            place = builder.add(builder.mul(builder.add(first, INDEX(sample)), width), loop.index)
            above = vectors.load(plus, place)
            moved = builder.fsub(above, vectors.load(minus, place))
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
    """Ask for memory that is going to be overwritten, so that it is in the cache when its turn comes.

    Parameters
    ----------
    typing : object
        Numba's.
    array : array
        Of one dimension.
    start, count : int
        Which elements; those beyond the end of the array do no harm.
    """
    signature = types.void(array, start, count)

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        vectors, (array,) = Vectors(builder, signature.args[0].dtype), arrays_of(context, builder, signature, values)
        loop = Loop(vectors, INDEX(0), [], values[2], 1)
        vectors.fetch(array.data, builder.add(values[1], loop.index))
        loop.close([])
        return context.get_dummy_value()

    return signature, generate
