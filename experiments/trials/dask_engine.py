"""Engines of ``dask.distributed``: workers of this machine, of a running scheduler, or of a SLURM allocation."""

from __future__ import annotations

import logging
import multiprocessing.forkserver
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from contrastive_core.errors import InputError
from experiments.commandline.documents import read_bounded, read_json
from experiments.commandline.interruption import uncut
from experiments.machine import THREAD_LIMITS
from experiments.trials.engine import Engine, EngineError, explained

if TYPE_CHECKING:
    from distributed import Client

P = ParamSpec("P")
T = TypeVar("T")
SECONDS_TO_ANSWER = 10
SECONDS_FOR_WORKERS = 60
_LOST = "the connection to the scheduler was lost; what was recorded is kept: run the same command again once it is back"

_UNWATCHED = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "5s",
}
"""Settings of dask without its profiler and frequent looks at itself, which nobody reads here and take 3 % of a worker's time."""


class DaskExecutor(Executor):
    """Dask client behind the interface of ``concurrent.futures``, whose errors it raises.

    Parameters
    ----------
    client : Client
        Connected client.
    """

    def __init__(self, client: Client) -> None:
        self._inner = client.get_executor(pure=False)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Send the call to the scheduler."""
        outer: Future[T] = Future()
        self._inner.submit(fn, *args, **kwargs).add_done_callback(partial(_pass_on, outer))
        return outer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stop; without waiting, calls under way are cancelled."""
        self._inner.shutdown(wait=wait)


def _pass_on(outer: Future[T], inner: Future[T]) -> None:
    from distributed import KilledWorker

    try:
        result = inner.result()
    except KilledWorker as error:
        outer.set_exception(BrokenExecutor(str(error)))
    except CancelledError:
        outer.set_exception(EngineError(_LOST))
    except Exception as error:
        outer.set_exception(error)
    else:
        outer.set_result(result)


@contextmanager
def open_cluster(kind: str, engine: str, count: int) -> Iterator[Engine]:
    """Open an engine of dask.

    Parameters
    ----------
    kind : str
        ``dask``, ``slurm``, ``address`` or ``file``.
    engine : str
        Address or path of a scheduler, for the last two.
    count : int
        Number of workers, for the first two.

    Yields
    ------
    Engine
        Engine with at least one worker.

    Raises
    ------
    InputError
        If the scheduler file is missing.
    EngineError
        If no scheduler answers, or it gets no workers.
    """
    if kind == "dask":
        preload()
    import dask
    import distributed.utils
    from distributed import Client

    # Dask would have a server of forks preload what it knows of, pandas too, and load it here first; there is no public way to say that
    # the server has all that it needs.
    distributed.utils._forkserver_preload_set = True
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters comes back as an exception
    with ExitStack() as stack:
        # A worker that dies is reported at once instead of after taking three more with it: we find the culprit ourselves.
        settings = {"distributed.scheduler.allowed-failures": 0, "distributed.worker.multiprocessing-method": "forkserver", **_UNWATCHED}
        stack.enter_context(dask.config.set(settings))
        where: Any = _read_address(Path(engine)) if kind == "file" else engine
        if isinstance(where, str) and where.startswith("tls") and not dask.config.get("distributed.comm.tls.client.cert", None):
            raise InputError(f"{where} needs a certificate, and dask's configuration names none; see docs/how-to/cluster.md")
        if kind in ("dask", "slurm"):
            where = stack.enter_context((_local if kind == "dask" else _slurm)(count, stack))
        try:
            client = stack.enter_context(Client(where, timeout=SECONDS_TO_ANSWER, set_as_default=False))
            client.wait_for_workers(1, timeout=SECONDS_FOR_WORKERS)
        except OSError as error:  # a timeout is one too
            raise EngineError(_no_answer(engine, error)) from error
        except ValueError as error:
            raise InputError(f"{where!r} is no address of a scheduler ({error}); give --engine tcp://HOST:PORT or its file") from error
        pool = DaskExecutor(client)
        try:
            yield Engine(pool, partial(_count_workers, client))
        except BaseException:
            pool.shutdown(wait=False)
            raise
        pool.shutdown()


def _read_address(file: Path) -> str:
    try:
        return str(read_json(read_bounded(file))["address"])
    except FileNotFoundError as error:
        raise InputError(f"there is no scheduler file {file}; start one with: dask scheduler --scheduler-file {file}") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{file} is no scheduler file; start one with: dask scheduler --scheduler-file {file}") from error


def _count_workers(client: Client) -> int:
    try:
        return len(client.nthreads())
    except (OSError, ValueError) as error:  # a client that was cut off has no address any more
        raise EngineError(_LOST) from error


def _no_answer(engine: str, error: OSError) -> str:
    if "workers" in str(error):
        return f"{engine} has no workers after {SECONDS_FOR_WORKERS} s; start some with 'dask worker', or use another --engine"
    return f"no dask scheduler answers at {engine} within {SECONDS_TO_ANSWER} s; start one with 'dask scheduler', or use another --engine"


def preload() -> None:
    """Start the process that workers of this machine are forked from; it loads their libraries while this one goes on."""
    # The first one claims our packages, whatever files of their names are in the current directory.
    multiprocessing.get_context("forkserver").set_forkserver_preload(["eqlab.__main__", "distributed.nanny", "experiments.trials.worker"])
    with uncut(), explained():
        multiprocessing.forkserver.ensure_running()


def _local(count: int, stack: ExitStack) -> Any:
    """Start workers on this machine that nobody outside can reach; their processes have one thread each."""
    from distributed import LocalCluster

    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="eqlab-", ignore_cleanup_errors=True))
    # A cluster that an interruption leaves half started can be neither used nor closed.
    with uncut(), explained(RuntimeError):
        return LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            memory_limit=0,
            silence_logs=logging.CRITICAL,
            local_directory=folder,
            env=THREAD_LIMITS,
            preload="experiments.trials.dask_preload",
        )


def _slurm(count: int, stack: ExitStack) -> Any:
    """Ask SLURM for workers; partition, account, time and the like are in dask-jobqueue's own configuration."""
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise InputError("the engine slurm needs dask-jobqueue; install it with: pip install 'eqlab[slurm]'") from error
    try:
        cluster = SLURMCluster(cores=1, processes=1, job_script_prologue=[f"export {k}={v}" for k, v in THREAD_LIMITS.items()])
        cluster.scale(jobs=count)
    except (ValueError, RuntimeError, OSError) as error:
        raise EngineError(f"SLURM starts no workers: {str(error).splitlines()[0]}; see docs/how-to/cluster.md") from error
    return cluster
