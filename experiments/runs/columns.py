"""Metrics of a whole run as columns, read in bulk for figures and reports of up to a million trials."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments.commandline.documents import read_json
from experiments.runs.journal import Journal
from experiments.runs.records import STATUSES

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_SAMPLE = 100
"""Number of trials that are searched for names of metrics."""
_OWN = ("seed",)
LONGEST_LIST = 256
"""Number of values of a metric that get a column each; a longer list is kept as text."""


class Columns(NamedTuple):
    """Some metrics of every trial, in the order of planning.

    Attributes
    ----------
    status : ndarray of shape (trials,)
        Positions in ``STATUSES``.
    values : dict of str to ndarray of shape (trials,)
        Values by metric; NaN for a trial without one.
    """

    status: Array
    values: dict[str, Array]


def metric_paths(journal: Journal, lists: Sequence[str] = ()) -> dict[str, str]:
    """Find the metrics that are numbers.

    Parameters
    ----------
    journal : Journal
        Journal of the run.
    lists : sequence of str
        Metrics that are lists of numbers; each value is named after its place, ``overlaps_1``, ``overlaps_2``, ...

    Returns
    -------
    dict of str to str
        Dotted name and path in the JSON of the metrics, found in the first hundred finished trials.
    """
    found: dict[str, str] = {}
    rows = journal.connection.execute("SELECT metrics FROM trials WHERE status = 'done' LIMIT ?", (_SAMPLE,))
    for (metrics,) in rows:
        found |= dict(_paths(read_json(metrics), lists))
    return {name: path for name, path in found.items() if name not in _OWN}


def _paths(metrics: Mapping[str, Any], lists: Sequence[str], name: str = "", path: str = "$") -> Iterator[tuple[str, str]]:
    for key, value in metrics.items():
        if '"' in key or "\\" in key:  # such a key cannot be written in a path
            continue
        inner = (f"{name}.{key}" if name else key), f'{path}."{key}"'
        if isinstance(value, Mapping):
            yield from _paths(value, lists, *inner)
        elif inner[0] in lists and is_list_of_numbers(value):
            yield from ((f"{inner[0]}_{place + 1}", f"{inner[1]}[{place}]") for place in range(len(value)))
        elif isinstance(value, int | float):
            yield inner


def is_list_of_numbers(value: Any) -> bool:
    """Tell whether a metric is a list that columns can be made of: a bounded number of numbers, None for missing ones."""
    return isinstance(value, list) and len(value) <= LONGEST_LIST and all(one is None or isinstance(one, int | float) for one in value)


def read_columns(journal: Journal, paths: Mapping[str, str]) -> Columns:
    """Read metrics of every trial, in seconds for a million of them.

    Parameters
    ----------
    journal : Journal
        Journal of the run.
    paths : mapping of str to str
        Metrics to read, from ``metric_paths``.

    Returns
    -------
    Columns
        One column per path.
    """
    import numpy as np

    total = sum(journal.counts().values())
    status = np.zeros(total, np.int8)
    values = {name: np.full(total, np.nan) for name in paths}
    codes = {name: code for code, name in enumerate(STATUSES)}
    wanted = "".join(", json_extract(metrics, ?)" for _ in paths)
    columns = list(values.values())
    # A writer may add trials meanwhile; the arrays have room for those that were counted.
    rows = journal.connection.execute(f"SELECT status{wanted} FROM trials ORDER BY id LIMIT ?", (*paths.values(), total))
    for index, (state, *found) in enumerate(rows):
        status[index] = codes[state]
        for column, value in zip(columns, found, strict=True):
            if isinstance(value, int | float):  # not null, which stands for a number that was not finite
                column[index] = value
    return Columns(status, values)


def means(journal: Journal, most: int = 40) -> dict[str, float]:
    """Average every metric that is a number over the trials that are done, at each point of the run by itself.

    Parameters
    ----------
    journal : Journal
        Journal of the run.
    most : int
        Largest number of points.

    Returns
    -------
    dict of str to float
        Means by metric; by ``METRIC at POINT`` where settings of the trials differ.
    """
    paths = metric_paths(journal)
    labels = point_labels(journal, most)
    found: dict[str, float] = {}
    # One metric at a time, because SQLite has a limit on columns.
    query = "SELECT options, avg(json_extract(metrics, ?)) FROM trials WHERE status = 'done' GROUP BY options"
    for name in sorted(paths):
        values = {options: value for options, value in journal.connection.execute(query, (paths[name],)) if value is not None}
        found |= {f"{name} at {label}" if label else name: float(values[key]) for key, label in labels.items() if key in values}
    return found


def point_labels(journal: Journal, most: int) -> dict[str, str]:
    """Name the points of a run by the settings that differ between them.

    Parameters
    ----------
    journal : Journal
        Journal of the run.
    most : int
        Largest number of points.

    Returns
    -------
    dict of str to str
        Labels such as ``gain 0.5``, by the settings as the journal writes them; the label of a single point is empty.
    """
    rows = journal.connection.execute("SELECT options FROM trials GROUP BY options ORDER BY min(id) LIMIT ?", (most,))
    points = {text: read_json(text) for (text,) in rows}
    return dict(zip(points, labels_of(list(points.values())), strict=True))


def labels_of(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name points by the settings, and of lists by the members, that differ between them.

    A device of a hardware study is a list of fifteen settings, of which one differs.

    Parameters
    ----------
    points : sequence of mappings of str to object
        Settings of each point.

    Returns
    -------
    list of str
        Labels such as ``gain 0.5``, in the order of the points; the label of a single point is empty.
    """
    keys = list(dict.fromkeys(key for point in points for key in point))
    varied = [key for key in keys if len({json.dumps(point.get(key)) for point in points}) > 1]
    short = [{key: _members(point.get(key), [other.get(key) for other in points]) for key in varied} for point in points]
    if len({json.dumps(one) for one in short}) < len(points):  # lists that differ in their order or in repetitions
        short = [{key: point.get(key) for key in varied} for point in points]
    return [", ".join(f"{key} {_shown(value)}" for key, value in one.items()) for one in short]


def _members(value: Any, values: Sequence[Any]) -> Any:
    """Return a list of names without those that all lists have; numbers have a meaning by their place, and stay."""
    if not all(isinstance(other, list) and all(isinstance(member, str) for member in other) for other in values):
        return value
    return [member for member in value if not all(member in other for other in values)]


def _shown(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(member, str) for member in value):
        return " ".join(value)
    return value if isinstance(value, str) else json.dumps(value)


def positions(lengths: Sequence[int], trials: int) -> list[Array]:
    """Return the place of each trial on every axis of a grid.

    Parameters
    ----------
    lengths : sequence of int
        Numbers of values of the axes, the last varying fastest; the very last counts the seeds.
    trials : int
        Number of trials.

    Returns
    -------
    list of ndarray of shape (trials,)
        One per axis.
    """
    import numpy as np

    return list(np.unravel_index(np.arange(trials), tuple(lengths))) if trials else [np.zeros(0, int) for _ in lengths]
