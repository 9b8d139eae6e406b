"""Comparisons of rules with paired seeds: every rule gets the same initial weights and data order from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from experiments.commandline.exits import TrialsFailedError
from experiments.runs.journal import Journal
from experiments.runs.records import Epoch, Task


class Found(NamedTuple):
    """Trials of a comparison, read from its journal.

    Attributes
    ----------
    metrics : dict of str to list
        For each rule the metrics of its trials in the order of the seeds, None where a trial has none.
    histories : dict of str to list
        For each rule the records of the epochs of its trials.
    errors : dict of str to (str or None)
        For each rule the error of its first failed trial.
    """

    metrics: dict[str, list[Mapping[str, Any] | None]]
    histories: dict[str, list[list[dict[str, Any]]]]
    errors: dict[str, str | None]


def tasks_of(rules: Sequence[str], seeds: Sequence[int]) -> list[Task]:
    """Return the trials of a comparison, the seeds of a rule next to each other."""
    return [Task(trial_key(rule, seed), {"rule": rule}, seed) for rule in rules for seed in seeds]


def read_paired(journal: Journal, rules: Sequence[str], seeds: Sequence[int], history: Callable[[str], list[Epoch]] | None = None) -> Found:
    """Read the trials of a comparison, also of one that is still going on.

    Parameters
    ----------
    journal : Journal
        Journal of the run.
    rules : sequence of str
        Compared rules.
    seeds : sequence of int
        Seeds of every rule.
    history : callable, optional
        Returns the epochs of a trial, in place of the journal's.

    Returns
    -------
    Found
        Trials of every rule and seed.
    """
    found = Found({}, {}, {})
    for rule in rules:
        keys = [trial_key(rule, seed) for seed in seeds]
        trials = [journal.trial(key) for key in keys]
        found.metrics[rule] = [trial.metrics if trial else None for trial in trials]
        found.histories[rule] = [[epoch.metrics for epoch in (history or journal.history)(key)] for key in keys]
        found.errors[rule] = next((trial.error for trial in trials if trial and trial.error), None)
    return found


def settled(found: Found) -> Found:
    """Leave out the rules of which no trial is done or failed yet; histories stay."""
    rules = [rule for rule, trials in found.metrics.items() if any(trials) or found.errors[rule]]
    return Found({rule: found.metrics[rule] for rule in rules}, found.histories, {rule: found.errors[rule] for rule in rules})


def refuse_failures(rules: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise ``TrialsFailedError`` if a rule's record has the status ``failed``, with the reasons."""
    failed = {rule: record["error"] for rule, record in rules.items() if record["status"] == "failed"}
    if failed:
        reasons = "; ".join(f"{rule}: {error}" for rule, error in failed.items())
        raise TrialsFailedError(f"{len(failed)} of {len(rules)} rules have failed trials: {reasons}")


def of_trials(trials: Sequence[Mapping[str, Any] | None], name: str) -> list[float | None]:
    """Return a metric of each trial, None where the trial failed."""
    return [None if trial is None else trial[name] for trial in trials]


def seeds_of(first: int, count: int) -> range:
    """Return the seeds of every rule, from the first one on."""
    return range(first, first + count)


def trial_key(rule: str, seed: int) -> str:
    """Return the key of a trial, which also names its checkpoint."""
    return f"{rule}-{seed}"
