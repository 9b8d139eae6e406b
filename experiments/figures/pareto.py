"""Pareto fronts of two costs: the points that no other point beats, and the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import scale
from experiments.figures.style import COLOURS, FAINT, INK, Picture, draw, number, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMED = 14
"""Largest number of points of a front whose names are written."""
_MOST = 300
"""Largest number of points off the front that are drawn, evenly chosen."""


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Find the points that no other point beats.

    Parameters
    ----------
    points : sequence of (float, float)
        Two costs of each point.

    Returns
    -------
    list of int
        Positions of these points, by rising first cost. One point beats another if it is no worse in both costs and better in one.
    """
    found: list[int] = []
    for index in sorted(range(len(points)), key=lambda index: points[index]):
        if not found or points[index][1] < points[found[-1]][1] or points[index] == points[found[-1]]:
            found.append(index)
    return found


def pareto(panels: Mapping[str, Mapping[str, tuple[float | None, float | None]]], cost: str) -> Picture:
    """Show two costs against each other, with the Pareto front as a line.

    Parameters
    ----------
    panels : mapping of str to mapping
        For each horizontal cost, pairs of that cost and the vertical one, by the name of the point. Smaller is better in both.
    cost : str
        Name of the vertical cost.

    Returns
    -------
    Picture
        Figure whose data hold names and both costs of the drawn points, those of the front apart.
    """
    data = {"cost": cost, "panels": {name: _record(points) for name, points in panels.items()}}
    return draw(_paint, data, 1.0 + 4.2 * max(len(panels), 1), 3.4)


def _record(points: Mapping[str, tuple[float | None, float | None]]) -> dict[str, Any]:
    pairs = [(name, number(x), number(y)) for name, (x, y) in points.items()]
    kept = [(name, x, y) for name, x, y in pairs if x is not None and y is not None]
    best = front([(x, y) for _, x, y in kept])
    others = [index for index in range(len(kept)) if index not in set(best)]
    others = others[:: -(-len(others) // _MOST) or 1]
    return {
        "front": [{"name": kept[index][0], "x": kept[index][1], "y": kept[index][2]} for index in best],
        "others": [{"name": kept[index][0], "x": kept[index][1], "y": kept[index][2]} for index in others],
    }


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    panels = figure.subplots(1, max(len(data["panels"]), 1), squeeze=False, sharey=True)[0]
    for index, (axes, (name, panel)) in enumerate(zip(panels, data["panels"].items(), strict=False)):
        _paint_panel(axes, panel, index)
        axes.set(xlabel=shown(name, 48))
    panels[0].set(ylabel=shown(data["cost"], 48))
    figure.suptitle("Pareto front (line) and the other points", x=0.01, ha="left", fontsize=9.5)


def _paint_panel(axes: Axes, panel: Mapping[str, Any], index: int) -> None:
    best, others = panel["front"], panel["others"]
    dots: dict[str, Any] = {"linestyle": "none", "marker": "o"}
    axes.plot([p["x"] for p in others], [p["y"] for p in others], **dots, color=FAINT, markersize=3.2, gid=f"others-{index}")
    axes.plot([p["x"] for p in best], [p["y"] for p in best], color=COLOURS[0], marker="o", drawstyle="steps-post", gid=f"front-{index}")
    for along in ("x", "y"):
        scale(axes, [p[along] for p in (*best, *others)], along=along, ratio=8.0)
    named = [(point, INK) for point in best] + [(point, FAINT) for point in others]
    if len(named) <= _NAMED:
        for point, colour in named:
            place: dict[str, Any] = {"xytext": (4, 3), "textcoords": "offset points", "fontsize": 7, "color": colour}
            axes.annotate(shown(point["name"], 22), (point["x"], point["y"]), **place)
