"""Measured pulse responses in CSV files: two columns of conductances, or one row per pulse."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contrastive_core.errors import DataError
from contrastive_core.files.bounded import read_table
from contrastive_core.files.numbers import is_number

Array = NDArray[np.float64]
_FEWEST = 3
_TIDY = ("device_id", "cycle", "pulse", "polarity", "conductance_S")
_LAYOUTS = f"expected two columns of conductances in siemens without a header, up and down, or a header with {','.join(_TIDY)}"

UNITS: dict[str, Callable[[float], float]] = {
    "siemens": lambda value: value,
    "millisiemens": lambda value: 1e-3 * value,
    "microsiemens": lambda value: 1e-6 * value,
    "nanosiemens": lambda value: 1e-9 * value,
    "ohm": lambda value: 1 / value,
    "kiloohm": lambda value: 1e-3 / value,
    "megaohm": lambda value: 1e-6 / value,
}
"""Units of measured values, with their conversion to siemens."""

_LARGEST, _SMALLEST = 0.1, 1e-12
"""Siemens between which conductances of memory devices lie; other values are taken for another unit unless it is named."""

_USUAL = (1e-9, 1e-2)
"""Siemens between which most of them lie, for the advice of a unit."""


class Train(NamedTuple):
    """Consecutive conductances under pulses of one polarity.

    Attributes
    ----------
    device, cycle : str
        Name of the device, and number of the repetition.
    potentiating : bool
        Whether the pulses potentiate.
    conductance : ndarray of shape (P + 1,)
        Conductances in siemens, the first one before the first pulse.
    """

    device: str
    cycle: str
    potentiating: bool
    conductance: Array


def read_pulses(path: Path, unit: str | None = None) -> list[Train]:
    """Read pulse responses from a CSV file in either of two layouts.

    Without a header: two columns of consecutive conductances, under potentiating and under depressing pulses; the shorter one ends in
    empty cells. With a header: ``device_id,cycle,pulse,polarity,conductance_S`` in any order, polarity P or D, pulse numbers without
    gaps or repetitions within a train; other columns are not read.

    Parameters
    ----------
    path : Path
        File in UTF-8, with or without a byte-order mark.
    unit : str, optional
        Unit of two columns, a key of ``UNITS``. None is siemens, and asks that values lie between 1 pS and 0.1 S.

    Raises
    ------
    DataError
        If the file cannot be read, a value is not a positive number, values are not in siemens, a column counts pulses, pulse numbers
        are repeated or left out, or a train is shorter than three pulses; with the line's number.
    """
    try:
        rows = list(csv.reader(read_table(path).splitlines()))
    except OSError as error:
        raise DataError(f"cannot read pulse data {path} ({error.strerror}); give a CSV file of conductances") from error
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file in UTF-8 ({error}); give a CSV file of conductances") from error
    numbered = [(number, row) for number, row in enumerate(rows, start=1) if any(cell.strip() for cell in row)]
    if not numbered:
        raise DataError(f"{path} is empty; {_LAYOUTS}")
    first, cells = numbered[0][0], [cell.strip() for cell in numbered[0][1]]
    if "conductance_S" not in cells and not any(map(is_number, cells)):
        raise DataError(f"line {first} of {path} is another header, {','.join(cells)!r}; {_LAYOUTS}")
    if "conductance_S" in cells:
        if unit not in (None, "siemens"):
            raise DataError(f"the header of {path} says siemens (conductance_S), and the unit given is {unit}; convert the column")
        trains = list(_tidy(path, numbered))
    else:
        trains = list(_columns(path, numbered, UNITS[unit or "siemens"]))
    if unit is None:
        _check_unit(path, [train for _, train in trains], "conductance_S" in cells)
    for last, train in trains:
        if len(train.conductance) < _FEWEST + 1:
            what = "potentiating" if train.potentiating else "depressing"
            raise DataError(
                f"line {last} of {path} ends a train of {len(train.conductance) - 1} {what} pulses of device {train.device}; a fit needs "
                f"{_FEWEST} at least"
            )
    return [train for _, train in trains]


def tidy_csv(trains: Sequence[tuple[str, str, Sequence[float]]]) -> str:
    """Return a CSV file of pulse responses, one row per pulse, as ``read_pulses`` reads it.

    Parameters
    ----------
    trains : sequence of (str, str, sequence of float)
        Name of the device, polarity P or D, and conductances in siemens, the first one before the first pulse; one cycle per device.
    """
    rows = (f"{name},1,{pulse},{polarity},{value!r}" for name, polarity, values in trains for pulse, value in enumerate(values))
    return "\n".join((",".join(_TIDY), *rows)) + "\n"


def _check_unit(path: Path, trains: Sequence[Train], headed: bool) -> None:
    """Refuse conductances that no memory device has, which are values in another unit."""
    largest = max(float(train.conductance.max()) for train in trains)
    if not _SMALLEST <= largest <= _LARGEST:
        # A number alone does not tell microsiemens from ohms, so that every unit with a usual value is offered.
        likely = [unit for unit, siemens in UNITS.items() if _USUAL[0] <= siemens(largest) <= _USUAL[1]]
        advice = "convert the column conductance_S to siemens" if headed else f"name the unit with --unit ({', '.join(likely or UNITS)})"
        raise DataError(
            f"conductances in {path} reach {largest:g} siemens, and those of memory devices lie between {_SMALLEST:g} and {_LARGEST:g}; "
            f"{advice}"
        )


def _check_counts(path: Path, number: int, values: Array) -> None:
    """Refuse a column that counts pulses: 1, 2, 3, or 10, 20, 30, and so on, up or down."""
    size = abs(float(values[0] - values[-1])) / max(len(values) - 1, 1)
    counted = values.min() + size * np.arange(len(values))
    if len(values) > _FEWEST and size == round(size) > 0 and values.min() in (1, size) and (np.sort(values) == counted).all():
        raise DataError(
            f"line {number} of {path} ends a column that counts {values[0]:g}, {values[1]:g}, {values[2]:g}, ...: these are numbers of "
            f"pulses and not conductances; {_LAYOUTS}"
        )


def _positive(path: Path, number: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise DataError(
            f"line {number} of {path}: conductances are positive numbers in siemens, got {text.strip()!r}; correct or remove it"
        )
    return value


def _columns(path: Path, rows: Sequence[tuple[int, list[str]]], siemens: Callable[[float], float]) -> Iterator[tuple[int, Train]]:
    """Read two columns; each train with the number of its last line."""
    for number, row in rows:
        if len(row) != 2:
            raise DataError(f"line {number} of {path} has {len(row)} columns; {_LAYOUTS}")
    for column, potentiating in ((0, True), (1, False)):
        cells = [(number, row[column]) for number, row in rows]
        # The shorter of two trains ends in empty cells; an empty cell before a value is a missing one.
        while cells and not cells[-1][1].strip():
            cells.pop()
        if not cells:
            raise DataError(f"column {column + 1} of {path} is empty; {_LAYOUTS}")
        values = np.array([_positive(path, number, text) for number, text in cells])
        _check_counts(path, cells[-1][0], values)
        yield cells[-1][0], Train("1", "1", potentiating, np.array([siemens(value) for value in values.tolist()]))


def _tidy(path: Path, rows: Sequence[tuple[int, list[str]]]) -> Iterator[tuple[int, Train]]:
    """Read one row per pulse; each train with the number of its last line."""
    header = [cell.strip() for cell in rows[0][1]]
    missing = set(_TIDY) - set(header)
    if missing:
        raise DataError(f"line {rows[0][0]} of {path} lacks the columns {', '.join(sorted(missing))}; add them")
    groups: dict[tuple[str, str, str], dict[float, tuple[int, float]]] = {}
    for number, row in rows[1:]:
        if len(row) != len(header):
            raise DataError(f"line {number} of {path} has {len(row)} columns, the header {len(header)}; correct it")
        cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
        if cells["polarity"] not in ("P", "D"):
            raise DataError(f"line {number} of {path}: polarity is P or D, got {cells['polarity']!r}")
        if not is_number(cells["pulse"]) or not math.isfinite(float(cells["pulse"])):
            raise DataError(f"line {number} of {path}: pulse is a number, got {cells['pulse']!r}")
        order = float(cells["pulse"])
        key = (cells["device_id"], cells["cycle"], cells["polarity"])
        train = groups.setdefault(key, {})
        if order in train:
            raise DataError(
                f"line {number} of {path} repeats pulse {order:g} of device {key[0]}, cycle {key[1]}, polarity {key[2]}, which line "
                f"{train[order][0]} has; give each repetition a cycle of its own"
            )
        train[order] = number, _positive(path, number, cells["conductance_S"])
    for (device, cycle, polarity), train in groups.items():
        # Rows may stand in any order; the pulse number sorts them.
        orders = sorted(train)
        for before, order in pairwise(orders):
            if order - before != 1:
                raise DataError(
                    f"line {train[order][0]} of {path}: pulse {order:g} of device {device}, cycle {cycle}, polarity {polarity} follows "
                    f"pulse {before:g}; a fit needs the conductance after every pulse, so number pulses without gaps"
                )
        values = np.array([train[order][1] for order in orders])
        yield max(number for number, _ in train.values()), Train(device, cycle, polarity == "P", values)
