"""Decision whether inputs stay in their file."""

from __future__ import annotations

import math

from contrastive_core.files.bounded import LARGEST
from contrastive_core.files.stored import Stored
from contrastive_core.guards.memory import physical_memory

SHARE = 4
"""Inputs stay in their file if they would take more than one part in so many of the memory; reading and dividing them takes three times
their size at once."""


def to_stay(stored: Stored | None, told: bool | None) -> str:
    """Return words on why inputs stay in their file; empty if they are loaded.

    Parameters
    ----------
    stored : Stored, optional
        Inputs; None if they cannot stay.
    told : bool, optional
        Choice of the user; None decides by the memory of the machine or of the job.
    """
    if stored is None or told is False:
        return ""
    size, memory = 4 * math.prod(stored.shape), physical_memory()
    if told:
        return ", memory-mapped"
    if memory is None or size * SHARE <= memory:
        in_file = stored.row * stored.shape[0] if stored.shape else 0
        return "" if in_file <= LARGEST else f", memory-mapped because at most {LARGEST >> 30} GiB of a file are loaded"
    return f", memory-mapped because inputs of {size / 2**30:.3g} GiB are more than a quarter of the memory of {memory / 2**30:.3g} GiB"
