"""``eqlab sweep``: any experiment over a grid, on any engine, stopped and continued at any moment."""

from __future__ import annotations

import math
import shlex
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from contrastive_core.errors import InputError
from experiments.commandline.exits import TrialsFailedError
from experiments.commandline.flags import RUNS, command
from experiments.commandline.group import lazy_group
from experiments.commandline.interruption import resumable
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import Positional, Repeated
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table
from experiments.commandline.sections import COMPUTATION
from experiments.runs.directory import RunDirectory, place
from experiments.runs.kept import is_begun
from experiments.runs.pages import details, retry_failed, spent
from experiments.sweeps.directory import Sweep, create_sweep, open_sweep
from experiments.sweeps.study import declare
from experiments.trials.engine import CHOICES, check_engine
from experiments.trials.engines import load_ahead
from experiments.trials.experiment import EXPERIMENTS
from experiments.trials.progress import duration
from experiments.trials.runner import Run
from experiments.trials.worker import Work

SHOWN_FAILURES = 5
_Name = Annotated[str, Positional()]


class NewOptions(CommandOptions):
    """A sweep to be made.

    Attributes
    ----------
    name, experiment
        Name of the sweep, and its experiment.
    grid, set, file, seeds, paired
        Its axes, settings and repetitions.
    chunk
        Trials per call of an engine.
    """

    name: _Name = Field(description="Name of the sweep, a new directory in runs, or a path.")
    experiment: Annotated[str | None, Positional()] = Field(
        None, description=f"Name of the experiment, or MODULE:OBJECT for one of your own. One of: {', '.join(EXPERIMENTS)}."
    )
    grid: Annotated[tuple[str, ...], Repeated("AXIS=V1,V2,...")] = Field(
        (), description="Axis and its values, such as gain=0.5,1,2; may be repeated."
    )
    set: Annotated[tuple[str, ...], Repeated("KEY=VALUE")] = Field(
        (), description="Setting of the experiment at all points, such as epochs=5; may be repeated."
    )
    file: Path | None = Field(None, description="TOML file with grid, zip and random axes; flags win over it.")
    seeds: Annotated[int, Field(gt=0)] | None = Field(None, description="Number of trials per point of the grid; none: 1.")
    paired: bool = Field(True, description="Give all points the same seeds, so that differences are paired.")
    chunk: Annotated[Annotated[int, Field(gt=0)] | None, COMPUTATION] = Field(
        None, description="Number of trials per call of an engine; none: as many as take about a second."
    )


class NameOptions(CommandOptions):
    """Name of a sweep.

    Attributes
    ----------
    name
        Name that was given to ``eqlab sweep new``, or a path.
    """

    name: _Name = Field(description="Name of the sweep in the directory runs, or a path.")


class RunOptions(NameOptions):
    """Name of a sweep, and the engine that computes it.

    Attributes
    ----------
    engine
        Engine that computes the trials.
    """

    engine: Annotated[str, COMPUTATION] = Field(
        "process", exclude=True, description=f"Engine that computes the trials: {CHOICES}.".replace("'", "")
    )


@command(NewOptions, "new", without=("config", "set", "threads"), directory=RUNS)
def new_command(options: NewOptions, invocation: Invocation) -> None:
    """Make a sweep of the experiment EXPERIMENT over a grid, with several seeds per point.

    \b
    Examples:
      eqlab sweep new gains relaxation --grid gain=0.5,1,2 --grid hidden=[32],[32,32] --seeds 100
      eqlab sweep new rules train --grid rule=ep-centered,backprop --set epochs=5 --seeds 10
      eqlab sweep new search train --file search.toml
    """  # noqa: D301
    given: dict[str, Any] = {key: getattr(options, key) for key in ("seeds", "seed", "paired") if key in options.model_fields_set}
    given = {key: value for key, value in given.items() if value is not None}
    study = declare(
        options.experiment, file=None if options.file is None else str(options.file), settings=options.set, grid=options.grid, given=given
    )
    run = create_sweep(place(options.name, invocation.runs), study, invocation, options.chunk)
    with open_sweep(run.path, invocation, readonly=True) as sweep:
        total, chunk = math.prod(study.shape), sweep.chunk
    axes = {axis.name: len(axis.values) for axis in study.axes}
    listed = " x ".join([*(f"{length} {name}" for name, length in axes.items()), f"{study.shape[-1]} seeds"])
    data = {"run": str(run.path), "trials": total, "axes": axes, "seeds": study.shape[-1], "chunk": chunk}
    go = f"eqlab sweep run {_spelled(options.name, invocation)}"
    invocation.result(data, f"{run.path}: {total} trials ({listed}), {chunk} in a chunk\ncompute them with: {go}")


def _spelled(name: str, invocation: Invocation) -> str:
    """Return a sweep's name as it is typed, with the directory it is in."""
    return shlex.join([name] if invocation.runs is None else [name, "--runs", str(invocation.runs)])


@command(RunOptions, "run", without=("config", "seed", "threads"), directory=RUNS)
def run_command(options: RunOptions, invocation: Invocation) -> None:
    """Compute the missing trials of the sweep NAME; a stopped sweep goes on with any engine.

    \b
    Examples:
      eqlab sweep run gains
      eqlab sweep run gains --engine dask:4
      eqlab sweep run gains --engine scheduler.json
    """  # noqa: D301
    _compute(options, invocation, retry=False)


@command(RunOptions, "resume", without=("config", "seed", "threads"), directory=RUNS)
def resume_command(options: RunOptions, invocation: Invocation) -> None:
    """Continue the sweep NAME, as 'eqlab sweep run' does.

    \b
    Examples:
      eqlab sweep resume gains
      eqlab sweep resume gains --engine dask:4
    """  # noqa: D301
    _compute(options, invocation, retry=False)


@command(RunOptions, "retry-failed", without=("config", "seed", "threads"), directory=RUNS)
def retry_command(options: RunOptions, invocation: Invocation) -> None:
    """Compute the failed trials of the sweep NAME again, and those that are missing.

    \b
    Examples:
      eqlab sweep retry-failed gains
    """  # noqa: D301
    _compute(options, invocation, retry=True)


def _compute(options: RunOptions, invocation: Invocation, *, retry: bool) -> None:
    check_engine(options.engine)
    path = place(options.name, invocation.runs)
    if path.is_dir():
        load_ahead(options.engine)  # while the journal is opened and checked
    again = f"eqlab sweep run {_spelled(options.name, invocation)} --engine {shlex.quote(options.engine)}"
    with resumable(again, lambda: is_begun(RunDirectory(path))), open_sweep(path, invocation) as sweep:
        if retry:
            invocation.note(f"{retry_failed(sweep.journal)} failed trials are tried again")
        Run(sweep.run, sweep.journal, _work(sweep), sweep.chunk, keep_checkpoints=False).compute(options.engine, invocation, path.name)
        data, text = _state(sweep, path)
    invocation.result(data, text)
    if data["counts"]["failed"]:
        first = data["failures"][0]
        raise TrialsFailedError(
            f"{data['counts']['failed']} of {data['trials']} trials failed; the first, trial {first['trial']}: {first['error']}; "
            f"see them with 'eqlab sweep status', try again with 'eqlab sweep retry-failed {_spelled(options.name, invocation)}'"
        )


def _work(sweep: Sweep) -> Work:
    """Let a trial that fills a chunk alone, and so takes about a second or more, keep a checkpoint until it is recorded."""
    lasting = sweep.chunk == 1 and sweep.study.experiment.checkpoints
    return sweep.study.work._replace(checkpoints=str(sweep.run.checkpoints.resolve()) if lasting else None)


class StatusOptions(NameOptions):
    """Name of a sweep, and the failure to show.

    Attributes
    ----------
    trial
        Key of the trial whose failure is shown whole.
    """

    trial: str | None = Field(None, description="Key of a failed trial whose traceback is shown; none: no traceback.")


@command(StatusOptions, "status", without=("config", "seed", "threads"), directory=RUNS)
def status_command(options: StatusOptions, invocation: Invocation) -> None:
    """Show how far the sweep NAME is, even while it runs, and which trials failed.

    \b
    Examples:
      eqlab sweep status gains
      eqlab sweep status gains --trial 17
    """  # noqa: D301
    path = place(options.name, invocation.runs)
    with open_sweep(path, invocation, readonly=True) as sweep:
        if options.trial is not None:
            one = sweep.journal.trial(options.trial)
            if one is None or one.status != "failed":
                raise InputError(f"trial {options.trial} of {path} has not failed; failed ones are listed without --trial")
            trace = details(sweep.journal, options.trial)
            data: dict[str, Any] = {"trial": one.key, "options": one.options, "seed": one.seed, "error": one.error, "details": trace}
            text = f"trial {one.key}, {one.options}, seed {one.seed}\n\n{trace or one.error}"
        else:
            data, text = _state(sweep, path)
    invocation.result(data, text)


def _state(sweep: Sweep, path: Path) -> tuple[dict[str, Any], str]:
    counts = sweep.journal.counts()
    total = sum(counts.values())
    failures = [
        {"trial": one.key, "options": one.options, "error": one.error} for one in islice(sweep.journal.trials("failed"), SHOWN_FAILURES)
    ]
    seconds = spent(sweep.journal)
    data = {"run": str(path), "trials": total, "counts": counts, "chunk": sweep.chunk, "seconds": seconds, "failures": failures}
    settled = counts["done"] + counts["failed"]
    lines = [f"{path}: {counts['done']} of {total} trials done, {counts['failed']} failed; {duration(seconds)} of computing"]
    if settled and settled < total:
        lines.append(f"about {duration(seconds / settled * (total - settled))} of computing left, divided by the number of workers")
    if failures:
        rows = [(str(one["trial"]), str(one["options"]), str(one["error"])) for one in failures]
        lines += ["", format_table(("trial", "options", "error"), rows)]
        if counts["failed"] > len(failures):
            lines.append(f"and {counts['failed'] - len(failures)} more")
    return data, "\n".join(lines)


sweep = lazy_group(
    "sweep",
    "Run any experiment over a grid, on any engine.",
    {
        "new": "experiments.sweeps.commands:new_command",
        "run": "experiments.sweeps.commands:run_command",
        "status": "experiments.sweeps.commands:status_command",
        "resume": "experiments.sweeps.commands:resume_command",
        "retry-failed": "experiments.sweeps.commands:retry_command",
        "collect": "experiments.sweeps.collect:collect_command",
    },
)
