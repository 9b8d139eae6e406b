"""Number of threads that a kernel is worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numba

from contrastive_core.threads import chosen_threads

WORTH_A_THREAD = 2_000_000
"""Spin updates, some 20 ms of work, below which one thread is used: on a busy machine the barrier at the end of a parallel loop
was measured at 12 ms."""


@contextmanager
def threads_for(updates: int) -> Iterator[None]:
    """Limit numba inside the block to the chosen threads, or to one if there are few spin updates to make, and restore its number after."""
    # Inside the kernel numba would wait for all threads of the machine, however little each of them has to do.
    most = numba.get_num_threads()
    with limited(1 if updates < WORTH_A_THREAD else min(chosen_threads() or most, most)):
        yield


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Limit numba to a number of threads inside the block, and restore its number after."""
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        yield
    finally:
        numba.set_num_threads(before)
