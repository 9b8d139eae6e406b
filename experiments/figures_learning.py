"""Learning curves: how the error falls with the epochs, and what a sample costs meanwhile."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures_style import Picture, add_key, draw, gaps, look, number, present, scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_METRICS = ("validation_error", "sweeps_per_sample")


def learning_curves(histories: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]) -> Picture:
    """Show validation error and sweeps per sample against the epoch: the median over seeds, in a band from least to most.

    Parameters
    ----------
    histories : mapping of str to sequence of histories
        For each rule one history per seed; a history is a sequence of epoch records with ``epoch``, ``validation_error`` in
        [0, 1] and ``sweeps_per_sample``, of which any may be missing or None. Rules without records stay in the legend.

    Returns
    -------
    Picture
        Its data hold, per rule, the epochs and, per panel, the median, least and most over the seeds that have that epoch.
    """
    data = {"rules": {rule: _summary(seeds) for rule, seeds in histories.items()}}
    return draw(_paint, data, 9.0, max(3.2, 1.0 + 0.2 * len(histories)))


def _summary(seeds: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    records = [record for history in seeds for record in history if number(record.get("epoch")) is not None]
    epochs = sorted({int(record["epoch"]) for record in records})
    summary: dict[str, Any] = {"num_seeds": len(seeds), "epochs": epochs}
    for metric in _METRICS:
        columns = [present(number(record.get(metric)) for record in records if int(record["epoch"]) == epoch) for epoch in epochs]
        summary[metric] = {
            "median": [statistics.median(column) if column else None for column in columns],
            "least": [min(column, default=None) for column in columns],
            "most": [max(column, default=None) for column in columns],
        }
    return summary


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    errors, sweeps = figure.subplots(1, 2)
    _panel(errors, data["rules"], "validation_error", 100.0)
    _panel(sweeps, data["rules"], "sweeps_per_sample", 1.0)
    errors.set(title="Validation error (%)", xlabel="epoch")
    sweeps.set(title="Sweeps per sample, all phases", xlabel="epoch")
    add_key(figure, list(data["rules"]))


def _panel(axes: Axes, rules: Mapping[str, Any], metric: str, factor: float) -> None:
    from matplotlib.ticker import MaxNLocator

    for index, rule in enumerate(rules.values()):
        epochs, curve = rule["epochs"], rule[metric]
        marker = {"marker": "o", "markersize": 2.5} if len(epochs) <= 3 else {}
        axes.plot(epochs, gaps(curve["median"], factor), **look(index), **marker, gid=f"{metric}-{index}")
        if rule["num_seeds"] > 1:
            low, high = gaps(curve["least"], factor), gaps(curve["most"], factor)
            axes.fill_between(epochs, low, high, color=look(index)["color"], alpha=0.14, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    scale(axes, [factor * value for rule in rules.values() for key in ("least", "most") for value in present(rule[metric][key])])
