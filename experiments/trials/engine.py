"""Names of the engines that compute trials, and the interface of an open one; ``experiments.trials.engines`` opens them."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import NamedTuple

from contrastive_core.errors import EqlabError, InputError
from experiments.commandline.exits import causes
from experiments.machine import available_cores

CHOICES = (
    "'serial', 'process:N' or 'dask:N' with N workers here (by default one per core), 'slurm:N', "
    "the address of a running scheduler such as 'tcp://host:8786', or its scheduler file such as 'scheduler.json'"
)
SERIAL = "serial"
"""Engine that computes in the calling process, without workers."""
LOCAL = ("process", "dask", "slurm")
"""Kinds whose workers are started by this program."""


class EngineError(EqlabError):
    """Error of an engine that is missing or stopped working; earlier records are kept."""


class Engine(NamedTuple):
    """Open engine with workers.

    Attributes
    ----------
    executor : Executor
        Sends calls to workers. A future whose worker died raises ``BrokenExecutor``; the next call finds new workers.
    workers : callable
        Returns the present number of workers.
    """

    executor: Executor
    workers: Callable[[], int]


@contextmanager
def explained(*others: type[Exception]) -> Iterator[None]:
    """Say in a sentence that the system refuses to start workers, which is often for want of shared memory for their locks.

    Parameters
    ----------
    *others : type of Exception
        Errors besides ``OSError`` that mean the same.

    Raises
    ------
    EngineError
        If the block ends with one of these errors.
    """
    refusals: tuple[type[Exception], ...] = (OSError, *others)
    try:
        yield
    except refusals as error:
        cause = next((one for one in causes(error) if isinstance(one, OSError) and one.strerror), error)
        reason = cause.strerror if isinstance(cause, OSError) else str(cause)
        needs = "they need a writable /dev/shm with some room, and leave to start more processes"
        raise EngineError(f"workers cannot start ({reason}): {needs}; provide it, or use --engine serial") from error


def check_engine(engine: str) -> tuple[str, int]:
    """Return an engine's kind and number of workers.

    Parameters
    ----------
    engine : str
        Name of the engine; ``CHOICES`` lists them.

    Returns
    -------
    kind : str
        ``serial``, ``process``, ``dask``, ``slurm``, ``address`` or ``file``.
    count : int
        Number of workers to start; 0 for a serial engine or a cluster that runs already.

    Raises
    ------
    InputError
        If the name is none of ``CHOICES``.
    """
    kind, _, count = engine.partition(":")
    if engine == SERIAL:
        return engine, 0
    if engine in ("process", "dask"):
        return engine, available_cores()
    if kind in LOCAL and count.isdigit() and int(count) > 0:
        return kind, int(count)
    if re.fullmatch(r"(tcp|tls)://(\[[^]]+\]|[^:/\s]+):\d+/?", engine):
        return "address", 0
    if engine.endswith(".json"):
        return "file", 0
    raise InputError(f"unknown engine {engine!r}; use {CHOICES}")
