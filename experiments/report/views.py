"""Choice of what a report shows: by the command of the run, else by its experiment, else by its grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from contrastive_core.registry import Table
from experiments.report.contents import Contents
from experiments.report.grid_view import show_grid
from experiments.report.run_reader import OpenedRun

VIEWS: Table[Callable[[OpenedRun], Contents]] = Table(
    "view",
    {
        "basins": "experiments.hopfield.view:show_basins",
        "capacity": "experiments.hopfield.view:show_capacity",
        "compare": "experiments.learning.view:show_compare",
        "contrast": "experiments.representations.view:show_contrast",
        "gradients": "experiments.learning.view:show_gradients",
        "hardware": "experiments.hardware.view:show_hardware",
        "ising": "experiments.hardware.view:show_ising",
        "learn": "experiments.hopfield.view:show_learn",
        "match": "experiments.representations.view:show_match",
        "phase": "experiments.hopfield.view:show_phase",
        "recall": "experiments.hopfield.view:show_recall",
        "relaxation": "experiments.learning.view:show_relaxation",
        "spice": "experiments.hardware.view:show_spice",
        "train": "experiments.learning.view:show_train",
        "tune": "experiments.learning.view:show_tune",
    },
)
"""Commands and experiments that show more than their grid."""


def show(opened: OpenedRun, fronts: Sequence[str] = ()) -> Contents:
    """Show a run.

    Parameters
    ----------
    opened : OpenedRun
        The run.
    fronts : sequence of str
        Two metrics of a Pareto front; empty for the default ones.

    Returns
    -------
    Contents
        Tables and figures of the run.
    """
    names = [name for name in (opened.command, opened.experiment) if name in VIEWS]
    view = VIEWS[names[0]](opened) if names else show_grid(opened) if opened.axes else Contents([], {})
    if fronts:
        front = show_grid(opened, fronts).pictures.get("pareto")
        view = Contents(view.tables, {**view.pictures, **({"pareto": front} if front else {})})
    return view
