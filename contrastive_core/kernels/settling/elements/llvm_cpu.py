"""Vector instructions and loops over vectors, as what :mod:`contrastive_core.kernels.settling.elements.simd_cpu` is written in.

Vectors are 64 bytes wide; on machines with narrower ones the compiler splits them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

VECTOR_BYTES = 64
"""Width of a vector."""

_FLAGS = ("contract", "reassoc", "nsz")
"""The freedoms that the kernels' other sums have, too."""

INDEX, _LANE = ir.IntType(64), ir.IntType(32)


class Vectors:
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
        vector.align = self.size  # of one number: rows need not start at a whole vector
        return vector

    def store(self, vector: Any, data: Any, index: Any) -> None:
        """Write a vector to where an element of an array is the first."""
        self.builder.store(vector, self.pointer(data, index)).align = self.size

    def store_first(self, vector: Any, count: int, data: Any, start: int) -> None:
        """Write the first lanes of a vector to where an element of an array is the first, eight of them or one at a time."""
        empty, done = ir.Constant(self.real, ir.Undefined), 0
        while done < count:
            size = 8 if count - done >= 8 else 1  # ten outputs take three stores
            lanes = ir.Constant(ir.VectorType(_LANE, size), list(range(done, done + size)))
            part = self.builder.shuffle_vector(vector, empty, lanes)
            place = self.builder.gep(data, [INDEX(start + done)])
            self.builder.store(part, self.builder.bitcast(place, part.type.as_pointer())).align = self.size
            done += size

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

    def larger(self, left: Any, right: Any) -> Any:
        """Return the larger of two vectors of integers."""
        return self.builder.select(self.builder.icmp_signed(">", left, right), left, right)

    def totals(self, parts: Sequence[Any]) -> list[Any]:
        """Return the sums over the lanes of each vector, one to a lane: as a tree, which is half the work of one by one."""
        zero = ir.Constant(self.real, None)  # pads a group whose number is no power of two
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


def arrays_of(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> list[Any]:
    """Return the arrays among the arguments of an intrinsic."""
    pairs = zip(signature.args, values, strict=True)
    return [context.make_array(kind)(context, builder, value) for kind, value in pairs if isinstance(kind, types.Array)]


class Loop:
    """A loop over the vectors of rows of units, several at a time, while there are so many; with what it carries along."""

    def __init__(self, vectors: Vectors, index: Any, carried: Sequence[Any], count: Any, together: int) -> None:
        self.builder = vectors.builder
        before = self.builder.block
        self.head, body, self.after = (self.builder.append_basic_block(name) for name in ("head", "body", "after"))
        self.builder.branch(self.head)
        self.builder.position_at_end(self.head)
        self.index, *self.carried = (self.builder.phi(value.type) for value in (index, *carried))
        # What the loop carries stays in registers, as phi nodes instead of memory.
        for phi, value in zip((self.index, *self.carried), (index, *carried), strict=True):
            phi.add_incoming(value, before)
        self.following = self.builder.add(self.index, INDEX(together * vectors.lanes))
        self.builder.cbranch(self.builder.icmp_signed("<=", self.following, count), body, self.after)
        self.builder.position_at_end(body)
        self.places = [self.builder.add(self.index, INDEX(number * vectors.lanes)) for number in range(together)]

    def close(self, carried: Sequence[Any]) -> None:
        """Go on with these values; what follows the loop comes next."""
        for phi, value in zip((self.index, *self.carried), (self.following, *carried), strict=True):
            phi.add_incoming(value, self.builder.block)
        self.builder.branch(self.head)
        self.builder.position_at_end(self.after)
