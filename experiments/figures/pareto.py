"""Pareto fronts of two costs: the points that no other point beats, and the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import column, scale
from experiments.figures.style import COLOURS, FAINT, INK, Picture, draw, names, number, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMED = 14
"""Largest number of points of a front whose names are written."""
_LONGEST = 30
"""Number of characters of a point's name."""
_PLACES = [
    (sign * (4 + distance * math.cos(angle)), distance * math.sin(angle))
    for distance in (0, 6, 12, 20, 30, 45, 60, 80, 100, 125, 150, 180)
    for angle in ([0.0] if distance == 0 else [turn * math.pi / 12 for turn in (0, 2, -2, 4, -4, 5, -5, 6, -6)])
    for sign in (1, -1)
]
"""Offsets of the near end of a name from its point in points of print, the nearest first."""
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
    data: dict[str, Any] = {"cost": cost, "panels": {name: _record(points) for name, points in panels.items()}}
    rows = [
        {"point": point["name"], "on_the_front": which == "front", column(name): point["x"], column(cost): point["y"]}
        for name, panel in data["panels"].items()
        for which in ("front", "others")
        for point in panel[which]
    ]
    return draw(_paint, data, 1.0 + 4.2 * max(len(panels), 1), 3.4, rows)


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
    figure.suptitle("Pareto front (line) and the other points, means without intervals", x=0.01, ha="left", fontsize=9.5)
    figure.draw_without_rendering()
    figure.draw_without_rendering()  # places the panels: names are set where they leave each other room
    figure.set_layout_engine("none")
    for axes, panel in zip(panels, data["panels"].values(), strict=False):
        _name_points(axes, panel)


def _paint_panel(axes: Axes, panel: Mapping[str, Any], index: int) -> None:
    best, others = panel["front"], panel["others"]
    dots: dict[str, Any] = {"linestyle": "none", "marker": "o"}
    axes.plot([p["x"] for p in others], [p["y"] for p in others], **dots, color=FAINT, markersize=3.2, gid=f"others-{index}")
    axes.plot([p["x"] for p in best], [p["y"] for p in best], color=COLOURS[0], marker="o", drawstyle="steps-post", gid=f"front-{index}")
    for along in ("x", "y"):
        scale(axes, [p[along] for p in (*best, *others)], along=along, ratio=8.0)


def _name_points(axes: Axes, panel: Mapping[str, Any]) -> None:
    """Write the name of each point as near to it as there is room inside the axes, with a line to it where it is not beside."""
    from matplotlib.transforms import Bbox

    points = [(point, INK) for point in panel["front"]] + [(point, FAINT) for point in panel["others"]]
    if len(points) > _NAMED:
        return
    frame, pixels = axes.get_window_extent(), axes.figure.dpi / 72
    places = axes.transData.transform([(point["x"], point["y"]) for point, _ in points])
    taken = [Bbox.from_bounds(x - 2 * pixels, y - 2 * pixels, 4 * pixels, 4 * pixels) for x, y in places]
    for text, (point, colour) in zip(names([point["name"] for point, _ in points], _LONGEST), points, strict=True):
        label = axes.annotate(text, (point["x"], point["y"]), (0, 0), textcoords="offset points", fontsize=7, color=colour, va="center")
        width, height = (side / pixels for side in (label.get_window_extent().width, label.get_window_extent().height))
        for right, up in _PLACES:
            label.set_position((right if right > 0 else right - width, up))
            box = label.get_window_extent()
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                break
        else:
            label.remove()  # crowded: the table beside the figure has all names
            continue
        taken.append(box.padded(0.5 * pixels))
        if math.hypot(right, up) > 2 * height:
            line = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
            axes.annotate("", (point["x"], point["y"]), (right, up), textcoords="offset points", arrowprops=line)
