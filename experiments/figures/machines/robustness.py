"""Accuracy of classifiers under attack, and the course of a training that contrasts data with samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key
from experiments.figures.style import COLOURS, MARKERS, Picture, Row, draw, gaps, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINES = {"robust_accuracy_restarts": "-", "transfer_accuracy": ":"}
"""Line of the attacks on the network itself, and of those made on another one."""
_COURSE = {"steps": "steps from noise to a sample", "area": "area of telling data from samples", "gap": "log density: data less samples"}


def robustness_picture(arms: Mapping[str, Mapping[str, Any]]) -> Picture:
    """Show accuracy against the radius of the attack, at 0 without one.

    Parameters
    ----------
    arms : mapping of str to mapping
        By way to train, means over seeds: ``test_error``, ``radii``, ``robust_accuracy_restarts`` and ``transfer_accuracy``.

    Returns
    -------
    Picture
        Figure whose data are the accuracies. Solid lines are attacks on the network, dotted ones those made on another.
    """
    data: dict[str, dict[str, list[float | None]]] = {
        arm: {
            "radii": [0.0, *(float(radius) for radius in found["radii"])],
            **{name: _percent([1.0 - found["test_error"], *found[name]]) for name in _LINES},
        }
        for arm, found in arms.items()
    }
    rows: list[Row] = [
        {"arm": arm, "radius": radius, **{f"{name}_percent": found[name][index] for name in _LINES}}
        for arm, found in data.items()
        for index, radius in enumerate(found["radii"])
    ]
    return draw(_paint_robustness, data, 6.4, 3.2, rows)


def _percent(shares: Sequence[float | None]) -> list[float | None]:
    return [None if share is None else 100 * share for share in map(number, shares)]


def _paint_robustness(figure: Figure, data: dict[str, Any]) -> None:
    axes, keys = figure.subplots(), []
    for index, (arm, found) in enumerate(data.items()):
        look: dict[str, Any] = {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)], "markersize": 4}
        for name, line in _LINES.items():
            axes.plot(found["radii"], gaps(found[name]), **{**look, "linestyle": line})
        keys.append((arm, look))
    keys.append(("attacks made on another network", {"color": "0.4", "linestyle": ":"}))
    axes.set(title="Accuracy under attack", xlabel="Euclidean radius of the attack", ylabel="accuracy (%)", ylim=(0, 102))
    add_key(figure, keys, longest=40)


def course_picture(arms: Mapping[str, Sequence[Mapping[str, Any]]]) -> Picture:
    """Show over the epochs how far samples rise, how well data are told from them, and by how much their densities differ.

    Parameters
    ----------
    arms : mapping of str to sequence of mapping
        By way to train, records of the epochs with ``steps``, ``area`` and ``gap``.

    Returns
    -------
    Picture
        Figure whose data are these records.
    """
    data = {arm: [{name: number(record.get(name)) for name in ("epoch", *_COURSE)} for record in found] for arm, found in arms.items()}
    return draw(_paint_course, data, 9.6, 3.0, [{"arm": arm, **record} for arm, found in data.items() for record in found])


def _paint_course(figure: Figure, data: dict[str, Any]) -> None:
    looks = {arm: {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)], "markersize": 3} for i, arm in enumerate(data)}
    for axes, (name, title) in zip(figure.subplots(1, len(_COURSE)), _COURSE.items(), strict=True):
        for arm, records in data.items():
            axes.plot([record["epoch"] for record in records], gaps(record[name] for record in records), **looks[arm])
        axes.set(title=title, xlabel="epoch")
    add_key(figure, list(looks.items()))
