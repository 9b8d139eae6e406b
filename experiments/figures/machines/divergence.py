"""Cosine of expected contrastive divergence to the gradient against the number of sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key, scale
from experiments.figures.style import COLOURS, Picture, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def divergence_picture(rows: Sequence[Mapping[str, Any]]) -> Picture:
    """Show a line per coupling.

    Parameters
    ----------
    rows : sequence of mapping
        Records with ``coupling``, ``eigenvalue`` and ``cosines`` by the number of sweeps.

    Returns
    -------
    Picture
        Figure whose data are a row per coupling and number of sweeps.
    """
    lines = [
        {**row, "cosines": sorted(((int(k), value) for k, value in row["cosines"].items()), key=lambda point: point[0])} for row in rows
    ]
    table = [
        {"coupling": line["coupling"], "second_eigenvalue": line["eigenvalue"], "sweeps": k, "cosine": cosine}
        for line in lines
        for k, cosine in line["cosines"]
    ]
    return draw(_paint, {"lines": lines}, 5.6, 3.2, table)


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    axes, keys = figure.subplots(), []
    for index, line in enumerate(data["lines"]):
        look: dict[str, Any] = {"color": COLOURS[index % len(COLOURS)], "marker": "o", "markersize": 3}
        axes.plot(*zip(*line["cosines"], strict=True), **look)
        keys.append((f"coupling {line['coupling']:g}, second eigenvalue {line['eigenvalue']:.4f}", look))
    scale(axes, [k for line in data["lines"] for k, _ in line["cosines"]], along="x", ratio=1.0)
    axes.set(title="Bias of contrastive divergence", xlabel="sweeps k", ylabel="cosine to the gradient")
    add_key(figure, keys)
