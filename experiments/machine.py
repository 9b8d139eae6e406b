"""What the process does with memory that is free again."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of two limits of glibc's ``mallopt``, from its ``malloc.h``."""

KEPT = 2**30
"""Bytes up to which freed memory is kept for the next batch."""


@cache
def keep_freed_memory() -> bool:
    """Let the C library keep freed memory for the next batch, instead of giving it back to the system.

    A gradient of 784 x 512 weights is 1.6 megabytes, which glibc may return to the system after every batch; the system then hands out
    zeroed pages again, one by one. Of the time of a batch of 32, that was a quarter for backpropagation and equilibrium propagation alike,
    in some processes and not in others, depending on what had been allocated before.

    Returns
    -------
    bool
        Whether there is a C library here that understood.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return False
    return all([mallopt(TRIM_THRESHOLD, KEPT), mallopt(MMAP_THRESHOLD, KEPT)])
