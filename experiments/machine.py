"""The machine that a process runs on: its cores and processor, limits on threads, and the memory that is kept for the next batch."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from contrastive_core.errors import InputError
from contrastive_core.threads import share_among

_ALGEBRA = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Environment variables with the number of threads of linear algebra, whose sums depend on it."""

THREAD_LIMITS = dict.fromkeys((*_ALGEBRA, "NUMBA_NUM_THREADS"), "1")
"""Environment variables that keep a process to one thread in every numerical library."""

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of two limits of glibc's ``mallopt``, from its ``malloc.h``."""

KEPT = 2**30
"""Bytes up to which freed memory is kept for the next batch."""

GIVING_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
"""Environment variables of glibc with which a new process gives arrays back to the system as soon as they are freed."""


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


def peak_memory(run: Callable[[], object]) -> float | None:
    """Return the most memory that this process held during a run.

    Parameters
    ----------
    run : callable
        Computation to measure.

    Returns
    -------
    float or None
        Mebibytes; None where the system does not tell the peak. Linux forgets it when a process asks it to; elsewhere there is no such
        thing.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5")
        run()
        return _status("VmHWM") / 1024
    except (OSError, StopIteration):
        return None


def extra_memory(run: Callable[[], object]) -> float | None:
    """Return the peak memory of a run above that before it, in a process that gives freed memory back at once.

    Parameters
    ----------
    run : callable
        Computation to measure.

    Returns
    -------
    float or None
        Mebibytes; None where the system does not tell them.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
        before = _status("VmRSS") / 1024
    except (OSError, AttributeError, StopIteration):
        return None
    peak = peak_memory(run)
    return None if peak is None else peak - before


def _status(name: str) -> int:
    """Return an entry of this process's status in KiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def limit_threads(kernels: int | None) -> None:
    """Make linear algebra compute with one thread, in libraries loaded already and later, and kernels with a number of threads.

    With more threads NumPy, SciPy and torch sum in another order, each in a pool of its own; kernels give the same bits with any number.
    None of these libraries is imported.

    Parameters
    ----------
    kernels : int or None
        Number of threads among which kernels share out samples and chains, at least 1; None for chains of spins on every core, and one
        thread for all other kernels.
    """
    from threadpoolctl import threadpool_limits

    # Libraries read their variable when they are loaded, which for SciPy's is often in the middle of a trial.
    os.environ.update(dict.fromkeys(_ALGEBRA, "1"))
    threadpool_limits(1)
    share_among(kernels)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)  # knows the pool of MKL too, which torch may link statically


def available_cores() -> int:
    """Count the physical cores that this process may use, the number of threads that serves dense linear algebra best.

    Returns
    -------
    int
        At least 1; respects the processor affinity and a control group's quota.
    """
    if sys.platform != "linux":
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    siblings = {_read(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") or str(cpu) for cpu in allowed}
    quota, _, period = (_read("/sys/fs/cgroup/cpu.max") or "max").partition(" ")
    limit = max(1, int(quota) // int(period)) if quota.isdigit() and period.isdigit() else len(allowed)
    return min(len(siblings), limit)


def require_one_process(command: str) -> None:
    """Refuse to be one of several processes that ``torchrun`` started.

    Parameters
    ----------
    command : str
        Command as the user types it, for the message.

    Raises
    ------
    InputError
        If there are several, which would all write the same files.
    """
    if "WORLD_SIZE" not in os.environ:
        return
    from contrastive_core.training.ranks import started  # imports torch

    if (size := started()) > 1:
        raise InputError(f"torchrun started {size} processes of '{command}', which runs in one; start it without torchrun")


def processor() -> str:
    """Name the processor's model.

    Returns
    -------
    str
        Name of the model, as the system gives it.
    """
    model = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo") or "", re.MULTILINE)
    return model.group(1) if model else platform.processor() or platform.machine()


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None
