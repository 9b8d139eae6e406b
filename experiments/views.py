"""Which view a run is shown by: by its command, else by what its trials are, else by its grid alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from contrastive_core.table import Table
from experiments.evidence import Evidence
from experiments.views_grid import View, show_grid

VIEWS: Table[Callable[[Evidence], View]] = Table(
    "view",
    {
        "compare": "experiments.views_learning:show_compare",
        "contrast": "experiments.views_contrast:show_contrast",
        "gradients": "experiments.views_learning:show_gradients",
        "learn": "experiments.views_spins:show_learn",
        "phase": "experiments.views_spins:show_phase",
        "recall": "experiments.views_spins:show_recall",
        "relaxation": "experiments.views_learning:show_relaxation",
        "train": "experiments.views_learning:show_train",
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
