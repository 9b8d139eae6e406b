"""Opens engines with workers, processes of this machine or a cluster, all behind ``concurrent.futures``."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from experiments.commandline.interruption import uncut
from experiments.machine import THREAD_LIMITS
from experiments.trials.dask_engine import open_cluster, preload
from experiments.trials.engine import Engine, check_engine, explained

P = ParamSpec("P")
T = TypeVar("T")


class RestartingPool(Executor):
    """Processes of this machine, spawned and never forked, which are replaced when one of them dies.

    Parameters
    ----------
    count : int
        Number of processes.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        with explained():
            self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._count, mp_context=multiprocessing.get_context("spawn"), initializer=_settle_in)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue the call, in new processes if the old ones died."""
        # An interruption between the start of a process and its registration would leave a process that nobody ends.
        with uncut(), explained():
            # One death breaks a pool for good, and every call after it.
            try:
                return self._pool.submit(fn, *args, **kwargs)
            except BrokenExecutor:
                self._pool.shutdown(wait=True)
                self._pool = self._start()
                return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stop the processes; without waiting, calls under way are stopped too, because their results have no reader."""
        if not wait:
            # A pool of the standard library has no public way to end a call that runs.
            for process in list((getattr(self._pool, "_processes", None) or {}).values()):
                process.terminate()
        # Its thread is waited for in any case: while the interpreter ends, it may close the pipe that the interpreter is about to use.
        self._pool.shutdown(wait=True, cancel_futures=cancel_futures)


@contextmanager
def open_engine(engine: str) -> Iterator[Engine]:
    """Open an engine that has workers; leaving the block with an error, Ctrl-C included, drops unfinished calls.

    Parameters
    ----------
    engine : str
        Name of any engine but the serial one, which needs no opening. Workers of this machine compute with one thread each, which is set
        before NumPy loads, and listen on loopback only.

    Yields
    ------
    Engine
        Ready for calls.

    Raises
    ------
    EngineError
        If the scheduler does not answer, or has no workers.
    """
    kind, count = check_engine(engine)
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


def load_ahead(engine: str) -> None:
    """Let the workers of an engine that will be opened load their libraries, where they can before it is open."""
    if check_engine(engine)[0] == "dask":
        with _one_thread():
            preload()


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
    """Prepare a process of the pool: it ignores Ctrl-C, and ends when its parent does."""
    # A terminal sends Ctrl-C to all processes, but the parent alone writes the journal. A worker whose parent was killed would wait
    # for calls for ever.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
