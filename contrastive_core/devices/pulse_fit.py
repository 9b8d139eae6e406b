"""Measured pulse responses: reading them, and fitting a device to them."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from contrastive_core.errors import DataError
from contrastive_core.files.numbers import is_number

Array = NDArray[np.float64]
_FEWEST = 3
_TIDY = ("device_id", "cycle", "pulse", "polarity", "conductance_S")
_LAYOUTS = f"expected two columns of conductances in siemens without a header, up and down, or a header with {','.join(_TIDY)}"


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


@dataclass(frozen=True)
class Fit:
    """An exponential device fitted to pulse responses.

    Attributes
    ----------
    g_min, g_max : float
        Range, in siemens: from the mean first to the mean last conductance of a train.
    alpha_p, alpha_d : float
        Nonlinearity of potentiation and depression.
    num_pulses : int
        Pulses over the range.
    n_states : int
        Conductances that a train visits.
    sigma_c2c : float
        Spread of a pulse's step about the fitted one, relative to the mean step. Noise of the measurement counts too: an upper bound.
    sigma_d2d : float, optional
        Spread of the devices' mean steps, relative to their mean; None with one device.
    residual : float
        Root mean square distance of the data from the fit, as a fraction of the range.
    """

    g_min: float
    g_max: float
    alpha_p: float
    alpha_d: float
    num_pulses: int
    n_states: int
    sigma_c2c: float
    sigma_d2d: float | None
    residual: float

    def curve(self, potentiating: bool) -> Array:
        """Return the fitted conductances of a train, of shape (P + 1,), in siemens."""
        share = np.linspace(0, 1, self.num_pulses + 1)
        if potentiating:
            return self.g_min + (self.g_max - self.g_min) * _rise(share, self.alpha_p)
        return self.g_max - (self.g_max - self.g_min) * _rise(share, self.alpha_d)

    def record(self) -> dict[str, float | int | None]:
        """Return the parameters by name."""
        return asdict(self)


def read_pulses(path: Path) -> list[Train]:
    """Read pulse responses from a CSV file in either of two layouts.

    Without a header: two columns of consecutive conductances, under potentiating and under depressing pulses. With a header:
    ``device_id,cycle,pulse,polarity,conductance_S`` in any order, polarity P or D; other columns are not read.

    Parameters
    ----------
    path : Path
        File in UTF-8, with or without a byte-order mark.

    Raises
    ------
    DataError
        If the file cannot be read, a value is not a positive number, or a train is shorter than three pulses; with the line's number.
    """
    try:
        rows = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read pulse data {path} ({error}); give a CSV file of conductances") from error
    numbered = [(number, row) for number, row in enumerate(rows, start=1) if any(cell.strip() for cell in row)]
    if not numbered:
        raise DataError(f"{path} is empty; {_LAYOUTS}")
    first, cells = numbered[0][0], [cell.strip() for cell in numbered[0][1]]
    if "conductance_S" not in cells and not any(map(is_number, cells)):
        raise DataError(f"line {first} of {path} is another header, {','.join(cells)!r}; {_LAYOUTS}")
    trains = list(_tidy(path, numbered) if "conductance_S" in cells else _columns(path, numbered))
    for last, train in trains:
        if len(train.conductance) < _FEWEST + 1:
            what = "potentiating" if train.potentiating else "depressing"
            raise DataError(
                f"line {last} of {path} ends a train of {len(train.conductance) - 1} {what} pulses of device {train.device}; a fit needs "
                f"{_FEWEST} at least"
            )
    return [train for _, train in trains]


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


def _columns(path: Path, rows: Sequence[tuple[int, list[str]]]) -> Iterator[tuple[int, Train]]:
    """Read two columns; each train with the number of its last line."""
    for number, row in rows:
        if len(row) != 2:
            raise DataError(f"line {number} of {path} has {len(row)} columns; {_LAYOUTS}")
    for column, potentiating in ((0, True), (1, False)):
        yield rows[-1][0], Train("1", "1", potentiating, np.array([_positive(path, number, row[column]) for number, row in rows]))


def _tidy(path: Path, rows: Sequence[tuple[int, list[str]]]) -> Iterator[tuple[int, Train]]:
    """Read one row per pulse; each train with the number of its last line."""
    header = [cell.strip() for cell in rows[0][1]]
    missing = set(_TIDY) - set(header)
    if missing:
        raise DataError(f"line {rows[0][0]} of {path} lacks the columns {', '.join(sorted(missing))}; add them")
    groups: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    lasts: dict[tuple[str, str, str], int] = {}
    for number, row in rows[1:]:
        if len(row) != len(header):
            raise DataError(f"line {number} of {path} has {len(row)} columns, the header {len(header)}; correct it")
        cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
        if cells["polarity"] not in ("P", "D"):
            raise DataError(f"line {number} of {path}: polarity is P or D, got {cells['polarity']!r}")
        try:
            order = float(cells["pulse"])
        except ValueError as error:
            raise DataError(f"line {number} of {path}: pulse is a number, got {cells['pulse']!r}") from error
        key = (cells["device_id"], cells["cycle"], cells["polarity"])
        groups.setdefault(key, []).append((order, _positive(path, number, cells["conductance_S"])))
        lasts[key] = number
    for (device, cycle, polarity), values in groups.items():
        # Rows may stand in any order; the pulse number sorts them.
        yield lasts[device, cycle, polarity], Train(device, cycle, polarity == "P", np.array([value for _, value in sorted(values)]))


def _rise(share: Array, alpha: float) -> Array:
    """Return the normalised exponential rise; ``alpha`` 0 is a straight line, below 0 the steps grow."""
    return share if abs(alpha) < 1e-9 else np.expm1(-alpha * share) / np.expm1(-alpha)


def fit_pulses(trains: Sequence[Train]) -> Fit:
    """Fit an exponential device to pulse responses by least squares, all trains at once.

    Parameters
    ----------
    trains : sequence of Train
        Trains, at least one of each polarity.

    Raises
    ------
    DataError
        If a polarity is missing, or conductances do not rise under potentiation.
    """
    ups, downs = ([train.conductance for train in trains if train.potentiating is up] for up in (True, False))
    if not ups or not downs:
        raise DataError("a fit needs trains of both polarities, potentiating (P) and depressing (D); measure the other one too")
    low = float(np.mean([train[0] for train in ups] + [train[-1] for train in downs]))
    high = float(np.mean([train[-1] for train in ups] + [train[0] for train in downs]))
    if not low < high:
        raise DataError(f"conductances go from {low:g} to {high:g} S under potentiation; they have to rise, swap the polarities or columns")

    def distances(parameters: Array) -> Array:
        floor, span, alpha_p, alpha_d = parameters
        rising = [train - floor - span * _rise(_shares(train), alpha_p) for train in ups]
        falling = [train - floor - span * (1 - _rise(_shares(train), alpha_d)) for train in downs]
        return np.concatenate(rising + falling) / (high - low)

    # Siemens are millionths beside nonlinearities of order 1: without scales the solver would leave them.
    start = np.array([low, high - low, 1.0, 1.0])
    solution = least_squares(distances, start, x_scale=[high - low, high - low, 1, 1], bounds=([0, 0, -50, -50], [np.inf, np.inf, 50, 50]))
    floor, span, alpha_p, alpha_d = (float(value) for value in solution.x)
    num_pulses = max(len(train) - 1 for train in (*ups, *downs))
    steps = [(np.diff(train), span * np.diff(_rise(_shares(train), alpha_p))) for train in ups]
    steps += [(np.diff(train), -span * np.diff(_rise(_shares(train), alpha_d))) for train in downs]
    mean_step = float(np.mean([np.mean(np.abs(expected)) for _, expected in steps]))
    noise = float(np.sqrt(np.mean(np.concatenate([got - expected for got, expected in steps]) ** 2))) / mean_step
    residual = float(np.sqrt(np.mean(solution.fun**2)))
    return Fit(floor, floor + span, alpha_p, alpha_d, num_pulses, num_pulses + 1, noise, _between_devices(trains), residual)


def _shares(train: Array) -> Array:
    return np.linspace(0, 1, len(train))


def _between_devices(trains: Sequence[Train]) -> float | None:
    """Return the relative spread of the devices' mean steps."""
    by_device: dict[str, list[float]] = {}
    for train in trains:
        by_device.setdefault(train.device, []).append(float(np.mean(np.abs(np.diff(train.conductance)))))
    means = [float(np.mean(values)) for values in by_device.values()]
    return float(np.std(means, ddof=1) / np.mean(means)) if len(means) > 1 else None
