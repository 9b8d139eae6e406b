"""Commands whose trials form a grid: planned in their journal as a sweep is, and computed by the same machinery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.bulk import remember, retry_failed
from experiments.chunk import Task
from experiments.grid import Axis, points
from experiments.options import CommandOptions
from experiments.records import Record
from experiments.rundir import RunDirectory
from experiments.runner import Run
from experiments.session import Session
from experiments.store import Journal
from experiments.study import Study

Metrics = dict[str, Any]


def run_grid(
    experiment: str,
    trials: Mapping[str, CommandOptions],
    axes: Mapping[str, Sequence[Any]],
    seed: int,
    engine: str,
    session: Session,
    run: RunDirectory,
    journal: Journal,
) -> dict[str, Metrics | None]:
    """Compute the trials that the journal does not have yet; one that fails is recorded and the others go on.

    Parameters
    ----------
    experiment : str
        A name in ``EXPERIMENTS``.
    trials : mapping of str to CommandOptions
        Options of each trial by its name within the run, in the order of the grid, the last axis fastest.
    axes : mapping of str to sequence
        The settings in which they differ, and their values.
    seed : int
        Of every trial.
    engine : str
        As for ``experiments.engine``.
    session : Session
        Where progress goes.
    run : RunDirectory
        The run.
    journal : Journal
        Of the run.

    Returns
    -------
    dict of str to dict or None
        The metrics of every trial, None for one that failed.
    """
    first = next(iter(trials.values()))
    settings = {key: value for key, value in first.settings().items() if key not in axes and key != "seed"}
    stored = {key: value for key, value in first.resolved().items() if key in settings}
    grid = {key: list(values) for key, values in axes.items()}
    declared = {"experiment": experiment, "seeds": 1, "seed": seed, "paired": True, "set": stored, "grid": grid, "zip": {}, "random": {}}
    study = Study(declared, settings, tuple(Axis(key, (key,), [[value] for value in values]) for key, values in axes.items()))
    with journal.transaction():
        remember(journal, study.facts())
        journal.plan(Task(key, changes, seed) for key, changes in zip(trials, points(study.axes), strict=True))
        retry_failed(journal)

    def note(record: Record) -> None:
        if record.error is not None:
            session.note(f"{record.key}: failed: {record.error}")

    Run(run, journal, study.work, on_record=note).compute(engine, session, experiment)
    finished = {key: journal.trial(key) for key in trials}
    return {key: found.metrics if found is not None and found.status == "done" else None for key, found in finished.items()}
