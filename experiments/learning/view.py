"""Contents of reports about training, comparisons of rules or gradients, and relaxation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from contrastive_core.data.task import ERRORS, error_among
from experiments.commandline.kinds import flag_name
from experiments.figures.rules.feedback_angle import feedback_angle
from experiments.figures.rules.synaptic_trace import synaptic_trace
from experiments.figures.rules.varied_gradients import varied_gradients
from experiments.figures.writing import (
    Picture,
    comparison,
    feature_maps,
    filters,
    gradient_alignment,
    layer_relaxation,
    learning_curves,
    pareto,
    reading_noise,
    relaxation,
    time_and_error,
    tuning,
)
from experiments.learning.comparison import summarise, table
from experiments.learning.gradient_summary import HEADER, SEEDS, found_of, rows_of, summary, values_of
from experiments.learning.gradient_table import table as table_of_gradients
from experiments.learning.gradient_table import table_of_objectives
from experiments.learning.train import table as table_of_training
from experiments.learning.tune import table as table_of_candidates
from experiments.report.contents import Contents, ReportTable
from experiments.report.grid_view import point_labels, show_grid
from experiments.report.run_reader import OpenedRun
from experiments.runs.arrays import read_arrays, read_trace
from experiments.setup.following import table_of as table_of_following
from experiments.sweeps.paired import read_paired, settled

MOST_CURVES = 12
MOST_SEEDS = 20
"""Trials that a curve is the median of, at most."""
MOST_TRACES = 8
_CURVES = {f"validation_{name}" for name in ERRORS}


def show_train(opened: OpenedRun) -> Contents:
    """Show one training run, or a grid of them by the first axes, with the epochs of trials that still run."""
    view = show_grid(opened) if opened.axes else Contents([], {})
    histories = curves(opened)
    picture = {"learning-curves": learning_curves(histories)} if any(any(seeds) for seeds in histories.values()) else {}
    picture |= _angles(histories)
    found = next(opened.journal.trials("done"), None) if opened.command == "train" else None
    learnt = [ReportTable("Training", *table_of_training(found.metrics))] if found and found.metrics else []
    if opened.command == "train" and not opened.axes:
        learnt += [table for seeds in histories.values() for history in seeds for table in table_of_following(history)]
    seen = _features(opened, found.key) if found else {}
    return Contents([*learnt, *view.tables], {**picture, **seen, **view.pictures})


def show_fit(opened: OpenedRun) -> Contents:
    """Show a training that a Python script made."""
    histories = curves(opened)
    pictures = {"learning-curves": learning_curves(histories)} if any(any(seeds) for seeds in histories.values()) else {}
    done = next(opened.journal.trials("done"), None)
    tables = []
    if done and done.metrics:
        header, rows = table_of_training({**done.metrics, "gradient_cosine": {}})  # the exact gradient is not computed for a script
        tables.append(ReportTable("Training", header, rows[:-1]))
    tables += [table for seeds in histories.values() for history in seeds for table in table_of_following(history)]
    return Contents(tables, pictures | _angles(histories))


def _angles(histories: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]) -> dict[str, Picture]:
    """Show the angle of the feedback over the epochs, if there is any that is not tied."""
    angled = any("angle" in record for seeds in histories.values() for history in seeds for record in history)
    return {"feedback-angle": feedback_angle(histories)} if angled else {}


def _features(opened: OpenedRun, key: str) -> dict[str, Picture]:
    """Show filters and feature maps of a trial that kept them."""
    arrays = {name: values.tolist() for name, values in read_arrays(opened.run, key).items()}
    maps = {"inputs" if name == "map_0" else f"layer {name[4:]}": values for name, values in arrays.items() if name.startswith("map_")}
    pictures = {"feature-maps": feature_maps(maps)} if maps else {}
    return {"filters": filters(arrays["filters"]), **pictures} if "filters" in arrays else pictures


def _of_layers(trace: dict[str, list[float]]) -> dict[str, Picture]:
    """Show the relaxation of each layer, if a trace has several."""
    changes = {f"layer {name[7:]}": values for name, values in trace.items() if name.startswith("change_")}
    return {"relaxation-of-layers": layer_relaxation(changes)} if len(changes) > 1 else {}


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
    return _judged([epoch.metrics for epoch in opened.history(key)])


def _judged(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in history if not _CURVES.isdisjoint(record)]


def show_relaxation(opened: OpenedRun) -> Contents:
    """Show a grid of relaxations, with the traces of the first trial at some points where trajectories were kept."""
    view = show_grid(opened)
    labels = point_labels(opened.axes)
    traces: dict[str, dict[str, list[float]]] = {}
    for position in range(0, len(labels), max(1, len(labels) // MOST_TRACES)):
        trace = read_trace(opened.run, str(position * opened.seeds))
        if trace and len(traces) < MOST_TRACES:
            traces[labels[position] or "trial 0"] = trace
    if not traces:
        return view
    layers = _of_layers(next(iter(traces.values())))
    return Contents(view.tables, {**view.pictures, "relaxation": relaxation(traces), **layers})


def show_compare(opened: OpenedRun) -> Contents:
    """Show rules side by side, as far as they are."""
    rules = [str(rule) for (rule,) in opened.axes[0].values] if opened.axes else []
    seeds = range(opened.first_seed, opened.first_seed + opened.seeds)
    found = settled(read_paired(opened.journal, rules, seeds, opened.history))
    records = summarise(found.metrics, found.errors)
    histories = {rule: [_judged(history) for history in each] for rule, each in found.histories.items()}
    begun = any(any(each) for each in histories.values())
    pictures = {"learning-curves": learning_curves(histories), "time-and-error": time_and_error(histories)} if begun else {}
    pictures |= _angles(histories)
    if not records:
        return Contents([], pictures)
    efforts = {"CPU time (µs/sample)": ("cpu_seconds_per_sample", 1e6), "sweeps per sample": ("sweeps_per_sample", 1.0)}
    error = error_among((name for record in records.values() for name in record), "test")
    done = {rule: record for rule, record in records.items() if record[f"test_{error.name}"]}
    fronts = {
        title: {rule: (factor * record[name], error.factor * record[f"test_{error.name}"]["mean"]) for rule, record in done.items()}
        for title, (name, factor) in efforts.items()
    }
    compared = {"comparison": comparison(records)}
    shown = {**pictures, **compared} if opened.running else {**compared, **pictures}  # what moves comes first
    return Contents([ReportTable("Side by side", *table(records))], {**shown, "pareto": pareto(fronts, f"test {error.heading}")})


def show_gradients(opened: OpenedRun) -> Contents:
    """Show every rule's gradient beside the exact or another one, and how the free phase relaxed; of a grid, those of its first trial.

    In place of the grid's own table a grid of costs shows the cosines of every cost, and one of another setting its summary.
    """
    costs = [axis.keys for axis in opened.axes] == [("cost",)]
    varied = opened.command == "gradients" and not costs and bool(opened.axes or opened.seeds > 1)
    view = _varied(opened) if varied else show_grid(opened) if opened.axes and not costs else Contents([], {})
    found = {trial.key: trial.metrics for trial in opened.journal.trials("done") if trial.metrics} if costs else {}
    first = next(opened.journal.trials("done"), None)
    if first is None or first.metrics is None:
        return view
    rules = {rule: record for rule, record in first.metrics["rules"].items() if "error" not in record}
    trace = read_trace(opened.run, first.key)
    against = first.metrics["options"].get("against")
    reference = f"gradient of {against}" if against else "exact gradient"
    noisy = {rule: record["noise"] for rule, record in rules.items() if record.get("noise")}
    timed = next((record["trace"] for record in rules.values() if record.get("trace")), None)
    pictures = {
        "alignment": gradient_alignment(rules, reference),
        **({"synaptic-trace": synaptic_trace(timed)} if timed else {}),
        **({"reading-noise": reading_noise(noisy)} if noisy else {}),
        **({"relaxation": relaxation({"free phase": trace}), **_of_layers(trace)} if trace else {}),
    }
    where = f" in trial {first.key}" if opened.axes or varied else ""
    if varied:
        return Contents(
            [*view.tables, ReportTable(f"Distance from the {reference}{where}", *table_of_gradients(first.metrics))],
            {**view.pictures, **pictures},
        )
    tables = [ReportTable(f"Distance from the {reference}{where}", *table_of_gradients(first.metrics)), *view.tables]
    if costs:
        tables.insert(0, ReportTable("Cosines to the exact gradient, by cost", *table_of_objectives(found)))
    return Contents(tables, {**pictures, **view.pictures})


def _varied(opened: OpenedRun) -> Contents:
    """Show the cosine and the error of every rule against the varied setting, over all seeds."""
    name = flag_name(opened.axes[0].keys[0])[2:] if opened.axes else SEEDS
    result = summary(name, values_of(opened.axes), found_of(opened.journal.trials("done"), opened.axes), opened.seeds)
    table = ReportTable(f"Cosine and relative error by {name}", (name, *HEADER), rows_of(result))
    drawn = {"varied": varied_gradients(name, result["values"], result["rules"])} if opened.axes and result["rules"] else {}
    return Contents([table], drawn)


def show_tune(opened: OpenedRun) -> Contents:
    """Show the error of every candidate and what was chosen; of a grid, those of its first trial."""
    view = show_grid(opened) if opened.axes else Contents([], {})
    found = next(opened.journal.trials("done"), None)
    if found is None or found.metrics is None:
        return view
    header, rows = table_of_candidates(found.metrics)
    return Contents(
        [ReportTable("Candidates", header, rows, "; ".join(found.metrics["reasons"])), *view.tables],
        {"errors": tuning(found.metrics), **view.pictures},
    )
