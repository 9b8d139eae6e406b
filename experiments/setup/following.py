"""Tolerances that followed the noise of mini-batches: metrics, table rows and the sentence of an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.commandline.output import cell
from experiments.report.contents import ReportTable
from experiments.runs.forms import NUMBER, mapping_of, missing_or
from experiments.trials.experiment import Metric

FOLLOWED = {
    "following": Metric(
        "tolerances of the last epoch, noise of a mini-batch's gradient, error as a share of it in the last estimate and in the worst "
        "epoch, and gradient evaluations of all estimates; missing where tolerances are fixed",
        form=missing_or(mapping_of(NUMBER)),
    )
}
"""The metric of ``followed``."""

_KEPT = ("tolerance", "nudged_tolerance", "gradient_noise", "error_share", "reference_unconverged", "evaluations")
_HEADER = ("epoch", "tolerance", "nudged tolerance", "noise of the gradient", "error / noise", "evaluations")


def followed(history: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return the metric of ``FOLLOWED`` from the records of epochs; empty where tolerances are fixed."""
    if not history or "error_share" not in history[-1]:
        return {}
    last = {name: history[-1][name] for name in _KEPT}
    return {"following": {**last, "error_share_worst": max(record["error_share"] for record in history)}}


def rows(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return rows for the table of a training; none where tolerances are fixed."""
    found = metrics.get("following")
    if not found:
        return []
    share, worst = cell(found["error_share"], ".2g"), cell(found["error_share_worst"], ".2g")
    return [
        ("tolerances at the end", f"{found['tolerance']:.2g} free, {found['nudged_tolerance']:.2g} nudged"),
        ("error / noise", f"{share}, worst epoch {worst}"),
    ]


def sentence(record: Mapping[str, float]) -> str:
    """Return the end of an epoch's line; empty where tolerances are fixed."""
    if "error_share" not in record:
        return ""
    tolerances = f"tolerances {record['tolerance']:.2g} and {record['nudged_tolerance']:.2g}"
    return f", {tolerances} with an error of {record['error_share']:.2g} of the noise"


def table_of(history: Sequence[Mapping[str, Any]]) -> list[ReportTable]:
    """Return a table of the epochs for a report; none where tolerances are fixed."""
    found = [record for record in history if "error_share" in record]
    if not found:
        return []
    lines = [
        (
            f"{record['epoch']:.0f}",
            *(f"{record[name]:.2g}" for name in ("tolerance", "nudged_tolerance", "gradient_noise", "error_share")),
            f"{record['evaluations']:.0f}",
        )
        for record in found
    ]
    return [ReportTable("Tolerances that follow the noise", _HEADER, lines)]
