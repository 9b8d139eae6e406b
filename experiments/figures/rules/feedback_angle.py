"""Angle between feedback and forward weights against the epoch."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key
from experiments.figures.style import Picture, Row, draw, looks, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def feedback_angle(histories: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]) -> Picture:
    """Show the mean angle over the layers after every epoch: the median over seeds, in a band from least to most.

    Feedback alignment shows as a fall from the initial angle; at 0 feedback is the transpose.

    Parameters
    ----------
    histories : mapping of str to sequence of histories
        For each rule one history per seed, a sequence of epoch records with ``epoch`` and ``angle`` in degrees. Records without an angle
        are left out, and so are rules without any.

    Returns
    -------
    Picture
        Figure whose data hold epochs, median, least and largest angle of each rule.
    """
    rules = {name: found for name, seeds in histories.items() if (found := _by_epoch(seeds))["epochs"]}
    rows: list[Row] = [
        {"rule": name, "epoch": epoch, **{f"angle_degrees_{key}": rule[key][index] for key in ("median", "least", "most")}}
        for name, rule in rules.items()
        for index, epoch in enumerate(rule["epochs"])
    ]
    return draw(_paint, {"rules": rules}, 6.4, 3.2, rows)


def _by_epoch(seeds: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, list[float]]:
    at: dict[float, list[float]] = {}
    for record in (record for history in seeds for record in history):
        epoch, angle = number(record.get("epoch")), number(record.get("angle"))
        if epoch is not None and angle is not None:
            at.setdefault(epoch, []).append(angle)
    epochs = sorted(at)
    columns = [at[epoch] for epoch in epochs]
    return {
        "epochs": epochs,
        "median": [statistics.median(column) for column in columns],
        "least": [min(column) for column in columns],
        "most": [max(column) for column in columns],
    }


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    from matplotlib.ticker import MaxNLocator, MultipleLocator

    axes, look_of = figure.subplots(), looks(list(data["rules"]))
    for index, (name, rule) in enumerate(data["rules"].items()):
        axes.plot(rule["epochs"], rule["median"], **look_of[name], marker="o", markersize=2.5, gid=f"angle-{index}")
        band: dict[str, Any] = {"color": look_of[name]["color"], "alpha": 0.2, "linewidth": 0}
        axes.fill_between(rule["epochs"], rule["least"], rule["most"], **band, gid=f"angle-band-{index}")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MultipleLocator(30))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.set(title="Angle between feedback and forward weights (degrees)", xlabel="epoch")
    add_key(figure, list(look_of.items()))
