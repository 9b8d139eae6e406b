"""Contents of the report about a Boltzmann machine: tables, likelihood over training, mixing, samples and filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.boltzmann.boltzmann import tables
from experiments.boltzmann.modes import tables as modes_tables
from experiments.figures.machines.divergence import divergence_picture
from experiments.figures.machines.likelihood import likelihood_picture, mixing_picture
from experiments.figures.machines.tiles import tiles_picture
from experiments.report.contents import Contents
from experiments.report.grid_view import show_grid
from experiments.report.run_reader import OpenedRun
from experiments.runs.arrays import read_arrays

if TYPE_CHECKING:
    from experiments.figures.style import Picture

_SIDES = {"mnist": 28, "fashion-mnist": 28, "kmnist": 28, "digits": 8, "digits-shuffled": 8, "bars-and-stripes": 4}
"""Pixels along a side of the pictures of a data set of one channel; rows of other data are shown as they are."""


def show_boltzmann(opened: OpenedRun) -> Contents:
    """Show the machine of a run, or of the first trial of a grid, with the epochs of a trial that still runs."""
    view = show_grid(opened) if opened.axes else Contents([], {})
    key = "0" if opened.axes else opened.experiment
    history = [epoch.metrics for epoch in opened.history(key)]
    pictures: dict[str, Picture] = {}
    if any("test_log_likelihood" in record for record in history):
        pictures["likelihood"] = likelihood_picture(history)
    found = next((trial for trial in opened.journal.trials("done") if trial.key == key), None)
    if found is None or found.metrics is None:
        return Contents(view.tables, {**pictures, **view.pictures})
    if found.metrics["autocorrelation"]:
        pictures["mixing"] = mixing_picture(found.metrics["autocorrelation"], found.metrics["autocorrelation_time"])
    settings: dict[str, Any] = {**opened.facts["settings"], **found.options}
    side = _SIDES.get(settings["data"], 0)
    for name, values in sorted(read_arrays(opened.run, key).items()):
        if name in ("samples", "filters") and values.ndim == 2:
            pictures[name] = tiles_picture(values.tolist(), side if side * side == values.shape[1] else 0, name)
    return Contents([*tables(found.metrics), *view.tables], {**pictures, **view.pictures})


def show_modes(opened: OpenedRun) -> Contents:
    """Show cosines and likelihoods of a machine of two modes; of a grid, those of its first trial."""
    view = show_grid(opened) if opened.axes else Contents([], {})
    found = next(opened.journal.trials("done"), None)
    if found is None or found.metrics is None:
        return view
    pictures = {"divergence": divergence_picture(found.metrics["divergence"]), **view.pictures}
    return Contents([*modes_tables(found.metrics), *view.tables], pictures)
