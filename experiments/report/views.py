"""Choice of what a report shows: by the command of the run, else by its experiment, else by its grid."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence

from contrastive_core.errors import EqlabError
from contrastive_core.registry import Table
from experiments.report.contents import Contents, ReportTable
from experiments.report.grid_view import show_grid
from experiments.report.run_reader import OpenedRun

VIEWS: Table[Callable[[OpenedRun], Contents]] = Table(
    "view",
    {
        "basins": "experiments.hopfield.view:show_basins",
        "bench-memory": "experiments.benchmarks.view:show_bench_memory",
        "bench-train": "experiments.benchmarks.view:show_bench_train",
        "boltzmann": "experiments.boltzmann.view:show_boltzmann",
        "capacity": "experiments.hopfield.view:show_capacity",
        "compare": "experiments.learning.view:show_compare",
        "contrast": "experiments.representations.view:show_contrast",
        "device-fit": "experiments.hardware.view:show_fit",
        "device-import": "experiments.hardware.view:show_import",
        "device-show": "experiments.hardware.view:show_response",
        "fit": "experiments.learning.view:show_fit",
        "gradients": "experiments.learning.view:show_gradients",
        "hardware": "experiments.hardware.view:show_hardware",
        "ising": "experiments.hardware.view:show_ising",
        "joint": "experiments.joint.view:show_joint",
        "learn": "experiments.hopfield.view:show_learn",
        "match": "experiments.representations.view:show_match",
        "modes": "experiments.boltzmann.view:show_modes",
        "phase": "experiments.hopfield.view:show_phase",
        "recall": "experiments.hopfield.view:show_recall",
        "relaxation": "experiments.learning.view:show_relaxation",
        "spice": "experiments.hardware.view:show_spice",
        "thermal": "experiments.thermal.view:show_thermal",
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
    view = _special(opened, names[0]) if names else _plain(opened)
    if fronts:
        front = show_grid(opened, fronts).pictures.get("pareto")
        view = Contents(view.tables, {**view.pictures, **({"pareto": front} if front else {})})
    return view


def _plain(opened: OpenedRun) -> Contents:
    return show_grid(opened) if opened.axes else Contents([], {})


def _special(opened: OpenedRun, name: str) -> Contents:
    """Return the view of a command, or the plain one and a table that says why, if the records are not those of the command."""
    try:
        return VIEWS[name](opened)
    except (sqlite3.Error, json.JSONDecodeError):  # a damaged journal, about which the caller says a sentence
        raise
    except (EqlabError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Records of another version, or edited ones, may lack anything; the page about them shows what they have.
        reason = str(error) if isinstance(error, EqlabError) else f"{type(error).__name__}: {error}"
        plain = _plain(opened)
        return Contents([ReportTable("Left out", ("view", "reason"), [(name, reason)]), *plain.tables], plain.pictures)
