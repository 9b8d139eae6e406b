"""The figure of basins of attraction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key
from experiments.figures.style import COLOURS, MARKERS, Picture, Row, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def basins_picture(cells: Sequence[Mapping[str, Any]]) -> Picture:
    """Show the share of networks that retrieve, and the final overlap, against the overlap of the start.

    Parameters
    ----------
    cells : sequence of mapping
        Each with ``target``, ``initial_overlap``, ``final_overlap``, ``success`` and ``interval``.

    Returns
    -------
    Picture
        Figure whose data are the argument.
    """
    data = {"cells": [dict(cell) for cell in cells]}
    return draw(_paint, data, 9.6, 3.2, [_row(cell) for cell in data["cells"]])


def _row(cell: Mapping[str, Any]) -> Row:
    return {
        "target": cell["target"],
        "initial_overlap": cell["initial_overlap"],
        "share_retrieved": cell["success"],
        "share_retrieved_low": cell["interval"][0],
        "share_retrieved_high": cell["interval"][1],
        "final_overlap": cell["final_overlap"],
    }


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    chances, ends = figure.subplots(1, 2)
    targets = list(dict.fromkeys(cell["target"] for cell in data["cells"]))
    looks = [{"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)], "markersize": 4} for i in range(len(targets))]
    for target, look in zip(targets, looks, strict=True):
        cells = sorted((c for c in data["cells"] if c["target"] == target), key=lambda c: float(c["initial_overlap"]))
        places = [c["initial_overlap"] for c in cells]
        below = [max(c["success"] - c["interval"][0], 0.0) for c in cells]
        above = [max(c["interval"][1] - c["success"], 0.0) for c in cells]
        chances.errorbar(places, [c["success"] for c in cells], yerr=[below, above], linewidth=1, **look)
        ends.plot(places, [c["final_overlap"] for c in cells], linewidth=1, **look)
    chances.set(title="Share that retrieves, 95 % intervals", xlabel="overlap of the start with pattern 1")
    ends.set(title="Mean final overlap with pattern 1", xlabel="overlap of the start with pattern 1")
    add_key(figure, list(zip(targets, looks, strict=True)), longest=36)
