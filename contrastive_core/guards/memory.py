"""Memory of this machine, against which sizes are held before anything of them is drawn."""

import os


def physical_memory() -> int | None:
    """Return the physical memory in bytes; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not every system has sysconf, or these names
        return None
