"""Occupancy and traffic of the CUDA kernels on paper, from their sizes: what ``make gpu-check`` holds against a device."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

WARP, WARPS, BLOCKS = 32, 64, 32
"""Threads of a warp, and most warps and blocks that a multiprocessor of compute capability 8.0, 9.0 or 10.0 holds."""

REGISTERS, REGISTER_UNIT = 65536, 256
"""Registers of a multiprocessor, and the number in which a warp is given them."""

RESERVED = 1024
"""Bytes of shared memory that the system takes from every block."""

SHARED = {(8, 0): 164 * 1024, (9, 0): 228 * 1024, (10, 0): 228 * 1024}
"""Bytes of shared memory of a multiprocessor, by compute capability."""


class Occupancy(NamedTuple):
    """Blocks that a multiprocessor holds at once.

    Attributes
    ----------
    blocks : int
        Number of blocks.
    limit : str
        Limit that holds first: threads, registers, shared memory or blocks.
    share : float
        Share of the multiprocessor's warps that they fill.
    """

    blocks: int
    limit: str
    share: float


def occupancy(capability: tuple[int, int], threads: int, registers: int, shared: int) -> Occupancy:
    """Return the occupancy of a kernel.

    Parameters
    ----------
    capability : tuple of int
        Compute capability of the device, a key of ``SHARED``.
    threads, registers, shared : int
        Threads of a block, registers of a thread, and bytes of shared memory of a block.
    """
    warps = -(-threads // WARP)
    per_warp = -(-registers * WARP // REGISTER_UNIT) * REGISTER_UNIT
    most = {
        "threads": WARPS // warps,
        "registers": REGISTERS // per_warp // warps,
        "shared memory": SHARED[capability] // (shared + RESERVED),
        "blocks": BLOCKS,
    }
    limit = min(most, key=lambda name: most[name])
    return Occupancy(most[limit], limit, most[limit] * warps / WARPS)


class Sweep(NamedTuple):
    """One sweep of ``settle_blocks`` over one sample in one phase.

    Attributes
    ----------
    shared : int
        Bytes of shared memory of a block: a number per thread and per unit, and one for an error; 0 for units where these need more
        than the limit.
    read : int
        Bytes of weights that are read: every weight between the layers twice, once in each direction.
    operations : int
        Floating-point operations: a product and a sum for every weight that is read.
    barriers : int
        Barriers of the block in a nudge whose pull does not depend on the units: three or more per layer, and two for the stop.
    """

    shared: int
    read: int
    operations: int
    barriers: int


def sweep(sizes: Sequence[int], threads: int = 128, number: int = 4, limit: int = 48 * 1024) -> Sweep:
    """Return the work of one sweep over one sample.

    Parameters
    ----------
    sizes : sequence of int
        Layer sizes, inputs first; the inputs are no part of a sweep.
    threads, number, limit : int
        Threads of a block, bytes of a number, and bytes of shared memory that a block may have.
    """
    layers = sizes[1:]
    weights = sum(below * above for below, above in pairwise(layers))
    shared = (threads + sum(layers) + 1) * number
    rounds = [-(-size // min(size, threads)) for size in layers]
    return Sweep(shared if shared <= limit else threads * number, 2 * weights * number, 4 * weights, sum(2 * n + 1 for n in rounds) + 2)


NETWORKS = ((784, 512, 10), (784, 512, 512, 10), (784, 1024, 1024, 1024, 10))
"""Networks of ``eqlab bench settle``."""

REGISTERS_OF = {
    (kernel, capability): number
    for kernel, numbers in {
        "sequential": (40, 40, 40),
        "simultaneous": (88, 64, 48),
        "lanes": (78, 64, 48),
        "pooled": (39, 39, 37),
        "unpooled": (30, 38, 28),
        "settle_blocks": (138, 128, 80),
    }.items()
    for capability, number in zip(SHARED, numbers, strict=True)
}
"""Registers of a thread in float32, by kernel and compute capability, as CUDA 12.9's assembler says (``tests/children/ptx_check.py``)."""

_LAUNCHED = {
    "sequential": (32, 0),
    "simultaneous": (32, 32 * 8),
    "lanes": (64, 64 * 8),
    "pooled": (128, 0),
    "unpooled": (128, 0),
    "settle_blocks": (128, sweep(NETWORKS[1]).shared),
}


def shared_of(kernel: str) -> tuple[int, int]:
    """Return the threads and the bytes of shared memory of a block, of ``settle_blocks`` for two hidden layers of 512 units."""
    return _LAUNCHED[kernel]
