"""Which view a run is shown by: by its command, else by what its trials are, else by its grid alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from contrastive_core.registry import Table
from experiments.report.grid_view import View, show_grid
from experiments.report.run_reader import Evidence

VIEWS: Table[Callable[[Evidence], View]] = Table(
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


def show(evidence: Evidence, fronts: Sequence[str] = ()) -> View:
    """Show a run.

    Parameters
    ----------
    evidence : Evidence
        The run.
    fronts : sequence of str
        Two metrics to set against each other, or none for what is customary.

    Returns
    -------
    View
        Tables and figures.
    """
    names = [name for name in (evidence.command, evidence.experiment) if name in VIEWS]
    view = VIEWS[names[0]](evidence) if names else show_grid(evidence) if evidence.axes else View([], {})
    if fronts:
        front = show_grid(evidence, fronts).pictures.get("pareto")
        view = View(view.tables, {**view.pictures, **({"pareto": front} if front else {})})
    return view
