"""``eqlab runs``: which runs there are, what is in them, how they differ, and removing them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import click
from pydantic import Field

from contrastive_core.errors import EqlabError, InputError
from experiments.commandline.exits import ended_early
from experiments.commandline.flags import RUNS, command
from experiments.commandline.group import lazy_group
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import Positional
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table, to_toml
from experiments.runs.advice import listing
from experiments.runs.columns import labels_of, means
from experiments.runs.directory import ROOT, RunDirectory, differing, find_run
from experiments.runs.pages import details, spent
from experiments.runs.records import Trial
from experiments.runs.sqlite_file import locked

SHOWN_FAILURES = 3
SHOWN_TRIALS = 40
_Names = Annotated[tuple[str, ...], Positional()]


class NamesOptions(CommandOptions):
    """Names of runs.

    Attributes
    ----------
    names
        In the directory of runs, or paths.
    """

    names: _Names = Field((), description="Names of runs in the directory runs, or paths.")


class RemoveOptions(NamesOptions):
    """Names of runs to remove.

    Attributes
    ----------
    yes
        Whether not to ask.
    """

    yes: bool = Field(False, description="Remove without asking.")


@command(CommandOptions, "list", without=("config", "seed", "threads"), directory=RUNS)
def list_command(options: CommandOptions, invocation: Invocation) -> None:
    """List the runs in the directory runs, or in that of --runs.

    \b
    Examples:
      eqlab runs list
      eqlab runs list --runs other/runs
    """  # noqa: D301
    root = invocation.runs or ROOT
    if invocation.runs is not None and not root.is_dir():
        raise InputError(f"there is no directory {root}; give --runs the directory that holds the runs")
    found = sorted(path.parent for path in root.glob("*/config.toml")) if root.is_dir() else []
    runs = [_overview(RunDirectory(path)) for path in found]
    header = ("name", "command", "started", "trials", "done", "failed", "problem")
    rows = [tuple(run.get(key) for key in header) for run in runs]
    invocation.result({"runs": runs}, format_table(header, rows) if rows else f"there are no runs in {root}")


def _overview(run: RunDirectory) -> dict[str, Any]:
    """Describe a run in a line; one that cannot be read is listed with the reason."""
    name = os.fsencode(run.path.name).decode(errors="backslashreplace")  # JSON takes no name in another encoding
    try:
        stored = run.read_provenance()
        with run.journal(readonly=True) as journal:
            counts = journal.counts()
        starts = stored["starts"]
        started = starts[0]["started"] if starts else None
        return {
            "name": name,
            "command": stored["command"],
            "started": started,
            "trials": sum(counts.values()),
            "done": counts["done"],
            "failed": counts["failed"],
        }
    except EqlabError as error:
        return {"name": name, "problem": str(error)}


@command(NamesOptions, "show", without=("config", "seed", "threads"), directory=RUNS)
def show_command(options: NamesOptions, invocation: Invocation) -> None:
    """Show the configuration, the origin and the state of the runs NAMES.

    \b
    Examples:
      eqlab runs show demo
      eqlab runs show other/runs/demo --json
    """  # noqa: D301
    runs = [_whole(run) for run in _find(options, invocation)]
    invocation.result({"runs": runs}, "\n\n".join(map(_describe, runs)))


def _find(options: NamesOptions, invocation: Invocation, least: int = 1) -> list[RunDirectory]:
    if len(options.names) < least:
        raise InputError(f"which run{'s' if least > 1 else ''}? give at least {least} of those that '{listing(invocation.runs)}' shows")
    return [find_run(name, invocation.runs) for name in options.names]


def _whole(run: RunDirectory) -> dict[str, Any]:
    stored = run.read_provenance()
    with run.journal(readonly=True) as journal:
        counts, seconds, metrics = journal.counts(), spent(journal), means(journal)
        trials = [_trial(trial) for trial in islice(journal.trials(), SHOWN_TRIALS)]
        failures = [
            {"trial": trial.key, "error": trial.error, "details": details(journal, trial.key)}
            for trial in islice(journal.trials("failed"), SHOWN_FAILURES)
        ]
    return {
        "name": run.path.name,
        "path": str(run.path),
        "command": stored["command"],
        "starts": stored["starts"],
        "counts": counts,
        "seconds": seconds,
        "configuration": run.read_config(),
        "metrics": metrics,
        "trials": trials,
        "failures": failures,
        "files": sorted(str(path.relative_to(run.path)) for path in run.path.glob("*")),
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {"trial": trial.key, "settings": trial.options, "seed": trial.seed, "status": trial.status, "seconds": trial.seconds}


def _tables(run: Mapping[str, Any]) -> list[str]:
    """List the trials, whose keys other commands ask for, and the means over the seeds of every point."""
    total = sum(run["counts"].values())
    points = {json.dumps(one["settings"]): one["settings"] for one in run["trials"]}
    labels = dict(zip(points, labels_of(list(points.values())), strict=True))
    rows = [(one["trial"], labels[json.dumps(one["settings"])] or "-", str(one["seed"]), one["status"]) for one in run["trials"]]
    more = [f"and {total - len(rows)} more trials"] if total > len(rows) else []
    trials = [format_table(("trial", "differs in", "seed", "status"), rows), *more, ""]
    return [*(trials if total > 1 else []), format_table(("mean over seeds", "value"), _without_repetition(run["metrics"]))]


def _without_repetition(metrics: Mapping[str, float]) -> list[tuple[str, float]]:
    """Show a metric once if it has one value at all points, as constants have."""
    values: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        values.setdefault(name.partition(" at ")[0], {})[name] = value
    rows = ([(name, next(iter(one.values())))] if len(set(one.values())) == 1 else list(one.items()) for name, one in values.items())
    return [row for metric in rows for row in metric]


def _describe(run: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{number} {status}" for status, number in run["counts"].items() if number)
    last = run["starts"][-1] if run["starts"] else {}
    lines = [
        f"{run['path']}: {run['command']}, {counts or 'no trials'}, {run['seconds']:.1f} s of computing",
        f"started {len(run['starts'])} times, last at {last.get('started')} by: {' '.join(last.get('argv', ()))}",
        f"commit {last.get('commit')}{' with changes' if last.get('changed') else ''}",
        "",
        to_toml(run["configuration"]).rstrip(),
        "",
        *_tables(run),
        *(f"\ntrial {one['trial']} failed: {one['error']}\n{one['details'] or ''}".rstrip() for one in run["failures"]),
    ]
    return "\n".join(lines)


def _means(run: RunDirectory) -> dict[str, float]:
    with run.journal(readonly=True) as journal:
        return means(journal)


@command(NamesOptions, "compare", without=("config", "seed", "threads"), directory=RUNS)
def compare_command(options: NamesOptions, invocation: Invocation) -> None:
    """Show in which settings the runs NAMES differ, and their mean results side by side.

    \b
    Examples:
      eqlab runs compare demo demo-2
      eqlab runs compare demo demo-2 --json
    """  # noqa: D301
    runs = _find(options, invocation, least=2)
    names = [run.path.name for run in runs]
    averages = [_means(run) for run in runs]
    shared = sorted({name for average in averages for name in average})
    settings = differing([run.read_config() for run in runs])
    metrics = {name: [average.get(name) for average in averages] for name in shared}
    text = "\n\n".join(
        (
            format_table(("setting", *names), [(key, *map(_shown, values)) for key, values in settings.items()])
            if settings
            else "the configurations are the same",
            format_table(("mean over seeds", *names), [(name, *values) for name, values in metrics.items()]),
        )
    )
    invocation.result({"runs": names, "settings": settings, "metrics": metrics}, text)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_shown, value)) or "empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


@command(RemoveOptions, "rm", without=("config", "seed", "threads"), directory=RUNS)
def remove_command(options: RemoveOptions, invocation: Invocation) -> None:
    """Remove the runs NAMES with everything in them, after asking.

    \b
    Examples:
      eqlab runs rm demo
      eqlab runs rm demo demo-2 --yes
    """  # noqa: D301
    runs = _find(options, invocation)
    for run in runs:
        if run.path.is_symlink():
            raise InputError(f"{run.path} is a link; remove what it points to by its own path")
        with locked(run.path):  # every run, before the first one goes
            pass
    listed = ", ".join(str(run.path) for run in runs)
    if not options.yes and not _agreed(f"remove {listed} with everything in it?"):
        raise InputError("nothing was removed; say --yes to remove without being asked")
    for run in runs:
        _remove(run.path)
    invocation.result({"removed": [str(run.path) for run in runs]}, f"removed {listed}")


def _agreed(question: str) -> bool:
    """Ask the user, whose missing answer is a no."""
    if sys.stdin is None:  # closed by whoever started the program
        return False
    try:
        return click.confirm(question, err=True)
    except click.Abort as abort:
        if ended_early(abort):
            return False
        raise


def _remove(path: Path) -> None:
    with locked(path):
        # The configuration goes first: without it, what is left of an interrupted removal is no run any more.
        RunDirectory(path).config.unlink()
        shutil.rmtree(path)


runs = lazy_group(
    "runs",
    "List, show, compare and remove runs.",
    {
        "list": "experiments.runs.commands:list_command",
        "show": "experiments.runs.commands:show_command",
        "compare": "experiments.runs.commands:compare_command",
        "rm": "experiments.runs.commands:remove_command",
    },
)
