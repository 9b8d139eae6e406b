"""The results of a sweep as one table: labelled axes, named columns, units; as a dataset of xarray and as netCDF."""

from __future__ import annotations

import json
import math
import os
import sys
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from contrastive_core.errors import DataError, InputError
from experiments.commandline.documents import read_json
from experiments.commandline.options import flatten
from experiments.runs.columns import is_list_of_numbers
from experiments.runs.journal import Journal
from experiments.runs.pages import recall
from experiments.runs.records import STATUSES
from experiments.sweeps.study import Study, from_facts

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

_OWN = ("trial", "replicate", "seed", "status", "error", "seconds")
_ROWS = "SELECT seed, status, metrics, error, seconds FROM trials ORDER BY id LIMIT ?"


class Results(NamedTuple):
    """Every trial of a sweep, column by column, in the order in which they were planned.

    Attributes
    ----------
    study : Study
        Trials of the run.
    seeds : array of int
        Seed of each trial.
    status : ndarray of shape (trials,)
        Positions in ``STATUSES``.
    seconds : ndarray of shape (trials,)
        Time of each trial; NaN if it was not computed.
    errors : dict of int to str
        Messages of the failed trials by number.
    numbers : dict of str to ndarray of shape (trials,)
        Metrics that are numbers; NaN where missing.
    texts : dict of str to ndarray of shape (trials,)
        All other metrics; lists are written as JSON.
    integers : frozenset of str
        Metrics that have whole numbers only.
    lists : dict of str to ndarray of shape (trials, values)
        Metrics that have a value each along an axis; NaN beyond the end of a shorter one.
    """

    study: Study
    seeds: array[int]
    status: np.ndarray[Any, Any]
    seconds: np.ndarray[Any, Any]
    errors: dict[int, str]
    numbers: dict[str, np.ndarray[Any, Any]]
    texts: dict[str, np.ndarray[Any, Any]]
    integers: frozenset[str]
    lists: dict[str, np.ndarray[Any, Any]]


def read_results(journal: Journal) -> Results:
    """Read every trial of a journal that knows its grid.

    Parameters
    ----------
    journal : Journal
        Journal of a sweep, or of another command that runs one.

    Returns
    -------
    Results
        Results of all trials; a trial that is not done has its known fields only.

    Raises
    ------
    InputError
        If the journal has no grid.
    """
    import numpy as np

    facts, total = recall(journal), sum(journal.counts().values())
    if "axes" not in facts or (total == 1 and not facts["axes"]):  # journals of before have no axes at all
        raise InputError("this run has one trial and no grid; see it with 'eqlab runs show'")
    study = from_facts(facts, shown=True)
    if math.prod(study.shape) != total:
        raise DataError(f"the journal has {total} trials, and its grid {math.prod(study.shape)} places; restore the run from a copy")
    seeds, errors = array("Q"), {}
    status, seconds = np.zeros(total, np.int8), np.full(total, np.nan)
    numbers: dict[str, np.ndarray[Any, Any]] = {}
    texts: dict[str, np.ndarray[Any, Any]] = {}
    lists: dict[str, dict[int, list[float | None]]] = {name: {} for name in study.described.lists()}
    fractions: set[str] = set()
    reserved = {*_OWN, *(key for axis in study.axes for key in axis.keys)}
    for index, (seed, state, metrics, error, spent) in enumerate(journal.connection.execute(_ROWS, (total,))):
        seeds.append(_fitting(int(seed)))
        status[index] = STATUSES.index(state)
        if spent is not None:
            seconds[index] = spent
        if error is not None:
            errors[index] = error
        for name, value in _leaves(read_json(metrics), reserved) if metrics else ():
            if name in lists and is_list_of_numbers(value):
                lists[name][index] = value
                continue
            if isinstance(value, list | dict):
                value = json.dumps(value)
            if isinstance(value, str):
                value = sys.intern(value)  # a million trials have few different texts
                if name not in texts:
                    texts[name] = np.full(total, "", dtype=object)
                texts[name][index] = value
                continue
            if name not in numbers:
                numbers[name] = np.full(total, np.nan)
            if value is not None:
                numbers[name][index] = value
                if isinstance(value, float):
                    fractions.add(name)
    return Results(
        study, seeds, status, seconds, errors, numbers, texts, frozenset(numbers.keys() - fractions), _padded(lists, study, total)
    )


def _fitting(seed: int) -> int:
    if not 0 <= seed < 2**64:
        raise InputError(f"the run has a trial of the seed {seed}, and tables hold seeds from 0 to 2^64 - 1; see it with 'eqlab runs show'")
    return seed


def _padded(lists: Mapping[str, Mapping[int, list[float | None]]], study: Study, total: int) -> dict[str, np.ndarray[Any, Any]]:
    """Make arrays of lists; those along one axis get the length of the longest of them."""
    import numpy as np

    axes = {name: study.described.metric(name).along for name, rows in lists.items() if rows}
    lengths = {axis: max(len(row) for name in axes if axes[name] == axis for row in lists[name].values()) for axis in set(axes.values())}
    found = {name: np.full((total, lengths[axis]), np.nan) for name, axis in axes.items()}
    for name, column in found.items():
        for index, row in lists[name].items():
            column[index, : len(row)] = [np.nan if value is None else value for value in row]
    return found


def _leaves(metrics: Mapping[str, Any], reserved: set[str]) -> Iterator[tuple[str, Any]]:
    """Walk the metrics with dotted names; those that only repeat the trial's options are left out."""
    for name, value in metrics.items() if not any(isinstance(v, dict) for v in metrics.values()) else flatten(metrics).items():
        if name not in reserved:
            yield name, value


def label(value: Any) -> Any:
    """Return the value of an axis as a table shows it: a text as it is, anything else in JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def to_dataset(results: Results) -> xr.Dataset:
    """Arrange the results along the axes of the grid.

    Parameters
    ----------
    results : Results
        Results of all trials.

    Returns
    -------
    xarray.Dataset
        One dimension per axis and ``replicate``; coordinates are the axes' values, attributes say what everything is, in which unit.
    """
    import numpy as np
    import xarray as xr

    study = results.study
    dims = [*(axis.name for axis in study.axes), "replicate"]

    def shaped(column: np.ndarray[Any, Any]) -> Any:
        return column.reshape(study.shape)

    meanings = {"flag_values": np.arange(len(STATUSES), dtype=np.int8), "flag_meanings": " ".join(STATUSES)}
    variables: dict[str, Any] = {
        "status": (dims, shaped(results.status), {"long_name": "state of the trial", **meanings}),
        "seconds": (dims, shaped(results.seconds), {"long_name": "time that the trial took", "units": "second"}),
    }
    for name, column in sorted({**results.numbers, **results.texts}.items()):
        metric = study.described.metric(name)
        text = name in results.texts
        variables[name] = (dims, shaped(column), {"long_name": metric.description, **({} if text else {"units": metric.unit})})
    for name, column in sorted(results.lists.items()):
        metric = study.described.metric(name)
        attributes = {"long_name": metric.description, "units": metric.unit}
        variables[name] = ([*dims, metric.along], column.reshape(*study.shape, -1), attributes)
    coordinates = {key: value for axis in study.axes for key, value in _coordinates(study, axis.name).items()}
    coordinates["replicate"] = ("replicate", np.arange(study.shape[-1]), {"long_name": "number of the repetition"})
    seeds = np.frombuffer(results.seeds, dtype=np.uint64)
    if study.declared["paired"]:
        coordinates["seed"] = ("replicate", seeds[: study.shape[-1]], {"long_name": "seed, shared by all points of the grid"})
    else:
        variables["seed"] = (dims, shaped(seeds), {"long_name": "seed"})
    attributes = {"experiment": study.declared["experiment"], "configuration": json.dumps(study.declared)}
    return xr.Dataset(variables, coordinates, attributes)


def _coordinates(study: Study, name: str) -> dict[str, Any]:
    import numpy as np

    (axis,) = (axis for axis in study.axes if axis.name == name)
    found: dict[str, Any] = {}
    for position, key in enumerate(axis.keys):
        values = [row[position] for row in axis.values]
        numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        labels = np.array(values) if numeric else np.array([str(label(value)) for value in values], dtype=object)
        found[key] = (axis.name, labels, {"long_name": study.meaning(key) or key})
    return found


def write_dataset(dataset: xr.Dataset, path: Path) -> None:
    """Write a dataset as netCDF, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        dataset.to_netcdf(temporary, engine="h5netcdf")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
