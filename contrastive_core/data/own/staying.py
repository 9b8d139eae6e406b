"""Decision whether inputs stay in their file."""

from __future__ import annotations

import math
import os
from pathlib import Path

from contrastive_core.files.bounded import LARGEST
from contrastive_core.files.stored import Stored

SHARE = 4
"""Inputs stay in their file if they would take more than one part in so many of the memory; reading and dividing them takes three times
their size at once."""
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Files of Linux with the limit of a container or a job."""


def to_stay(stored: Stored | None, told: bool | None) -> str:
    """Return words on why inputs stay in their file; empty if they are loaded.

    Parameters
    ----------
    stored : Stored, optional
        Inputs; None if they cannot stay.
    told : bool, optional
        What the user wants; None decides by the memory of the machine or of the job.
    """
    if stored is None or told is False:
        return ""
    size, memory = 4 * math.prod(stored.shape), memory_of_machine()
    if told:
        return ", memory-mapped"
    if size * SHARE <= memory:
        in_file = stored.row * stored.shape[0] if stored.shape else 0
        return "" if in_file <= LARGEST else f", memory-mapped because at most {LARGEST >> 30} GiB of a file are loaded"
    return f", memory-mapped because inputs of {size / 2**30:.3g} GiB are more than a quarter of the memory of {memory / 2**30:.3g} GiB"


def memory_of_machine() -> int:
    """Return the bytes of memory that this process may use at most: those of the machine, or of its container or job."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    told = [limit.read_text().strip() for limit in _LIMITS if limit.is_file()]
    return min([whole, *(int(one) for one in told if one.isdecimal())])
