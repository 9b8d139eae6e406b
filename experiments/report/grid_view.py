"""Contents of a report about any grid of trials: headline metrics over its axes, Pareto fronts, and a table of its points."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from contrastive_core.data.task import ERRORS
from contrastive_core.registry import unknown_name
from experiments.figures.grid import MOST_CELLS, MOST_POINTS, heat_map, histogram, profile
from experiments.figures.pareto import pareto
from experiments.figures.style import Picture
from experiments.report.contents import Contents, ReportTable
from experiments.report.run_reader import OpenedRun
from experiments.runs.columns import Columns, metric_paths, positions, read_columns
from experiments.runs.intervals import Bounds, Interval, brackets, group_means
from experiments.runs.records import STATUSES
from experiments.sweeps.axes import Axis

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

MOST_METRICS = 3
MOST_ROWS = 20
COSTS = tuple(f"test_{name}" for name in ERRORS)
EFFORTS = ("cpu_seconds_per_sample", "sweeps_per_sample")
"""Metrics against which the error is drawn by default, if trials have both."""


class Binned(NamedTuple):
    """An axis whose values are put together in a limited number of places.

    Attributes
    ----------
    name : str
        Name of the axis.
    labels : list
        One label per place: the mean of its numbers, or the first of its texts.
    places : ndarray of int
        Place of each value of the axis.
    """

    name: str
    labels: list[Any]
    places: Array


def show_grid(opened: OpenedRun, fronts: Sequence[str] = ()) -> Contents:
    """Show a grid of trials of any experiment.

    Parameters
    ----------
    opened : OpenedRun
        A run with axes. Trials that are not done yet are left out.
    fronts : sequence of str
        Two metrics of a Pareto front; empty for the default ones.

    Returns
    -------
    Contents
        A bounded number of figures and rows, however many trials there are.
    """
    experiment = opened.definition()
    paths = metric_paths(opened.journal, experiment.lists())
    for name in fronts:
        if name not in paths:
            raise unknown_name("metric", name, sorted(paths))
    lengths = [*(len(axis.values) for axis in opened.axes), opened.seeds]
    names = _chosen(opened, paths)
    pairs = (
        [(fronts[0], fronts[1])]
        if fronts
        else [(effort, cost) for effort in EFFORTS for cost in COSTS if effort in paths and cost in paths]
    )
    # A sweep that is still being planned has fewer trials than its grid has places.
    if not names or math.prod(lengths) != opened.total:
        return Contents([], {})
    wanted = dict.fromkeys([*names, *(name for pair in pairs for name in pair)])
    columns = read_columns(opened.journal, {name: paths[name] for name in wanted})  # one pass over the journal for all figures
    bounds = {name: experiment.metric(name).bounds for name in names}
    where = positions(lengths, opened.total)
    varying = [index for index, axis in enumerate(opened.axes) if len(axis.values) > 1]
    units = {name: experiment.metric(name).unit for name in names}
    pictures = _pictures(opened.axes, varying, where, columns, bounds, units)
    labels = point_labels(opened.axes)
    if pairs and len(varying) > 0:
        pictures["pareto"] = _fronts(columns, labels, opened.seeds, pairs)
    return Contents([_table(opened, columns, bounds)], pictures)


def _chosen(opened: OpenedRun, paths: Mapping[str, str]) -> list[str]:
    wanted = opened.definition().headline
    headline = [path for name in wanted for path in paths if path in (name, f"{name}_{path.rpartition('_')[2]}")]
    return (headline or list(paths))[:MOST_METRICS]


def _pictures(
    axes: Sequence[Axis],
    varying: Sequence[int],
    where: Sequence[Array],
    columns: Columns,
    bounds: Mapping[str, Bounds],
    units: Mapping[str, str],
) -> dict[str, Picture]:
    if not varying:
        return {"distribution": histogram({name: columns.values[name].tolist() for name in bounds}, units)}
    if len(varying) == 1:
        axis = binned(axes[varying[0]], MOST_POINTS)
        groups = axis.places[where[varying[0]]]
        metrics = {name: _summary(columns, name, groups, len(axis.labels), limits) for name, limits in bounds.items()}
        return {f"over-{axis.name}": profile(axis.name, axis.labels, metrics, units)}
    first, second = (binned(axes[index], MOST_CELLS) for index in varying[:2])
    if max((len(str(label)) for label in first.labels), default=0) > max((len(str(label)) for label in second.labels), default=0):
        first, second, varying = second, first, [varying[1], varying[0]]  # long names have more room on the left
    shape = (len(second.labels), len(first.labels))
    # One number per cell of the map; further axes and seeds are averaged over.
    groups = second.places[where[varying[1]]] * shape[1] + first.places[where[varying[0]]]
    maps = {}
    for name, limits in bounds.items():
        cells = _summary(columns, name, groups, shape[0] * shape[1], limits)
        rows = {key: [cells[key][start : start + shape[1]] for start in range(0, shape[0] * shape[1], shape[1])] for key in cells}
        maps[f"map-of-{name}"] = heat_map(
            name, (first.name, second.name), (first.labels, second.labels), rows["mean"], rows["failed"], units[name]
        )
    return maps


def _summary(columns: Columns, name: str, groups: Array, count: int, bounds: Bounds) -> dict[str, list[float]]:
    import numpy as np

    found = group_means(columns.values[name], groups, count, bounds)
    done, failed = (np.bincount(groups[columns.status == STATUSES.index(status)], minlength=count) for status in ("done", "failed"))
    share = np.full(count, np.nan)
    np.divide(failed, done + failed, out=share, where=done + failed > 0)
    return {"mean": found.mean.tolist(), "low": found.low.tolist(), "high": found.high.tolist(), "failed": share.tolist()}


def binned(axis: Axis, most: int) -> Binned:
    """Put the values of a long axis together; numbers are sorted first.

    Parameters
    ----------
    axis : Axis
        Axis of the grid. If several settings vary along it, the first one gives the labels.
    most : int
        Places.

    Returns
    -------
    Binned
        With as many places as values, if these are few.
    """
    import numpy as np

    values = [row[0] for row in axis.values]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    order = np.argsort(values, kind="stable") if numeric else np.arange(len(values))
    count = min(most, len(values))
    places = np.empty(len(values), int)
    places[order] = np.arange(len(values)) * count // len(values)
    members = [np.flatnonzero(places == place) for place in range(count)]
    labels = [float(np.mean([values[i] for i in inside])) if numeric else _text(values[inside[0]]) for inside in members]
    others = f" (with {', '.join(axis.keys[1:])})" if len(axis.keys) > 1 else ""
    return Binned(axis.keys[0] + others, labels, places)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else json.dumps(value)


def point_labels(axes: Sequence[Axis]) -> list[str]:
    """Name the first points of a grid by what varies, as ``gain 0.5, hidden [32]``; where one axis varies, by its value alone."""
    from itertools import islice

    from experiments.sweeps.axes import points

    keys = [key for axis in axes if len(axis.values) > 1 for key in axis.keys]
    return [
        ", ".join(_text(point[key]) if len(keys) == 1 else f"{key} {_text(point[key])}" for key in keys)
        for point in islice(points(axes), MOST_NAMED)
    ]


MOST_NAMED = 10_000
"""Points of a grid that have a name; beyond, a figure of single points is none."""


def _fronts(columns: Columns, labels: Sequence[str], seeds: int, pairs: Sequence[tuple[str, str]]) -> Picture:
    import numpy as np

    groups = np.arange(len(columns.status)) // seeds
    count = len(columns.status) // seeds
    found = {name: group_means(columns.values[name], groups, count).mean.tolist() for pair in pairs for name in pair}
    panels = {}
    for effort, cost in pairs:
        named = zip(labels, found[effort], found[cost], strict=False)
        panels[effort.replace("_", " ")] = {label: (x, y) for label, x, y in named}
    return pareto(panels, pairs[0][1].replace("_", " "))


def _table(opened: OpenedRun, columns: Columns, bounds: Mapping[str, Bounds]) -> ReportTable:
    import numpy as np

    labels = point_labels(opened.axes)[:MOST_ROWS]
    few = min(len(columns.status), len(labels) * opened.seeds)
    groups = np.arange(few) // opened.seeds
    found = {name: group_means(columns.values[name][:few], groups, len(labels), limits) for name, limits in bounds.items()}
    rows = [[label or "all", *_cells([group.at(i) for group in found.values()])] for i, label in enumerate(labels)]
    points = math.prod(len(axis.values) for axis in opened.axes)
    more = f"; the first {len(labels)} of {points} points" if points > len(labels) else ""
    header = ["point", *(text for name in bounds for text in (name, "95 % interval", "n"))]
    return ReportTable(f"Means over seeds{more}", header, rows)


def _cells(measured: Sequence[Interval]) -> Iterator[Any]:
    for found in measured:
        yield found.mean
        yield brackets(found.number, found.low, found.high, "{:.4g}".format)
        yield found.number
