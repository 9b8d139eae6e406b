"""Names of the engines that compute trials, and what they have in common; ``experiments.trials.engines`` opens them."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import NamedTuple, ParamSpec, TypeVar

from contrastive_core.errors import EqlabError, InputError
from experiments.machine import available_cores

P = ParamSpec("P")
T = TypeVar("T")

CHOICES = (
    "'serial', 'process:N' or 'dask:N' with N workers here (by default one per core), 'slurm:N', "
    "the address of a running scheduler such as 'tcp://host:8786', or its scheduler file such as 'scheduler.json'"
)
LOCAL = ("process", "dask", "slurm")
"""Kinds whose workers are started by this program."""


class EngineError(EqlabError):
    """An engine that is not there, or stopped working; what was recorded before is kept."""


class Engine(NamedTuple):
    """An open engine.

    Attributes
    ----------
    executor : Executor
        A future of a call whose worker died raises ``BrokenExecutor``; the next call finds new workers.
    workers : callable
        How many workers there are now.
    here : bool
        Whether calls are computed at once, in the calling process.
    """

    executor: Executor
    workers: Callable[[], int]
    here: bool = False


class SerialExecutor(Executor):
    """Computes each call at once, in this process, behind the interface of ``concurrent.futures``."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call the function and return its finished future; Ctrl-C passes through."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def check_engine(engine: str) -> tuple[str, int]:
    """Return an engine's kind and number of workers.

    Parameters
    ----------
    engine : str
        As ``CHOICES`` says.

    Returns
    -------
    kind : str
        ``serial``, ``process``, ``dask``, ``slurm``, ``address`` or ``file``.
    count : int
        0 where it is not ours to say.

    Raises
    ------
    InputError
        If it is none of these.
    """
    kind, _, count = engine.partition(":")
    if engine == "serial":
        return engine, 0
    if engine in ("process", "dask"):
        return engine, available_cores()
    if kind in LOCAL and count.isdigit() and int(count) > 0:
        return kind, int(count)
    if kind in ("tcp", "tls") and count.startswith("//"):
        return "address", 0
    if engine.endswith(".json"):
        return "file", 0
    raise InputError(f"unknown engine {engine!r}; use {CHOICES}")
