"""How runs of multitasking networks are shown: recall, the phase diagram and learning from examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.figures.learning_from_examples import learning_picture
from experiments.figures.phases import dilution_picture, phase_picture, recall_picture
from experiments.figures.writing import Picture
from experiments.hopfield.learn import cell_of as lesson_of
from experiments.hopfield.phase import boundaries
from experiments.hopfield.phase import cell_of as phase_of
from experiments.report.grid_view import View, show_grid
from experiments.report.run_reader import Evidence
from experiments.runs.records import Trial

MOST_CELLS = 2500
"""Points of a diagram that are drawn one by one."""


def show_recall(evidence: Evidence) -> View:
    """Show the retrieval of the first network: overlaps in time against the predicted flow."""
    view = show_grid(evidence) if evidence.axes else View([], {})
    found = next(evidence.journal.trials("done"), None)
    if found is None or not found.metrics or "flow" not in found.metrics:
        return view
    return View(view.tables, {"recall": recall_picture(found.metrics), **view.pictures})


def show_phase(evidence: Evidence) -> View:
    """Show a diagram per number of patterns, with the lines of the theory; failed points are hatched."""
    if not {"dilution", "ratio"} <= _keys(evidence) or evidence.total > MOST_CELLS:
        return show_grid(evidence)
    cells: dict[int, list[dict[str, Any]]] = {}
    for options, trial in _settled(evidence):
        cells.setdefault(options["patterns"], []).append(phase_of(options["dilution"], options["ratio"], trial.metrics))
    pictures: dict[str, Picture] = {}
    for count, found in sorted(cells.items()):
        pictures[f"phase-{count}"] = phase_picture(found, boundaries(count, tuple(cell["dilution"] for cell in found)))
        ordered = [cell for cell in found if cell.get("monte_carlo")]
        if ordered:
            pictures[f"dilution-{count}"] = dilution_picture(ordered)
    return View([], pictures)


def show_learn(evidence: Evidence) -> View:
    """Show overlaps against the number of examples, with the threshold of the theory."""
    from hebbian.theory.thresholds import hierarchical_threshold_examples

    if not {"quality", "examples"} <= _keys(evidence) or evidence.total > MOST_CELLS:
        return show_grid(evidence)
    cells, thresholds = [], {}
    for options, trial in _settled(evidence):
        cells.append(lesson_of(options["quality"], options["examples"], trial.metrics))
        dilution = 0.0 if options.get("images") else options["dilution"]
        threshold = hierarchical_threshold_examples(options["patterns"], dilution, options["quality"])
        thresholds[str(options["quality"])] = threshold
    return View([], {"learning": learning_picture(cells, thresholds)} if cells else {})


def _keys(evidence: Evidence) -> set[str]:
    return {key for axis in evidence.axes for key in axis.keys}


def _settled(evidence: Evidence) -> list[tuple[Mapping[str, Any], Trial]]:
    """Pair the trials that are done or failed with their whole settings."""
    shared: Mapping[str, Any] = evidence.facts["settings"]
    return [({**shared, **trial.options}, trial) for trial in evidence.journal.trials() if trial.status in ("done", "failed")]
