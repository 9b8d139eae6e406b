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
        empty = ir.Constant(self.real, ir.Undefined)
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

    def total(self, vector: Any) -> Any:
        """Return the sum over the lanes, in any order."""
        add = self._function(f"llvm.vector.reduce.fadd.v{self.lanes}f{self.bits}", self.scalar, [self.scalar, self.real])
        return self.builder.call(add, [ir.Constant(self.scalar, -0.0), vector], fastmath=("reassoc",))

    def largest(self, vector: Any) -> Any:
        """Return the largest integer of a vector."""
        name = f"llvm.vector.reduce.smax.v{self.lanes}i{self.bits}"
        return self.builder.call(self._function(name, ir.IntType(self.bits), [self.integer]), [vector])

    def _function(self, name: str, result: Any, arguments: Sequence[Any]) -> Any:
        insert: Any = cgutils.get_or_insert_function  # numba has no types
        return insert(self.builder.module, ir.FunctionType(result, arguments), name)


@cast(Any, intrinsic)  # type: ignore[untyped-decorator]
def move_hidden(typing: Any, drive: Any, rows: Any, outputs: Any, low: Any, high: Any, units: Any, sums: Any, count: Any) -> Any:
    """Set hidden units to their minimum, and gather what they send to ten outputs, in one pass over the weights.

    ``units = clip(drive + outputs @ rows)`` and ``sums = rows @ units`` for the first ``count`` units, a positive multiple of the
    lanes, in place; returns the largest absolute change, which is NaN where there is any.

    Parameters
    ----------
    typing : object
        Numba's.
    drive, units : arrays of shape (n,)
        ``units`` is overwritten.
    rows : array of shape (GROUP or more, n or more)
        Contiguous; the first GROUP rows are used.
    outputs, sums : arrays of shape (GROUP or more,)
        The first GROUP of ``sums`` are overwritten.
    low, high : float
        Bounds of the units, of the arrays' own type.
    count : int
        Units.
    """
    signature = drive.dtype(drive, rows, outputs, low, high, units, sums, count)

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        vectors = _Vectors(builder, signature.args[0].dtype)
        arrays = [context.make_array(kind)(context, builder, value) for kind, value in zip(signature.args, values, strict=True)
                  if isinstance(kind, types.Array)]  # fmt: skip
        drive, rows, outputs, units, sums = (array.data for array in arrays)
        width, (low, high) = builder.extract_value(arrays[1].shape, 1), (vectors.splat(bound) for bound in values[3:5])
        starts = [builder.mul(width, _INDEX(k)) for k in range(GROUP)]
        sent = [vectors.splat(builder.load(builder.gep(outputs, [_INDEX(k)]))) for k in range(GROUP)]
        before, loop, after = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("after")
        builder.branch(loop)
        builder.position_at_end(loop)
        index, worst = builder.phi(_INDEX), builder.phi(vectors.integer)
        totals = [builder.phi(vectors.real) for _ in range(GROUP)]
        weights = [vectors.load(rows, builder.add(start, index)) for start in starts]
        value = vectors.load(drive, index)
        for weight, output in zip(weights, sent, strict=True):
            value = vectors.add_product(value, weight, output)
        value = vectors.clipped(value, low, high)
        largest = vectors.larger(vectors.distance(value, vectors.load(units, index)), worst)
        vectors.store(value, units, index)
        added = [vectors.add_product(total, weight, value) for total, weight in zip(totals, weights, strict=True)]
        following = builder.add(index, _INDEX(vectors.lanes))
        for phi, new in zip((index, worst, *totals), (following, largest, *added), strict=True):
            phi.add_incoming(ir.Constant(phi.type, 0 if phi is index else None), before)
            phi.add_incoming(new, loop)
        builder.cbranch(builder.icmp_signed("<", following, values[-1]), loop, after)
        builder.position_at_end(after)
        for k, total in enumerate(added):
            builder.store(vectors.total(total), builder.gep(sums, [_INDEX(k)]))
        return builder.bitcast(vectors.largest(largest), vectors.scalar)

    return signature, generate
