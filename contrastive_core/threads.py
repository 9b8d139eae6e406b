"""Number of threads among which kernels share out samples and chains; results do not depend on it."""

from __future__ import annotations

_chosen: int | None = None


def share_among(threads: int | None) -> None:
    """Choose among how many threads kernels of this process share out their work from now on.

    Parameters
    ----------
    threads : int or None
        Number of threads, at least 1; None for as many as the library of a kernel would take, torch or numba.
    """
    global _chosen
    _chosen = threads


def chosen_threads() -> int | None:
    """Return the number of threads that was chosen last; None if it is left to the libraries."""
    return _chosen
