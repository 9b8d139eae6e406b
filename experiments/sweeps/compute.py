"""Runs of commands: a study, planned in the journal, computed on any engine, resumed, and read back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from contrastive_core.errors import EqlabError, InputError
from experiments.commandline.completion import settings_of_trials
from experiments.commandline.exits import TrialsFailedError
from experiments.commandline.interruption import resumable
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import CommandOptions
from experiments.runs.directory import RunDirectory, open_run
from experiments.runs.forms import misfits
from experiments.runs.journal import Journal
from experiments.runs.kept import is_begun
from experiments.runs.pages import recall, remember, retry_failed
from experiments.runs.records import Record, Task, Trial
from experiments.sweeps.axes import Axis
from experiments.sweeps.axes import points as walk
from experiments.sweeps.study import Study
from experiments.trials.experiment import Experiment, find_experiment
from experiments.trials.runner import Run
from experiments.trials.worker import NOTHING, Given

Metrics = dict[str, Any]
P = TypeVar("P")


class Computation(NamedTuple):
    """Run of a command, open for computing.

    Attributes
    ----------
    run : RunDirectory
        Directory of the run.
    journal : Journal
        Its journal, open for writing.
    engine : str
        Name of the engine that computes.
    invocation : Invocation
        Output for progress and notes.
    """

    run: RunDirectory
    journal: Journal
    engine: str
    invocation: Invocation


@contextmanager
def computation(options: CommandOptions, invocation: Invocation, engine: str) -> Iterator[Computation]:
    """Open the run of a command: a new one, or the one in ``--out`` if it has the same configuration.

    Parameters
    ----------
    options : CommandOptions
        Options of the command, which identify the run.
    invocation : Invocation
        Command line, with the place of the run.
    engine : str
        Name of the engine that computes.

    Yields
    ------
    Computation
        Open run. Ctrl-C inside the block becomes an error that says how to resume.
    """
    run = open_run(options, invocation)
    with resumable(invocation.resume_command(run.path), lambda: is_begun(run)), run.journal() as journal:
        yield Computation(run, journal, engine, invocation)


def study_of(experiment: str, options: CommandOptions, axes: Sequence[Axis] = (), seeds: int = 1, seed: int | None = None) -> Study:
    """Return the study of a command.

    Parameters
    ----------
    experiment : str
        Name of the experiment.
    options : CommandOptions
        Options of the command, or of one of its trials; those that the experiment has become settings of all trials.
    axes : sequence of Axis
        Varied settings, the last one fastest.
    seeds : int
        Trials per point.
    seed : int, optional
        First seed; by default that of the options.

    Returns
    -------
    Study
        Axes and settings as a sweep has them, so that whatever reads sweeps reads this run.
    """
    columns = {axis.name: dict(zip(axis.keys, map(list, zip(*axis.values, strict=True)), strict=True)) for axis in axes}
    together = columns.pop("zip", {})
    grid = {key: values for column in columns.values() for key, values in column.items()}
    model = find_experiment(experiment).options
    settings = settings_of_trials(options.settings(), model, grid | together)
    stored = settings_of_trials(options.resolved(), model, grid | together)
    declared = {"experiment": experiment, "seeds": seeds, "seed": options.seed if seed is None else seed, "paired": True, "set": stored}
    return Study(declared | {"grid": grid, "zip": together, "random": {}}, settings, tuple(axes))


def compute(
    study: Study, tasks: Iterable[Task], opened: Computation, *, told: Callable[[Record], None] | None = None, given: Given = NOTHING
) -> dict[str, Trial]:
    """Compute the trials that the journal does not have yet; a failed one is recorded, the others go on, and the next start retries it.

    Parameters
    ----------
    study : Study
        Common part of the trials.
    tasks : iterable of Task
        The trials, in the order of the study's grid.
    opened : Computation
        Open run.
    told : callable, optional
        Called with each new record; by default ``teller`` without a sentence.
    given : Given
        Objects of the command for the serial engine.

    Returns
    -------
    dict of str to Trial
        All trials by key, those of earlier starts included.
    """
    planned = {task.key: task for task in tasks}
    run, journal, engine, invocation = opened
    with journal.transaction():
        remember(journal, study.facts())
        journal.plan(planned.values())
        retry_failed(journal)
    _refuse_misfits(study.experiment, opened)
    if journal.counts()["done"] == len(planned):
        invocation.note(f"{run.path} is complete; these are its results")
    work = study.work._replace(checkpoints=str(run.checkpoints.resolve())) if study.experiment.checkpoints else study.work
    # A bar of the command itself stands where that of the only trial would.
    own_bar = invocation.has_bar and given.arguments.keys() & {"on_step", "on_row"}
    shown = replace(invocation, quiet=True) if own_bar else invocation
    Run(run, journal, work, on_record=told or teller(invocation), given=given).compute(engine, shown, invocation.command)
    return {trial.key: trial for trial in journal.trials() if trial.key in planned}


def _refuse_misfits(experiment: Experiment, opened: Computation) -> None:
    """Refuse records of an earlier start that were edited, or damaged, before they reach a table."""
    forms = experiment.forms()
    for trial in opened.journal.trials("done"):
        if problem := misfits(trial.metrics or {}, forms):
            place = f"trial {trial.key!r} in {opened.run.journal_file}"
            raise InputError(f"{place} has {problem}; restore the journal, or choose another --out")


def remember_input(opened: Computation, name: str, digest: str | None, other: str) -> None:
    """Refuse to show the result of one input as that of another.

    Parameters
    ----------
    opened : Computation
        Open run, whose configuration has only the path of the input, or not even that.
    name : str
        Name of the fact in the journal.
    digest : str or None
        Digest of the input; None without one.
    other : str
        End of the message "holds a run with other", such as ``parameters than --checkpoint has``.

    Raises
    ------
    InputError
        If the run was begun with another input.
    """
    if recall(opened.journal).get(name, digest) != digest:
        raise InputError(f"{opened.run.path} holds a run with other {other}; give the same file, or choose another --out")
    remember(opened.journal, {name: digest})


def teller(invocation: Invocation, sentence: Callable[[Record], str] | None = None) -> Callable[[Record], None]:
    """Return a callback that notes each failed trial on stderr and, given a sentence, each finished one."""

    def tell(record: Record) -> None:
        if record.error is not None:
            invocation.note(f"{record.key}: failed: {record.error}")
        elif sentence is not None:
            invocation.note(f"{record.key}: {sentence(record)}")

    return tell


def compute_one(study: Study, opened: Computation, given: Given = NOTHING) -> Metrics:
    """Compute the only trial of a study, whose key is the name of the experiment, and return its metrics.

    Parameters
    ----------
    study : Study
        Study without axes.
    opened : Computation
        Open run.
    given : Given
        Objects of the command for the serial engine.

    Returns
    -------
    dict
        Metrics of the trial.

    Raises
    ------
    InputError
        If the trial refused its options.
    EqlabError
        If it failed otherwise.
    """
    key, records = study.declared["experiment"], list[Record]()
    trial = compute(study, [Task(key, {}, study.declared["seed"])], opened, told=records.append, given=given)[key]
    if trial.metrics is not None:
        return trial.metrics
    raise (InputError if records and records[-1].mistake else EqlabError)(trial.error or "the trial has no result")


def compute_points(
    experiment: str, points: Mapping[str, CommandOptions], axes: Sequence[Axis], seed: int, opened: Computation
) -> dict[str, Metrics | None]:
    """Compute a grid with one trial per point, all of one seed.

    Parameters
    ----------
    experiment : str
        Name of the experiment.
    points : mapping of str to CommandOptions
        Options of each trial by its key, in the order of the grid.
    axes : sequence of Axis
        Settings in which the points differ, the last one fastest.
    seed : int
        Seed of every trial.
    opened : Computation
        Open run.

    Returns
    -------
    dict of str to dict or None
        Metrics of every point, None for one that failed.
    """
    first = next(iter(points.values())).model_copy(update={"seed": seed})
    tasks = [Task(key, changes, seed) for key, changes in zip(points, walk(axes), strict=True)]
    return metrics_of(compute(study_of(experiment, first, axes), tasks, opened))


def metrics_of(found: Mapping[str, Trial]) -> dict[str, Metrics | None]:
    """Return the metrics of every trial by key, None for one that failed."""
    return {key: trial.metrics if trial.status == "done" else None for key, trial in found.items()}


def refuse_failed(found: Mapping[str, Metrics | None], what: str = "points") -> None:
    """Raise ``TrialsFailedError`` if any trial has no metrics."""
    failed = sum(metrics is None for metrics in found.values())
    if failed:
        raise TrialsFailedError(f"{failed} of {len(found)} {what} could not be computed; see why with 'eqlab report' of this run")


def by_name(points: Iterable[tuple[str, P]]) -> dict[str, P]:
    """Gather the points of a grid by name.

    Raises
    ------
    InputError
        If two points have the same name: a value stands twice, or two agree in the digits that names show.
    """
    found: dict[str, P] = {}
    for name, point in points:
        if name in found:
            raise InputError(f"two points of the grid are both {name}; give values that differ, within six digits")
        found[name] = point
    return found
