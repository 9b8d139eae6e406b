"""Commands of one trial: computed once on any engine, recorded, and shown again when the command is repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from contrastive_core.errors import EqlabError, InputError
from experiments.commandline.invocation import Invocation
from experiments.runs.directory import RunDirectory
from experiments.runs.journal import Journal
from experiments.runs.pages import remember, retry_failed
from experiments.runs.records import Record
from experiments.trials.runner import Run
from experiments.trials.worker import Work


def run_one(
    work: Work,
    seed: int,
    engine: str,
    invocation: Invocation,
    run: RunDirectory,
    journal: Journal,
    observers: Mapping[str, Callable[..., None]] | None = None,
) -> dict[str, Any]:
    """Compute the trial that the journal does not have yet; its key is the experiment's name.

    Parameters
    ----------
    work : Work
        What the trial is.
    seed : int
        From which its randomness follows.
    engine : str
        As for ``experiments.trials.engine``.
    invocation : Invocation
        Where to say that there is nothing to do.
    run : RunDirectory
        The run.
    journal : Journal
        Of the run.
    observers : mapping of str to callable, optional
        Further arguments of the trial, for an engine that computes in this process.

    Returns
    -------
    dict
        The trial's metrics.

    Raises
    ------
    InputError
        If the trial refused what it was told.
    EqlabError
        If it failed otherwise.
    """
    key, failures = work.experiment, list[Record]()
    done = journal.trial(key)
    if done is not None and done.status == "done":
        invocation.note(f"{run.path} is complete; these are its results")
    else:
        with journal.transaction():
            remember(journal, {"experiment": work.experiment})
            retry_failed(journal)
            journal.begin(key, {}, seed)

        def note(record: Record) -> None:
            if record.error is not None:
                failures.append(record)

        quietly = replace(invocation, quiet=True)  # one trial: there is nothing to count
        Run(run, journal, work, on_record=note, observers=observers or {}).compute(engine, quietly, key)
        done = journal.trial(key)
    if failures and failures[-1].mistake:
        raise InputError(failures[-1].error)
    if done is None or done.metrics is None:
        raise EqlabError(done.error if done and done.error else "the trial has no result")
    return done.metrics
