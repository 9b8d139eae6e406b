"""Contents of reports about training, comparisons of rules or gradients, and relaxation."""

from __future__ import annotations

import math
from typing import Any

from experiments.figures.writing import comparison, gradient_alignment, learning_curves, pareto, relaxation
from experiments.learning.comparison import summarise, table
from experiments.learning.gradient_table import table as gradients_table
from experiments.report.contents import Contents, ReportTable
from experiments.report.grid_view import point_labels, show_grid
from experiments.report.run_reader import OpenedRun
from experiments.runs.arrays import read_trace
from experiments.sweeps.paired import trial_key

MOST_CURVES = 12
MOST_SEEDS = 20
"""Trials that a curve is the median of, at most."""
MOST_TRACES = 8
_CURVE = "validation_error"


def show_train(opened: OpenedRun) -> Contents:
    """Show one training run, or a grid of them by the first axes, with the epochs of trials that still run."""
    view = show_grid(opened) if opened.axes else Contents([], {})
    histories = curves(opened)
    picture = {"learning-curves": learning_curves(histories)} if any(any(seeds) for seeds in histories.values()) else {}
    return Contents(view.tables, {**picture, **view.pictures})


def curves(opened: OpenedRun) -> dict[str, list[list[dict[str, Any]]]]:
    """Read histories by the point of as many of the first axes as make no more than twelve curves.

    Parameters
    ----------
    opened : OpenedRun
        Run of trainings.

    Returns
    -------
    dict of str to list of histories
        Histories by label of the point; epochs without a validation error are left out.
    """
    if not opened.axes:
        return {opened.experiment: [_records(opened, opened.experiment)]}
    named: list[int] = []
    for index, axis in enumerate(opened.axes):
        if math.prod(len(opened.axes[i].values) for i in named) * len(axis.values) > MOST_CURVES:
            break
        named.append(index)
    labels = point_labels([opened.axes[index] for index in named])
    each = opened.total // len(labels)
    found: dict[str, list[list[dict[str, Any]]]] = {}
    for position, label in enumerate(labels):
        keys = opened.keys(position * each, each, MOST_SEEDS)
        found[label or opened.experiment] = [history for key in keys if (history := _records(opened, key))]
    return found


def _records(opened: OpenedRun, key: str) -> list[dict[str, Any]]:
    return [epoch.metrics for epoch in opened.history(key) if _CURVE in epoch.metrics]


def show_relaxation(opened: OpenedRun) -> Contents:
    """Show a grid of relaxations, with the traces of the first trial at some points where trajectories were kept."""
    view = show_grid(opened)
    labels = point_labels(opened.axes)
    traces: dict[str, dict[str, list[float]]] = {}
    for position in range(0, len(labels), max(1, len(labels) // MOST_TRACES)):
        trace = read_trace(opened.run, str(position * opened.seeds))
        if trace and len(traces) < MOST_TRACES:
            traces[labels[position] or "trial 0"] = trace
    return Contents(view.tables, {**view.pictures, **({"relaxation": relaxation(traces)} if traces else {})})


def show_compare(opened: OpenedRun) -> Contents:
    """Show rules side by side, as far as they are."""
    rules = [str(rule) for (rule,) in opened.axes[0].values] if opened.axes else []
    metrics, errors, histories = {}, {}, {}
    for rule in rules:
        keys = [trial_key(rule, seed) for seed in range(opened.first_seed, opened.first_seed + opened.seeds)]
        trials = [opened.journal.trial(key) for key in keys]
        histories[rule] = [_records(opened, key) for key in keys]
        if any(trial and trial.status in ("done", "failed") for trial in trials):
            metrics[rule] = [trial.metrics if trial else None for trial in trials]
            errors[rule] = next((trial.error for trial in trials if trial and trial.error), None)
    records = summarise(metrics, errors)
    for rule, record in records.items():
        if errors[rule] is None:
            record["status"] = "done"  # what is missing has not failed
    pictures = {"learning-curves": learning_curves(histories)} if any(any(seeds) for seeds in histories.values()) else {}
    if not records:
        return Contents([], pictures)
    efforts = {"CPU time (µs/sample)": ("cpu_seconds_per_sample", 1e6), "sweeps per sample": ("sweeps_per_sample", 1.0)}
    done = {rule: record for rule, record in records.items() if record["test_error"]}
    fronts = {
        title: {rule: (factor * record[name], 100 * record["test_error"]["mean"]) for rule, record in done.items()}
        for title, (name, factor) in efforts.items()
    }
    compared = {"comparison": comparison(records)}
    shown = {**pictures, **compared} if opened.running else {**compared, **pictures}  # what moves comes first
    return Contents([ReportTable("Side by side", *table(records))], {**shown, "pareto": pareto(fronts, "test error (%)")})


def show_gradients(opened: OpenedRun) -> Contents:
    """Show every rule's gradient beside the exact one, and how the free phase relaxed; of a grid, those of its first trial."""
    view = show_grid(opened) if opened.axes else Contents([], {})
    found = next(opened.journal.trials("done"), None)
    if found is None or found.metrics is None:
        return view
    rules = {rule: record for rule, record in found.metrics["rules"].items() if "error" not in record}
    trace = read_trace(opened.run, found.key)
    pictures = {"alignment": gradient_alignment(rules), **({"relaxation": relaxation({"free phase": trace})} if trace else {})}
    header, rows = gradients_table(found.metrics)
    where = f" in trial {found.key}" if opened.axes else ""
    return Contents([ReportTable(f"Distance from the exact gradient{where}", header, rows), *view.tables], {**pictures, **view.pictures})
