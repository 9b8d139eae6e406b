"""Memory of this machine, against which sizes are held before anything of them is drawn."""

import os

from contrastive_core.errors import InputError


def physical_memory() -> int | None:
    """Return the physical memory in bytes; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not every system has sysconf, or these names
        return None


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
