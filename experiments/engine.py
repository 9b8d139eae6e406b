"""Where trials are computed: here, or in processes of this machine."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from contrastive_core.errors import InputError
from experiments.provenance import available_cores

P = ParamSpec("P")
T = TypeVar("T")


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


def parse_engine(engine: str) -> int:
    """Return how many processes an engine uses; 0 is this process.

    Raises
    ------
    InputError
        If it is neither ``serial`` nor ``process:N`` with N of at least 1.
    """
    kind, _, count = engine.partition(":")
    if engine == "serial":
        return 0
    if engine == "process":
        return available_cores()
    if kind == "process" and count.isdigit() and int(count) > 0:
        return int(count)
    raise InputError(f"unknown engine {engine!r}; use 'serial', 'process' (one per core) or 'process:N' with N at least 1")


@contextmanager
def executor(engine: str) -> Iterator[Executor]:
    """Open an engine; leaving the block with an error, Ctrl-C included, drops what has not begun.

    Parameters
    ----------
    engine : str
        ``serial``, ``process`` or ``process:N``. Processes are spawned, never forked, with one thread each, set before NumPy loads.

    Yields
    ------
    Executor
        Of ``concurrent.futures``.
    """
    count = parse_engine(engine)
    if count == 0:
        yield SerialExecutor()
        return
    with _one_thread():
        pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=_one_torch_thread)
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(getattr(pool, "_processes", {}).values()):  # what is being computed is of no use either
                process.terminate()
            raise
        pool.shutdown()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let the processes started inside the block compute with one thread each."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    before: dict[str, Any] = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _one_torch_thread() -> None:
    import torch

    torch.set_num_threads(1)
