"""Means over the seeds of a sweep, with bootstrap intervals, and paired differences between arms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from contrastive_core.errors import InputError
from contrastive_core.registry import unknown_name

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

CONFIDENCE = 0.95
RESAMPLES = 9999
MOST_DRAWS = 10**7
MANY = 1000
"""Above so many values the interval is the plain percentile one: the correction is tiny there, and costs the square of the number."""
FEW = 10
"""Below so many values a bootstrap interval is too narrow: it is shown, with a warning."""


def bootstrap_interval(values: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return mean and bootstrap interval of the mean.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Finite.

    Returns
    -------
    dict
        ``n``, ``mean``, ``low`` and ``high``; the last two are None below two values. The interval is bias-corrected and accelerated
        (BCa) at 95 %, from 9999 resamples; of more than 1000 values it is the percentile interval, from at least 999. The seed is
        fixed, so that the same values have the same interval.
    """
    import numpy as np
    from scipy.stats import bootstrap

    mean = float(values.mean()) if len(values) else None
    if len(values) < 2:
        return {"n": len(values), "mean": mean, "low": None, "high": None}
    if np.ptp(values) == 0:
        return {"n": len(values), "mean": mean, "low": mean, "high": mean}
    found = bootstrap(
        (values,), np.mean, n_resamples=max(999, min(RESAMPLES, MOST_DRAWS // len(values))), batch=max(1, 10**6 // len(values)),
        confidence_level=CONFIDENCE, method="BCa" if len(values) <= MANY else "percentile", rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return {"n": len(values), "mean": mean, "low": float(found.low), "high": float(found.high)}


def summarise(dataset: xr.Dataset, metrics: Sequence[str], most: int) -> list[dict[str, Any]]:
    """Return means over the replicates at the points of the grid.

    Parameters
    ----------
    dataset : Dataset
        From ``experiments.sweeps.results``.
    metrics : sequence of str
        Which.
    most : int
        At how many points at most.

    Returns
    -------
    list of dict
        Each with its ``point``, its ``metric`` and what ``bootstrap_interval`` gives; values that are missing are left out.
    """
    return [
        {"point": point, "metric": metric, **bootstrap_interval(_finite(dataset[metric][place].values))}
        for place, point in _points(dataset, ())[:most]
        for metric in metrics
    ]


def differences(dataset: xr.Dataset, metrics: Sequence[str], axis: str, reference: str, most: int) -> list[dict[str, Any]]:
    """Return the differences of every arm to one, paired by replicate, at every point of the other axes.

    Parameters
    ----------
    dataset : Dataset
        From ``experiments.sweeps.results``.
    metrics : sequence of str
        Which.
    axis : str
        Whose values are the arms.
    reference : str
        The value to which the others are compared, as it is written in the table.
    most : int
        At how many points of the other axes at most.

    Returns
    -------
    list of dict
        As ``summarise`` gives; pairs of which one is missing are left out.

    Raises
    ------
    InputError
        If there is no such axis or value, or the seeds of the arms are not the same.
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
        for metric in metrics:
            values = dataset[metric][place]
            base = values.isel({axis: labels.index(reference)}).values
            for arm, label in enumerate(labels):
                if label != reference:
                    change = _finite(values.isel({axis: arm}).values - base)
                    found.append({"point": {**point, axis: f"{label} - {reference}"}, "metric": metric, **bootstrap_interval(change)})
    return found


def _finite(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    kept: np.ndarray[Any, Any] = values[np.isfinite(values)]
    return kept


def _points(dataset: xr.Dataset, without: Sequence[str]) -> list[tuple[dict[str, int], dict[str, Any]]]:
    """List the places of the grid, and what they are called, leaving some axes whole."""
    dims = [str(dim) for dim in dataset["status"].dims if dim != "replicate" and dim not in without]
    names = {dim: [str(name) for name, coord in dataset.coords.items() if coord.dims == (dim,)] for dim in dims}
    listed = []
    for indices in product(*(range(dataset.sizes[dim]) for dim in dims)):
        place = dict(zip(dims, indices, strict=True))
        listed.append((place, {name: dataset[name].values[place[dim]] for dim in dims for name in names[dim]}))
    return listed
