"""Memory of this machine, against which sizes are held before anything of them is drawn."""

import os
from pathlib import Path

from contrastive_core.errors import InputError

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Files of Linux with the limit of a container or a job."""


def physical_memory() -> int | None:
    """Return the physical memory in bytes, or the smaller limit of a container or job; None where the system does not tell."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        told = [limit.read_text().strip() for limit in _LIMITS if limit.is_file()]
    except (AttributeError, OSError, ValueError):  # not every system has sysconf, or these names
        return None
    return min([whole, *(int(one) for one in told if one.isdecimal())])


def require_memory(needed: int, what: str, advice: str) -> None:
    """Refuse what does not fit into the physical memory, where the system tells it.

    Parameters
    ----------
    needed : int
        Bytes.
    what, advice : str
        Start of the sentence, which names what needs them, and its end, which says what to do.

    Raises
    ------
    InputError
        If the machine has fewer bytes.
    """
    there = physical_memory()
    if there is not None and needed > there:
        raise InputError(f"{what} {needed / 2**30:.3g} GiB, and this machine has {there / 2**30:.3g}; {advice}")
