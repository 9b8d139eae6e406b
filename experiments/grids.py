"""Many trials of one experiment: computed by an engine, kept in a journal, and only those that are missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, as_completed
from time import perf_counter
from typing import Any, TypeVar

from contrastive_core.errors import EqlabError
from experiments.engine import executor
from experiments.options import Options
from experiments.session import Session
from experiments.store import Journal

Chosen = TypeVar("Chosen", bound=Options)
Metrics = dict[str, Any]


def run_grid(
    trial: Callable[[Chosen, int], Metrics], trials: Mapping[str, tuple[Chosen, int]], engine: str, session: Session, journal: Journal
) -> dict[str, Metrics | None]:
    """Compute the trials that the journal does not have yet; one that fails is recorded and the others go on.

    Parameters
    ----------
    trial : callable
        Maps options and a seed to metrics; a function of a module, so that processes can find it.
    trials : mapping of str to (Options, int)
        Options and seed of each trial, by its name within the run.
    engine : str
        As for :func:`experiments.engine.executor`.
    session : Session
        Where progress goes.
    journal : Journal
        Of the run.

    Returns
    -------
    dict of str to dict or None
        The metrics of every trial, None for one that failed.
    """
    known = {key: journal.trial(key) for key in trials}
    todo = [key for key, found in known.items() if found is None or found.status != "done"]
    with executor(engine) as pool, session.progress(len(trials), "trials", done=len(trials) - len(todo)) as bar:
        waiting: dict[Future[tuple[Metrics, float]], str] = {}
        for key in todo:
            options, seed = trials[key]
            journal.begin(key, options.resolved(), seed)
            future = pool.submit(_timed, trial, options, seed)
            if future.done():  # a serial engine: record at once, so that a killed run keeps it
                _keep(journal, session, key, future)
                bar.update(1)
            else:
                waiting[future] = key
        for future in as_completed(waiting):
            _keep(journal, session, waiting[future], future)
            bar.update(1)
    finished = {key: journal.trial(key) for key in trials}
    return {key: found.metrics if found is not None and found.status == "done" else None for key, found in finished.items()}


def _timed(trial: Callable[[Chosen, int], Metrics], options: Chosen, seed: int) -> tuple[Metrics, float]:
    start = perf_counter()
    return trial(options, seed), perf_counter() - start


def _keep(journal: Journal, session: Session, key: str, future: Future[tuple[Metrics, float]]) -> None:
    error = future.exception()
    if isinstance(error, EqlabError):
        journal.fail(key, str(error))
        session.note(f"{key}: failed: {error}")
        return
    metrics, seconds = future.result()
    journal.finish(key, metrics, seconds)
