"""Contents of reports about multitasking networks: recall, the phase diagram and learning from examples."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from experiments.commandline.options import Layer, resolve_layers
from experiments.figures.hopfield.basins import basins_picture
from experiments.figures.hopfield.capacity import capacity_picture
from experiments.figures.hopfield.learning_from_examples import learning_picture, threshold_picture
from experiments.figures.hopfield.phases import dilution_picture, phase_picture, recall_picture
from experiments.figures.writing import Picture
from experiments.hopfield.basins import tables as tables_of_basins
from experiments.hopfield.capacity import CapacityOptions, analyse
from experiments.hopfield.capacity import tables as tables_of_capacity
from experiments.hopfield.ground_states import ground_line
from experiments.hopfield.learn import cell_of as lesson_of
from experiments.hopfield.learn import crossings
from experiments.hopfield.learn import tables as tables_of_learn
from experiments.hopfield.phase import boundaries
from experiments.hopfield.phase import cell_of as phase_of
from experiments.hopfield.phase import tables as tables_of_phase
from experiments.hopfield.recall import tables as tables_of_recall
from experiments.report.contents import Contents
from experiments.report.grid_view import show_grid
from experiments.report.run_reader import OpenedRun
from experiments.runs.records import Trial

MOST_CELLS = 2500
"""Points of a diagram that are drawn one by one."""


def show_recall(opened: OpenedRun) -> Contents:
    """Show the retrieval of the first network: overlaps in time against the predicted flow."""
    view = show_grid(opened) if opened.axes else Contents([], {})
    found = next(opened.journal.trials("done"), None)
    if found is None or not found.metrics or "flow" not in found.metrics:
        return view
    return Contents([*tables_of_recall(found.metrics), *view.tables], {"recall": recall_picture(found.metrics), **view.pictures})


def show_phase(opened: OpenedRun) -> Contents:
    """Show a diagram per number of patterns, with the lines of the theory; failed points are hatched."""
    if not {"dilution", "ratio"} <= _keys(opened) or opened.total > MOST_CELLS:
        return show_grid(opened)
    cells: dict[int, list[dict[str, Any]]] = {}
    network = ""
    for options, trial in _settled(opened):
        cells.setdefault(options["patterns"], []).append(phase_of(options["dilution"], options["ratio"], trial.metrics))
        sampled = "" if options.get("theory_only") else f", {options['chains']} chains of {options['sweeps']} sweeps"
        network = f"N = {options['size']} spins{sampled}"
    pictures: dict[str, Picture] = {}
    for count, found in sorted(cells.items()):
        named = f"K = {count} patterns, {network}"
        pictures[f"phase-{count}"] = phase_picture(found, boundaries(count, tuple(cell["dilution"] for cell in found)), named)
        ordered = [cell for cell in found if cell.get("monte_carlo")]
        if ordered:
            places = [cell["dilution"] for cell in ordered]
            line = partial(ground_line, count, min(places), max(places))
            pictures[f"dilution-{count}"] = dilution_picture(ordered, line, named)
    return Contents(tables_of_phase(cells) if cells else [], pictures)


def show_learn(opened: OpenedRun) -> Contents:
    """Show overlaps against the number of examples, with the threshold of the theory."""
    from hebbian.theory.thresholds import hierarchical_threshold_examples

    if not {"quality", "examples"} <= _keys(opened) or opened.total > MOST_CELLS:
        return show_grid(opened)
    cells, thresholds, largest = [], {}, 1.0
    for options, trial in _settled(opened):
        cells.append(lesson_of(options["quality"], options["examples"], trial.metrics))
        dilution = 0.0 if options.get("images") else options["dilution"]
        threshold = hierarchical_threshold_examples(options["patterns"], dilution, options["quality"])
        thresholds[str(options["quality"])] = threshold
        largest = 1 - dilution
    if not cells:
        return Contents([], {})
    measured = crossings(cells, [float(quality) for quality in thresholds], largest)
    pictures = {"learning": learning_picture(cells, thresholds), "thresholds": threshold_picture(thresholds, measured)}
    return Contents(tables_of_learn(cells, thresholds, measured), pictures)


def show_basins(opened: OpenedRun) -> Contents:
    """Show how often states are retrieved against the quality of the cue, as far as points are done."""
    view = show_grid(opened)
    if not {"target", "quality"} <= _keys(opened) or opened.total > MOST_CELLS:
        return view
    cells = [
        {"target": options["target"], "quality": options["quality"], **trial.metrics}
        for options, trial in _settled(opened)
        if trial.metrics
    ]
    return Contents([*(tables_of_basins(cells) if cells else []), *view.tables], {"basins": basins_picture(cells)} if cells else {})


def show_capacity(opened: OpenedRun) -> Contents:
    """Show the finite-size scaling of a complete run of ``eqlab capacity``, or else the grid."""
    view = show_grid(opened)
    if opened.command != "capacity" or opened.counts["done"] < opened.total:
        return view
    options = resolve_layers(CapacityOptions, [Layer("{key} (in config.toml)", opened.run.read_config())])
    cells = [{"size": settings["size"], **(trial.metrics or {})} for settings, trial in _settled(opened)]
    result = analyse(cells, options)
    return Contents([*tables_of_capacity(result), *view.tables], {"capacity": capacity_picture(result), **view.pictures})


def _keys(opened: OpenedRun) -> set[str]:
    return {key for axis in opened.axes for key in axis.keys}


def _settled(opened: OpenedRun) -> list[tuple[Mapping[str, Any], Trial]]:
    """Pair the trials that are done or failed with their whole settings."""
    shared: Mapping[str, Any] = opened.facts["settings"]
    return [({**shared, **trial.options}, trial) for trial in opened.journal.trials() if trial.status in ("done", "failed")]
