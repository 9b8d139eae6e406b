"""Building the report of a run, or of several, from their records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from typing import Any

from experiments.commandline.options import flatten
from experiments.report.bounds import MOST_SETTINGS, bounded_pictures, bounded_settings, bounded_tables, said_once, short
from experiments.report.contents import Contents, Report, ReportTable
from experiments.report.run_reader import OpenedRun, open_for_reading, state_of
from experiments.report.views import show
from experiments.runs.columns import means
from experiments.runs.directory import RunDirectory, differing
from experiments.runs.inside import refuse_special_files
from experiments.runs.live_epochs import read_live

_MOST_ROWS = 40
_MOST_FAILURES = 5
_MOST_RUNNING = 16


def contents_of(run: RunDirectory) -> Contents:
    """Return the tables and figures of a run."""
    with open_for_reading(run) as opened:
        return Contents([], {}) if opened is None else show(opened)


def build_report(run: RunDirectory, fronts: Sequence[str] = (), view: Contents | None = None) -> Report:
    """Build the report of a run.

    Parameters
    ----------
    run : RunDirectory
        Directory of a run, which may still be going on, have failed or have been killed.
    fronts : sequence of str
        Two metrics of a Pareto front; empty for the default ones.
    view : Contents, optional
        Tables and figures of the run, if they are made already.

    Returns
    -------
    Report
        Report of less than 500 kB, however large the run is.

    Raises
    ------
    InputError
        If the run is damaged.
    """
    refuse_special_files(run.path)
    shown = bounded_settings(run.read_config(), "config.toml")
    provenance = bounded_settings(_provenance(run), "provenance.json")
    with open_for_reading(run) as opened:
        if opened is None:
            return Report(run.path.name, f"A run of eqlab {_command(run)}", "nothing is recorded yet", [], {}, shown, provenance)
        state, view = state_of(opened), view or show(opened, fronts)
        tables = [*view.tables, *_single(opened), *_running(opened), *_failures(opened)]
        intro = _introduce(opened)
        done, total = opened.counts["done"] + opened.counts["failed"], opened.total
    kept, left_out = bounded_pictures(view.pictures)
    return Report(run.path.name, intro + left_out, state, bounded_tables(tables), kept, shown, provenance, (done, total))


def build_joint_report(runs: Sequence[RunDirectory], fronts: Sequence[str] = ()) -> Report:
    """Build one report of several runs: settings that differ, mean results, and as many figures as there is room for.

    Parameters
    ----------
    runs : sequence of RunDirectory
        Two or more runs.
    fronts : sequence of str
        Same as in ``build_report``.

    Returns
    -------
    Report
        Report as large as that of one run.

    Raises
    ------
    InputError
        If a run is damaged.
    """
    names = _names(runs)
    pages = {name: build_report(run, fronts) for name, run in zip(names, runs, strict=True)}
    settings = differing([run.read_config() for run in runs])
    rows = [(key, *(short(value) for value in values)) for key, values in islice(settings.items(), MOST_SETTINGS)]
    found = [_means(run) for run in runs]
    metrics = sorted({name for one in found for name in one})[:MOST_SETTINGS]
    tables = [
        ReportTable("How far they are", ("run", "what", "state"), [(name, page.intro, page.state) for name, page in pages.items()]),
        ReportTable("Settings that differ" if rows else "The settings are the same", ("setting", *names), rows),
        ReportTable(
            "Means over the seeds that are done",
            ("metric", *names),
            [(name, *(one.get(name) for one in found)) for name in metrics],
        ),
        *(table._replace(title=f"{name}: {table.title}") for name, page in pages.items() for table in page.tables[:1]),
    ]
    longest = max(len(page.pictures) for page in pages.values())
    turns = (
        (name, page, index) for index in range(longest) for name, page in pages.items()
    )  # one figure of each run in turn, so that none crowds out the others
    pictures = {}
    for name, page, index in turns:
        for caption, picture in islice(page.pictures.items(), index, index + 1):
            pictures[f"{name}: {caption}"] = picture
    kept, left_out = bounded_pictures(pictures)
    # Settings that differ have a table of their own.
    config = bounded_settings(said_once({name: page.config for name, page in pages.items()})["all runs"], "config.toml")
    provenance = bounded_settings(said_once({name: page.provenance for name, page in pages.items()}), "provenance.json")
    return Report(" and ".join(names), f"{len(runs)} runs{left_out}", "", bounded_tables(tables), kept, config, provenance)


def _introduce(opened: OpenedRun) -> str:
    text = f"eqlab {opened.command}" + (f" of {opened.experiment}" if opened.experiment != opened.command else "")
    listed = " x ".join([*(f"{len(axis.values)} {axis.name}" for axis in opened.axes), f"{opened.seeds} seeds"])
    return f"{text}: {listed}" if opened.axes else text


def _names(runs: Sequence[RunDirectory]) -> list[str]:
    short = [run.path.name for run in runs]
    return [name if short.count(name) == 1 else str(run.path) for name, run in zip(short, runs, strict=True)]


def _command(run: RunDirectory) -> str:
    refuse_special_files(run.path)
    return str(run.read_provenance()["command"])


def _means(run: RunDirectory) -> dict[str, float]:
    if not run.journal_file.exists():
        return {}
    with run.journal(readonly=True) as journal:
        return means(journal)


def _single(opened: OpenedRun) -> list[ReportTable]:
    """Show the metrics of a run that has one trial."""
    trial = next(opened.journal.trials("done"), None) if opened.total == 1 else None
    if trial is None or not trial.metrics:
        return []
    flat = {key: value for key, value in flatten(trial.metrics).items() if isinstance(value, int | float | str)}
    rows = [(key, short(value) if isinstance(value, str) else value) for key, value in islice(flat.items(), _MOST_ROWS)]
    more = f"; the first {len(rows)} of {len(flat)}" if len(flat) > len(rows) else ""
    return [ReportTable(f"Result{more}", ("metric", "value"), rows)] if rows else []


def _running(opened: OpenedRun) -> list[ReportTable]:
    told = [(key, read_live(opened.run.live, key)) for key in opened.running[:_MOST_RUNNING]]
    keys = list(dict.fromkeys(key for _, epochs in told for key in (epochs[-1].metrics if epochs else {}) if key != "epoch"))[:6]
    rows = [
        (key, *((epochs[-1].epoch, *(_number(epochs[-1].metrics.get(name)) for name in keys)) if epochs else (None,) * (1 + len(keys))))
        for key, epochs in told
    ]
    return [ReportTable("Under way", ("trial", "epoch", *(key.replace("_", " ") for key in keys)), rows)] if rows else []


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) else None


def _failures(opened: OpenedRun) -> list[ReportTable]:
    failed = opened.counts["failed"]
    if not failed:
        return []
    rows = [
        (trial.key, short(json.dumps(trial.options)), short(trial.error or ""))
        for trial in islice(opened.journal.trials("failed"), _MOST_FAILURES)
    ]
    more = f"; the first {len(rows)} of {failed}" if failed > len(rows) else ""
    return [ReportTable(f"Failures{more}", ("trial", "settings", "error"), rows)]


def _provenance(run: RunDirectory) -> dict[str, Any]:
    """Show the first and the last start only; a sweep that is killed often has hundreds."""
    stored = run.read_provenance()
    starts = stored["starts"]
    shown = {"first start": starts[:1], "last start": starts[-1:]} if len(starts) > 1 else {"start": starts}
    return {"command": stored["command"], "starts": len(starts), **{name: one[0] for name, one in shown.items() if one}}
