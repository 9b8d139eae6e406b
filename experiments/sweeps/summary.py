"""Means over the seeds of a sweep, and paired differences between its arms, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from contrastive_core.errors import InputError
from contrastive_core.registry import unknown_name
from experiments.runs.intervals import Bounds, Interval, difference_interval, mean_interval

if TYPE_CHECKING:
    import xarray as xr


def summarise(dataset: xr.Dataset, metrics: Mapping[str, Bounds], most: int) -> list[dict[str, Any]]:
    """Return means over the replicates at the points of the grid.

    Parameters
    ----------
    dataset : Dataset
        Data set from ``experiments.sweeps.results``.
    metrics : mapping of str to tuple
        Metrics to average, with their bounds.
    most : int
        Largest number of points.

    Returns
    -------
    list of dict
        A record per point and metric, with ``point``, ``metric``, ``n``, ``mean``, ``low`` and ``high``. Missing values are left out.
    """
    return [
        _record(point, name, mean_interval(values[place].values, bounds))
        for place, point in _points(dataset, ())[:most]
        for metric, bounds in metrics.items()
        for name, values in _single(dataset, metric)
    ]


def differences(dataset: xr.Dataset, metrics: Mapping[str, Bounds], axis: str, reference: str, most: int) -> list[dict[str, Any]]:
    """Return the differences of every arm to one, paired by replicate, at every point of the other axes.

    Parameters
    ----------
    dataset : Dataset
        Data set from ``experiments.sweeps.results``.
    metrics : mapping of str to tuple
        Metrics to compare, with their bounds.
    axis : str
        Axis whose values are the arms.
    reference : str
        Value to which the others are compared, as it is written in the table.
    most : int
        Largest number of points of the other axes.

    Returns
    -------
    list of dict
        Records as ``summarise`` returns them. Incomplete pairs are left out.

    Raises
    ------
    InputError
        If there is no such axis or value, or the seeds of the arms differ.
    """
    if axis not in dataset.dims or axis == "replicate":
        raise unknown_name("axis", axis, [str(name) for name in dataset.dims if name != "replicate"])
    if "seed" not in dataset.coords:
        raise InputError("the seeds of this sweep are independent, so nothing is paired; make one without --no-paired")
    labels = [str(label) for label in dataset[axis].values.tolist()]
    if reference not in labels:
        raise unknown_name(f"value of {axis}", reference, labels)
    found = []
    for place, point in _points(dataset, (axis,))[:most]:
        for metric, bounds in metrics.items():
            for name, whole in _single(dataset, metric):
                values = whole[place]
                base = values.isel({axis: labels.index(reference)}).values
                for arm, label in enumerate(labels):
                    if label != reference:
                        change = difference_interval(values.isel({axis: arm}).values, base, bounds)
                        found.append(_record({**point, axis: f"{label} - {reference}"}, name, change))
    return found


def _single(dataset: xr.Dataset, metric: str) -> list[tuple[str, xr.DataArray]]:
    """Split a metric that has a value each along an axis of its own, as in the columns of the table."""
    values = dataset[metric]
    own = [dim for dim in values.dims if dim not in dataset["status"].dims]
    if not own:
        return [(metric, values)]
    return [(f"{metric}_{place + 1}", values.isel({own[0]: place})) for place in range(values.sizes[own[0]])]


def _record(point: dict[str, Any], metric: str, found: Interval) -> dict[str, Any]:
    return {"point": point, "metric": metric, "n": found.number, "mean": found.mean, "low": found.low, "high": found.high}


def _points(dataset: xr.Dataset, without: Sequence[str]) -> list[tuple[dict[str, int], dict[str, Any]]]:
    """List the indices and the labels of the grid's points, without some axes."""
    dims = [str(dim) for dim in dataset["status"].dims if dim != "replicate" and dim not in without]
    names = {dim: [str(name) for name, coord in dataset.coords.items() if coord.dims == (dim,)] for dim in dims}
    listed = []
    for indices in product(*(range(dataset.sizes[dim]) for dim in dims)):
        place = dict(zip(dims, indices, strict=True))
        listed.append((place, {name: dataset[name].values[place[dim]] for dim in dims for name in names[dim]}))
    return listed
