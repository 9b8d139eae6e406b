"""Commands whose trials form a grid: planned in their journal as a sweep is, and computed by the same machinery."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from contrastive_core.errors import InputError
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import CommandOptions
from experiments.runs.directory import RunDirectory
from experiments.runs.journal import Journal
from experiments.runs.pages import remember, retry_failed
from experiments.runs.records import Record, Task
from experiments.sweeps.axes import Axis, points
from experiments.sweeps.study import Study
from experiments.trials.runner import Run

Metrics = dict[str, Any]
P = TypeVar("P", bound=CommandOptions)


def run_grid(
    experiment: str,
    trials: Mapping[str, CommandOptions],
    axes: Mapping[str, Sequence[Any]],
    seed: int,
    engine: str,
    invocation: Invocation,
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
        As for ``experiments.trials.engine``.
    invocation : Invocation
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
    grid = {"grid": {key: list(values) for key, values in axes.items()}, "zip": {}, "random": {}}
    lines = tuple(Axis(key, (key,), [[value] for value in values]) for key, values in axes.items())
    study = _study(experiment, next(iter(trials.values())), lines, grid, seed, 1)
    tasks = [Task(key, changes, seed) for key, changes in zip(trials, points(study.axes), strict=True)]
    return _compute(study, tasks, engine, invocation, run, journal)


def by_name(points: Iterable[tuple[str, P]]) -> dict[str, P]:
    """Gather the points of a grid by name.

    Raises
    ------
    InputError
        If two have the same one: a value stands twice, or two agree in the digits that names show.
    """
    found: dict[str, P] = {}
    for name, point in points:
        if name in found:
            raise InputError(f"two points of the grid are both {name}; give values that differ, within six digits")
        found[name] = point
    return found


def run_cells(
    experiment: str,
    trials: Mapping[str, CommandOptions],
    keys: Sequence[str],
    seeds: range,
    engine: str,
    invocation: Invocation,
    run: RunDirectory,
    journal: Journal,
) -> dict[str, list[Metrics | None]]:
    """Compute trials that form no grid but differ in some settings together, each from several seeds.

    Parameters
    ----------
    experiment, trials, engine, invocation, run, journal
        As for :func:`run_grid`.
    keys : sequence of str
        The settings in which they differ.
    seeds : range
        Of every cell.

    Returns
    -------
    dict of str to list
        The metrics of every trial by cell, in the order of the seeds, None for one that failed.
    """
    values = [[options.settings()[key] for key in keys] for options in trials.values()]
    zipped = {"grid": {}, "zip": {key: list(column) for key, column in zip(keys, zip(*values, strict=True), strict=True)}, "random": {}}
    axis = Axis("zip", tuple(keys), values)
    study = _study(experiment, next(iter(trials.values())), (axis,), zipped, seeds.start, len(seeds))
    cells = list(zip(trials, points(study.axes), strict=True))
    tasks = [Task(f"{name} #{seed}", changes, seed) for name, changes in cells for seed in seeds]
    found = _compute(study, tasks, engine, invocation, run, journal)
    return {name: [found[f"{name} #{seed}"] for seed in seeds] for name in trials}


def _study(experiment: str, first: CommandOptions, axes: tuple[Axis, ...], grid: Metrics, seed: int, seeds: int) -> Study:
    varied = {key for axis in axes for key in axis.keys}
    settings = {key: value for key, value in first.settings().items() if key not in varied and key != "seed"}
    stored = {key: value for key, value in first.resolved().items() if key in settings}
    declared = {"experiment": experiment, "seeds": seeds, "seed": seed, "paired": True, "set": stored, **grid}
    return Study(declared, settings, axes)


def _compute(
    study: Study, tasks: Iterable[Task], engine: str, invocation: Invocation, run: RunDirectory, journal: Journal
) -> dict[str, Metrics | None]:
    tasks = list(tasks)
    with journal.transaction():
        remember(journal, study.facts())
        journal.plan(tasks)
        retry_failed(journal)

    def note(record: Record) -> None:
        if record.error is not None:
            invocation.note(f"{record.key}: failed: {record.error}")

    work = study.work._replace(checkpoints=str(run.checkpoints.resolve())) if study.experiment.checkpoints else study.work
    Run(run, journal, work, on_record=note).compute(engine, invocation, study.declared["experiment"])
    finished = {task.key: journal.trial(task.key) for task in tasks}
    return {key: found.metrics if found is not None and found.status == "done" else None for key, found in finished.items()}
