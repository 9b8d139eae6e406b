"""Opens the engines: this process, processes of this machine, or a cluster, all behind ``concurrent.futures``."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from experiments.machine import THREAD_LIMITS
from experiments.trials.dask_engine import open_cluster
from experiments.trials.engine import Engine, SerialExecutor, check_engine

P = ParamSpec("P")
T = TypeVar("T")


class RestartingPool(Executor):
    """Processes of this machine, spawned and never forked, which are replaced when one of them dies.

    Parameters
    ----------
    count : int
        How many.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._count, mp_context=multiprocessing.get_context("spawn"), initializer=_settle_in)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue the call, in new processes if the old ones died."""
        try:
            return self._pool.submit(fn, *args, **kwargs)
        except BrokenExecutor:
            self._pool.shutdown(wait=True)
            self._pool = self._start()
            return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stop; without waiting, what is being computed is stopped too, as nobody will use it."""
        running = list((getattr(self._pool, "_processes", None) or {}).values())
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)
        if not wait:
            for process in running:
                process.terminate()


@contextmanager
def open_engine(engine: str) -> Iterator[Engine]:
    """Open an engine; leaving the block with an error, Ctrl-C included, drops what is not finished.

    Parameters
    ----------
    engine : str
        As ``CHOICES`` says. Workers of this machine have one thread each, set before NumPy loads, and listen on loopback only.

    Yields
    ------
    Engine
        Ready for calls.

    Raises
    ------
    EngineError
        If there is no such scheduler, or it has no workers.
    """
    kind, count = check_engine(engine)
    if kind == "serial":
        yield Engine(SerialExecutor(), lambda: 1, here=True)
        return
    with _one_thread():
        if kind != "process":
            with open_cluster(kind, engine, count) as cluster:
                yield cluster
            return
        pool = RestartingPool(count)
        try:
            yield Engine(pool, lambda: count)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let the processes started inside the block compute with one thread each."""
    before: dict[str, Any] = {name: os.environ.get(name) for name in THREAD_LIMITS}
    os.environ.update(THREAD_LIMITS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _settle_in() -> None:
    """Leave Ctrl-C to the parent, and end with it: a process of a pool whose parent was killed would wait for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
