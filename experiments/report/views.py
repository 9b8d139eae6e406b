"""Which view a run is shown by: by its command, else by what its trials are, else by its grid alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from contrastive_core.registry import Table
from experiments.report.contents import Contents
from experiments.report.grid_view import show_grid
from experiments.report.run_reader import OpenedRun

VIEWS: Table[Callable[[OpenedRun], Contents]] = Table(
    "view",
    {
        "compare": "experiments.learning.view:show_compare",
        "contrast": "experiments.representations.view:show_contrast",
        "gradients": "experiments.learning.view:show_gradients",
        "learn": "experiments.hopfield.view:show_learn",
        "phase": "experiments.hopfield.view:show_phase",
        "recall": "experiments.hopfield.view:show_recall",
        "relaxation": "experiments.learning.view:show_relaxation",
        "train": "experiments.learning.view:show_train",
    },
)
"""Of commands and experiments that have more to show than any grid has."""


def show(opened: OpenedRun, fronts: Sequence[str] = ()) -> Contents:
    """Show a run.

    Parameters
    ----------
    opened : OpenedRun
        The run.
    fronts : sequence of str
        Two metrics to set against each other, or none for what is customary.

    Returns
    -------
    Contents
        Tables and figures.
    """
    names = [name for name in (opened.command, opened.experiment) if name in VIEWS]
    view = VIEWS[names[0]](opened) if names else show_grid(opened) if opened.axes else Contents([], {})
    if fronts:
        front = show_grid(opened, fronts).pictures.get("pareto")
        view = Contents(view.tables, {**view.pictures, **({"pareto": front} if front else {})})
    return view
