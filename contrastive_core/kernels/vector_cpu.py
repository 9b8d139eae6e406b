"""The innermost loop of the layered kernels as vector instructions.

One pass over a hidden layer reads each weight once and uses it twice: to drive the hidden unit, and to gather what the unit's new
value sends back to the outputs. Written as loops, this is not vectorised: too many arrays might overlap for the compiler to check.
So the vectors are spelled out here, 64 bytes wide; on machines with narrower ones the compiler splits them.

Numba's cache looks at the file of the kernel that it keeps: after a change here, change :mod:`contrastive_core.kernels.layered_cpu` too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

GROUP = 10
"""Output units that one pass serves: two vectors of each and the temporaries fill the 32 registers, and classes come in tens."""

VECTOR_BYTES = 64
"""Width of a vector."""

TOGETHER = 4
"""Vectors that a loop handles at a time: the sums of one would keep each other waiting."""

CHUNK = 8
"""Samples whose contrasts are added at a time: their units stay in the first-level cache, and the sums in registers."""

PADDED = 16
"""Places that whole vectors of GROUP outputs take."""

_FLAGS = ("contract", "reassoc", "nsz")
"""The freedoms that the kernels' other sums have, too."""

_INDEX, _LANE = ir.IntType(64), ir.IntType(32)


class _Vectors:
    """Vector instructions on one type of number."""

    def __init__(self, builder: Any, real: Any) -> None:
        self.builder, self.bits = builder, real.bitwidth
        self.scalar = ir.FloatType() if self.bits == 32 else ir.DoubleType()
        self.lanes, self.size = 8 * VECTOR_BYTES // self.bits, self.bits // 8
        self.real, self.integer = ir.VectorType(self.scalar, self.lanes), ir.VectorType(ir.IntType(self.bits), self.lanes)

    def splat(self, value: Any) -> Any:
        """Return a vector of one value."""
        empty = ir.Constant(ir.VectorType(value.type, self.lanes), ir.Undefined)
        first = self.builder.insert_element(empty, value, _LANE(0))
        return self.builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(_LANE, self.lanes), [0] * self.lanes))

    def pointer(self, data: Any, index: Any) -> Any:
        """Return where the vector that starts at an element of an array lies."""
        return self.builder.bitcast(self.builder.gep(data, [index]), self.real.as_pointer())

    def load(self, data: Any, index: Any) -> Any:
        """Return the vector that starts at an element of an array."""
        vector = self.builder.load(self.pointer(data, index))
        vector.align = self.size
        return vector

    def store(self, vector: Any, data: Any, index: Any) -> None:
        """Write a vector to where an element of an array is the first."""
        self.builder.store(vector, self.pointer(data, index)).align = self.size

    def fetch(self, data: Any, index: Any) -> None:
        """Bring the vector that starts at an element of an array into the first-level cache, to be written."""
        kind = ir.IntType(8).as_pointer()
        prefetch = self._function("llvm.prefetch.p0i8", ir.VoidType(), [kind, _LANE, _LANE, _LANE])
        self.builder.call(prefetch, [self.builder.bitcast(self.pointer(data, index), kind), _LANE(1), _LANE(3), _LANE(1)])

    def add_product(self, total: Any, left: Any, right: Any) -> Any:
        """Return ``total + left * right``."""
        return self.builder.fadd(total, self.builder.fmul(left, right, flags=_FLAGS), flags=_FLAGS)

    def clipped(self, vector: Any, low: Any, high: Any) -> Any:
        """Return a vector inside bounds; comparisons that NaN fails keep it, unlike minimum and maximum."""
        vector = self.builder.select(self.builder.fcmp_ordered("<", vector, low), low, vector)
        return self.builder.select(self.builder.fcmp_ordered(">", vector, high), high, vector)

    def distance(self, left: Any, right: Any) -> Any:
        """Return the bits of the absolute differences: integers in the order of the numbers, with NaN above infinity."""
        absolute = self._function(f"llvm.fabs.v{self.lanes}f{self.bits}", self.real, [self.real])
        return self.builder.bitcast(self.builder.call(absolute, [self.builder.fsub(left, right)]), self.integer)

    def first(self, vector: Any, count: Any) -> Any:
        """Return a vector with 0 in all lanes but the first ``count``."""
        numbers = ir.Constant(ir.VectorType(count.type, self.lanes), list(range(self.lanes)))
        used = self.builder.icmp_signed(">", self.splat(count), numbers)
        return self.builder.select(used, vector, ir.Constant(self.real, None))

    def larger(self, left: Any, right: Any) -> Any:
        """Return the larger of two vectors of integers."""
        return self.builder.select(self.builder.icmp_signed(">", left, right), left, right)

    def totals(self, parts: Sequence[Any]) -> list[Any]:
        """Return the sums over the lanes of each vector, one to a lane: as a tree, which is half the work of one by one."""
        zero = ir.Constant(self.real, None)
        groups = [list(parts[start : start + self.lanes]) for start in range(0, len(parts), self.lanes)]
        totals = []
        for group in groups:
            vectors, block = group + [zero] * (self.lanes - len(group)), self.lanes // 2
            while block:
                half = len(vectors) // 2
                vectors = [self._halves_added(vectors[i], vectors[i + half], block) for i in range(half)]
                block //= 2
            totals += vectors
        return totals

    def _halves_added(self, left: Any, right: Any, block: int) -> Any:
        """Return, for every two blocks of lanes, the sum of those of the left vector and then that of the right vector's."""
        pairs = range(0, self.lanes, 2 * block)
        first = [lane for start in pairs for side in (0, self.lanes) for lane in range(side + start, side + start + block)]
        picks = [ir.Constant(ir.VectorType(_LANE, self.lanes), [lane + shift for lane in first]) for shift in (0, block)]
        return self.builder.fadd(*(self.builder.shuffle_vector(left, right, pick) for pick in picks), flags=_FLAGS)

    def largest(self, vector: Any) -> Any:
        """Return the largest integer of a vector."""
        name = f"llvm.vector.reduce.smax.v{self.lanes}i{self.bits}"
        return self.builder.call(self._function(name, ir.IntType(self.bits), [self.integer]), [vector])

    def _function(self, name: str, result: Any, arguments: Sequence[Any]) -> Any:
        insert: Any = cgutils.get_or_insert_function  # numba has no types
        return insert(self.builder.module, ir.FunctionType(result, arguments), name)


def _arrays(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> list[Any]:
    """Return the arrays among the arguments of an intrinsic."""
    pairs = zip(signature.args, values, strict=True)
    return [context.make_array(kind)(context, builder, value) for kind, value in pairs if isinstance(kind, types.Array)]


class _Loop:
    """A loop over the vectors of rows of units, several at a time, while there are so many; with what it carries along."""

    def __init__(self, vectors: _Vectors, index: Any, carried: Sequence[Any], count: Any, together: int) -> None:
        self.builder = vectors.builder
        before = self.builder.block
        self.head, body, self.after = (self.builder.append_basic_block(name) for name in ("head", "body", "after"))
        self.builder.branch(self.head)
        self.builder.position_at_end(self.head)
        self.index, *self.carried = (self.builder.phi(value.type) for value in (index, *carried))
        for phi, value in zip((self.index, *self.carried), (index, *carried), strict=True):
            phi.add_incoming(value, before)
        self.following = self.builder.add(self.index, _INDEX(together * vectors.lanes))
        self.builder.cbranch(self.builder.icmp_signed("<=", self.following, count), body, self.after)
        self.builder.position_at_end(body)
        self.places = [self.builder.add(self.index, _INDEX(number * vectors.lanes)) for number in range(together)]

    def close(self, carried: Sequence[Any]) -> None:
        """Go on with these values; what follows the loop comes next."""
        for phi, value in zip((self.index, *self.carried), (self.following, *carried), strict=True):
            phi.add_incoming(value, self.builder.block)
        self.builder.branch(self.head)
        self.builder.position_at_end(self.after)


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
    sent, sums : arrays of shape (PADDED or more,)
        The first GROUP of ``sent`` are used, the first PADDED of ``sums`` overwritten.
    low, high : float
        Bounds of the units, of the arrays' own type.
    units : array
        Of one dimension.
    source, target : int
        Where in it the units before start, and where those after are written.
    count : int
        Units.
    """
    signature = drive.dtype(drive, rows, sent, low, high, units, source, target, sums, count)

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        vectors, arrays = _Vectors(builder, signature.args[0].dtype), _arrays(context, builder, signature, values)
        drive, rows, sent, units, sums = (array.data for array in arrays)
        before, after = (builder.gep(units, [values[place]]) for place in (6, 7))
        width, (low, high) = builder.extract_value(arrays[1].shape, 1), (vectors.splat(bound) for bound in values[3:5])
        starts = [builder.mul(width, _INDEX(k)) for k in range(GROUP)]
        outputs = [vectors.splat(builder.load(builder.gep(sent, [_INDEX(k)]))) for k in range(GROUP)]
        index, carried = _INDEX(0), [ir.Constant(kind, None) for kind in (vectors.integer, *[vectors.real] * GROUP)]
        for together in (TOGETHER, 1):
            loop = _Loop(vectors, index, carried, values[-1], together)
            moved = [vectors.load(drive, place) for place in loop.places]
            for start, output in zip(starts, outputs, strict=True):
                weights = [vectors.load(rows, builder.add(start, place)) for place in loop.places]
                moved = [vectors.add_product(value, weight, output) for value, weight in zip(moved, weights, strict=True)]
            moved = [vectors.clipped(value, low, high) for value in moved]
            largest, *totals = loop.carried
            for value, place in zip(moved, loop.places, strict=True):
                largest = vectors.larger(vectors.distance(value, vectors.load(before, place)), largest)
                vectors.store(value, after, place)
            for k, start in enumerate(starts):
                for value, place in zip(moved, loop.places, strict=True):  # read once more: the registers are full
                    totals[k] = vectors.add_product(totals[k], vectors.load(rows, builder.add(start, place)), value)
            loop.close([largest, *totals])
            index, carried = loop.index, loop.carried
        largest, *added = carried
        for number, total in enumerate(vectors.totals(added)):
            vectors.store(total, sums, _INDEX(number * vectors.lanes))
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
        vectors, arrays = _Vectors(builder, signature.args[0].dtype), _arrays(context, builder, signature, values)
        sums, offset, outputs, sent = (array.data for array in arrays)
        gain, low, high, feedback = (vectors.splat(values[place]) for place in (2, 4, 5, 6))
        loop = _Loop(vectors, _INDEX(0), [ir.Constant(vectors.integer, None)], values[-1], 1)
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
        vectors, arrays = _Vectors(builder, signature.args[0].dtype), _arrays(context, builder, signature, values)
        plus, minus, change, steps, bases, sums, bias = (array.data for array in arrays)
        first, width, scale = values[3], values[4], vectors.splat(values[7])
        loop = _Loop(vectors, _INDEX(0), [], width, 1)
        rows = [builder.add(builder.mul(_INDEX(k), width), loop.index) for k in range(GROUP)]
        totals, whole = [vectors.load(sums, row) for row in rows], vectors.load(bias, loop.index)
        for sample in range(CHUNK):
            place = builder.add(builder.mul(builder.add(first, _INDEX(sample)), width), loop.index)
            above = vectors.load(plus, place)
            moved = builder.fsub(above, vectors.load(minus, place))
            for k in range(GROUP):
                step, base = (vectors.splat(builder.load(builder.gep(part, [_INDEX(sample * PADDED + k)]))) for part in (steps, bases))
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
        vectors, (array,) = _Vectors(builder, signature.args[0].dtype), _arrays(context, builder, signature, values)
        loop = _Loop(vectors, _INDEX(0), [], values[2], 1)
        vectors.fetch(array.data, builder.add(values[1], loop.index))
        loop.close([])
        return context.get_dummy_value()

    return signature, generate
