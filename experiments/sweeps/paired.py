"""Commands that train every rule from the same seeds: their trials, planned as a sweep, and what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from experiments.commandline.exits import TrialsFailedError
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import CommandOptions
from experiments.runs.directory import RunDirectory
from experiments.runs.journal import Journal
from experiments.runs.pages import remember, retry_failed
from experiments.runs.records import Record, Task
from experiments.sweeps.axes import Axis
from experiments.sweeps.study import Study
from experiments.trials.runner import Run


class PairedOptions(Protocol):
    """The options of a command whose rules share seeds."""

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules."""

    @property
    def seeds(self) -> int:
        """How many seeds each rule has."""

    @property
    def seed(self) -> int:
        """The first of them."""

    @property
    def engine(self) -> str:
        """Where trials are computed."""

    def settings(self) -> dict[str, Any]:
        """Every setting, as ``Options.settings``."""

    def resolved(self) -> dict[str, Any]:
        """Every setting that identifies the run, as ``Options.resolved``."""


class Found(NamedTuple):
    """What became of the trials.

    Attributes
    ----------
    metrics : dict of str to list
        For each rule its trials' metrics in the order of the seeds, None where a trial failed.
    histories : dict of str to list
        The same for the records of their epochs.
    errors : dict of str to (str or None)
        Why a rule failed.
    """

    metrics: dict[str, list[Mapping[str, Any] | None]]
    histories: dict[str, list[list[dict[str, Any]]]]
    errors: dict[str, str | None]


def study_of(experiment: str, shared: type[CommandOptions], options: PairedOptions) -> Study:
    """Return the comparison as a grid: an experiment, with the rules as an axis and the seeds as repetitions.

    Parameters
    ----------
    experiment : str
        Its name.
    shared : type of CommandOptions
        What its trials take besides the rule.
    options : PairedOptions
        Of the command.

    Returns
    -------
    Study
        Ready to be planned.
    """
    common = {name: value for name, value in options.settings().items() if name in shared.model_fields}
    stored = {name: value for name, value in options.resolved().items() if name in shared.model_fields}
    axis = Axis("rule", ("rule",), [[rule] for rule in options.rules])
    grid = {"grid": {"rule": list(options.rules)}, "zip": {}, "random": {}}
    declared = {"experiment": experiment, "seeds": options.seeds, "seed": options.seed, "paired": True, "set": stored, **grid}
    return Study(declared, common, (axis,))


def run_paired(
    study: Study, options: PairedOptions, invocation: Invocation, run: RunDirectory, journal: Journal, sentence: Callable[[Record], str]
) -> Found:
    """Compute the trials that the journal does not have yet, and read all; one that fails is recorded and the others go on.

    Parameters
    ----------
    study : Study
        From ``study_of``.
    options : PairedOptions
        Of the command.
    invocation : Invocation
        Where progress goes.
    run : RunDirectory
        The run.
    journal : Journal
        Of the run.
    sentence : callable
        What is told of a trial that is done.

    Returns
    -------
    Found
        Of every rule and seed.
    """
    with journal.transaction():
        remember(journal, study.facts())
        journal.plan(Task(trial_key(rule, seed), {"rule": rule}, seed) for rule in options.rules for seed in seeds_of(options))
        retry_failed(journal)

    def note(record: Record) -> None:
        invocation.note(f"{record.key}: failed: {record.error}" if record.metrics is None else f"{record.key}: {sentence(record)}")

    work = study.work._replace(checkpoints=str(run.checkpoints.resolve()))
    Run(run, journal, work, on_record=note).compute(options.engine, invocation, invocation.command)
    found = Found({}, {}, {})
    for rule in options.rules:
        trials = [journal.trial(trial_key(rule, seed)) for seed in seeds_of(options)]
        found.metrics[rule] = [trial.metrics if trial else None for trial in trials]
        found.histories[rule] = [[epoch.metrics for epoch in journal.history(trial_key(rule, seed))] for seed in seeds_of(options)]
        found.errors[rule] = next((trial.error for trial in trials if trial and trial.error), None)
    return found


def refuse_failures(rules: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise ``TrialsFailedError`` if a rule's record has the status ``failed``, with the reasons."""
    failed = {rule: record["error"] for rule, record in rules.items() if record["status"] == "failed"}
    if failed:
        reasons = "; ".join(f"{rule}: {error}" for rule, error in failed.items())
        raise TrialsFailedError(f"{len(failed)} of {len(rules)} rules have failed trials: {reasons}")


def of_trials(trials: Sequence[Mapping[str, Any] | None], name: str) -> list[float | None]:
    """Return a metric of each trial, None where the trial failed."""
    return [None if trial is None else trial[name] for trial in trials]


def seeds_of(options: PairedOptions) -> Iterable[int]:
    """Return the seeds."""
    return range(options.seed, options.seed + options.seeds)


def trial_key(rule: str, seed: int) -> str:
    """Return the name of a trial in the journal, and of its checkpoint."""
    return f"{rule}-{seed}"
