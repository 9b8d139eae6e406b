"""Cosine and error of rules against a varied setting: means over seeds in a band from the least to the largest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key, scale
from experiments.figures.style import Picture, Row, draw, gaps, looks, number, present, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LISTS = ("mean_cosine", "lowest_cosine", "mean_error", "least_error", "largest_error")
_LEAST_ERROR = 1e-16
"""Error at which one of 0 is drawn."""


def varied_gradients(varied: str, values: Sequence[Any], rules: Mapping[str, Mapping[str, Any]]) -> Picture:
    """Show the cosine of every rule to the reference, and its relative error, against the values of a setting.

    Parameters
    ----------
    varied : str
        Name of the setting.
    values : sequence
        Its values; anything but numbers stands at equal distances.
    rules : mapping of str to mapping
        For each rule ``mean_cosine``, ``lowest_cosine``, ``mean_error``, ``least_error`` and ``largest_error``, each a list by value.

    Returns
    -------
    Picture
        Figure whose data hold the same without numbers that are not finite.
    """
    told = [str(value) for value in values]
    numbers = [number(value) for value in values]
    places = [float(index) for index in range(len(values))] if None in numbers else present(numbers)
    kept = {name: {one: [number(value) for value in record[one]] for one in _LISTS} for name, record in rules.items()}
    data = {"varied": varied, "values": told, "places": places, "numbers": None not in numbers, "rules": kept}
    rows: list[Row] = [
        {varied.replace("-", "_"): value, "rule": name, **{one: record[one][index] for one in _LISTS}}
        for name, record in kept.items()
        for index, value in enumerate(told)
    ]
    return draw(_paint, data, 9.0, 3.4, rows)


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    cosines, errors = figure.subplots(1, 2)
    look_of = looks(list(data["rules"]))
    for index, (name, record) in enumerate(data["rules"].items()):
        look = {**look_of[name], "marker": "o", "markersize": 3}
        cosines.plot(data["places"], gaps(record["mean_cosine"]), **look, gid=f"cosine-{index}")
        _band(cosines, data["places"], record["lowest_cosine"], record["mean_cosine"], look_of[name], f"lowest-{index}")
        least, mean, largest = (_floored(record[key]) for key in ("least_error", "mean_error", "largest_error"))
        errors.plot(data["places"], gaps(mean), **look, gid=f"error-{index}")
        _band(errors, data["places"], least, largest, look_of[name], f"errors-{index}")
    scale(errors, [value for record in data["rules"].values() for key in _LISTS[2:] for value in present(_floored(record[key]))])
    for axes in (cosines, errors):
        if data["numbers"]:
            scale(axes, data["places"], along="x", ratio=50.0)
        else:
            axes.set_xticks(data["places"], [shown(value, 12) for value in data["values"]])
        axes.set_xlabel(shown(data["varied"]))
    cosines.set(title="Cosine, mean down to the lowest")
    errors.set(title="Relative error, mean and range")
    add_key(figure, list(look_of.items()))


def _floored(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None else max(value, _LEAST_ERROR) for value in values]


def _band(
    axes: Axes, places: Sequence[float], low: Sequence[float | None], high: Sequence[float | None], look: Mapping[str, Any], gid: str
) -> None:
    axes.fill_between(places, gaps(low), gaps(high), color=look["color"], alpha=0.2, linewidth=0, gid=gid)
