"""Diodes with measured current-voltage curves, and the reading of such curves."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import DataError, InputError
from contrastive_core.files.arrays import load_arrays
from contrastive_core.files.bounded import read_table
from contrastive_core.files.numbers import is_number


@final
@dataclass(frozen=True)
class MeasuredDiode:
    """Straight lines between measured points, which go on beyond the first and the last.

    The current never falls, so that the content is convex and every node has one voltage; it is found by bisection over the points, in
    O(log K).

    Attributes
    ----------
    voltages : tuple of float
        Forward voltages in volt, strictly increasing, two or more.
    currents : tuple of float
        Currents in ampere, nowhere decreasing.

    Raises
    ------
    InputError
        If they are no such curve, with the number of the first point that is wrong.
    """

    ideal = False
    voltages: tuple[float, ...]
    currents: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.voltages) != len(self.currents) or len(self.voltages) < 2:
            raise InputError(f"a curve needs two or more points, got {len(self.voltages)} voltages and {len(self.currents)} currents")
        wrong = first_fault(self.voltages, self.currents)
        if wrong is not None:
            raise InputError(f"point {wrong[0] + 1} of the curve {wrong[1]}")

    def _points(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return voltages, currents and the slopes between them, the last one twice."""
        voltages, currents = like.new_tensor(self.voltages), like.new_tensor(self.currents)
        slopes = currents.diff() / voltages.diff()
        return voltages, currents, torch.cat([slopes, slopes[-1:]])

    def _segment(self, voltages: Tensor, voltage: Tensor) -> Tensor:
        return (torch.searchsorted(voltages, voltage.detach().contiguous(), right=True) - 1).clamp(0, len(voltages) - 2)

    def current(self, voltage: Tensor) -> Tensor:
        """Return the interpolated current."""
        voltages, currents, slopes = self._points(voltage)
        index = self._segment(voltages, voltage)
        return currents[index] + slopes[index] * (voltage - voltages[index])

    def content(self, voltage: Tensor) -> Tensor:
        """Return the integral of the interpolated current from 0 V."""
        return self._integral(voltage) - self._integral(torch.zeros_like(voltage))

    def _integral(self, voltage: Tensor) -> Tensor:
        voltages, currents, slopes = self._points(voltage)
        areas = torch.cat([voltages.new_zeros(1), (0.5 * (currents[1:] + currents[:-1]) * voltages.diff()).cumsum(0)])
        index = self._segment(voltages, voltage)
        along = voltage - voltages[index]
        return areas[index] + along * (currents[index] + 0.5 * slopes[index] * along)

    def slope(self, voltage: Tensor) -> Tensor:
        """Return the slope of the line that the voltage lies on."""
        voltages, _, slopes = self._points(voltage)
        return slopes[self._segment(voltages, voltage)]

    def solve(self, conductance: Tensor, current: Tensor) -> Tensor:
        """Return the voltage on the line on which Kirchhoff's law holds."""
        current = current + torch.zeros_like(conductance)  # to the shape of both
        voltages, currents, slopes = self._points(current)
        with torch.no_grad():
            low = torch.zeros(current.shape, dtype=torch.int64, device=current.device)
            high = torch.full_like(low, len(voltages) - 1)
            for _ in range(math.ceil(math.log2(len(voltages)))):
                middle = (low + high) // 2
                below = (conductance * voltages[middle] + currents[middle] <= current) & (middle > low)
                low, high = torch.where(below, middle, low), torch.where(below, high, torch.maximum(middle, low + 1))
        slope = slopes[low]
        return (current - currents[low] + slope * voltages[low]) / (conductance + slope)

    def project(self, voltage: Tensor) -> Tensor:
        """Return the voltage itself: there is no bound."""
        return voltage


def first_fault(voltages: Sequence[float], currents: Sequence[float]) -> tuple[int, str] | None:
    """Find the first point of a curve that is not finite or does not go on as a diode's does.

    Parameters
    ----------
    voltages, currents : sequence of float
        Points of the curve, of equal length.

    Returns
    -------
    tuple of int and str, optional
        Index of the point, and the end of a sentence; None for a good curve.
    """
    for index, (voltage, current) in enumerate(zip(voltages, currents, strict=True)):
        if not (math.isfinite(voltage) and math.isfinite(current)):
            return index, f"is not finite: {voltage}, {current}; leave it out"
        if index and not voltage > voltages[index - 1]:
            return index, f"does not increase the voltage: {voltage:g} V after {voltages[index - 1]:g} V; sort the points and drop doubles"
        if index and current < currents[index - 1]:
            return index, f"lowers the current: {current:g} A after {currents[index - 1]:g} A; smooth the curve, it must never fall"
    return None


def read_curve(path: Path) -> MeasuredDiode:
    """Read a measured curve.

    Parameters
    ----------
    path : Path
        CSV with the columns voltage and current, and a line of names if it has one; or NPZ with the arrays ``v`` and ``i``.

    Returns
    -------
    MeasuredDiode
        The diode.

    Raises
    ------
    DataError
        If the file cannot be read or is no curve, with the number of the line.
    """
    try:
        if path.suffix.lower() == ".npz":
            arrays = load_arrays(path)
            points = [(0, float(v), float(i)) for v, i in zip(arrays["v"].ravel(), arrays["i"].ravel(), strict=True)]
            unit = "point"
        else:
            points, unit = _rows(path), "line"
    except OSError as error:
        raise DataError(f"cannot read the curve {path}: {error.strerror}; give a CSV or NPZ file") from error
    except (KeyError, ValueError, csv.Error) as error:
        raise DataError(f"{path} is no curve: {error}; give columns, or arrays v and i, of voltages and currents") from error
    voltages, currents = tuple(v for _, v, _ in points), tuple(i for _, _, i in points)
    if len(points) < 2:
        raise DataError(f"{path} has {len(points)} points; a curve needs two or more")
    wrong = first_fault(voltages, currents)
    if wrong is not None:
        where = points[wrong[0]][0] if unit == "line" else wrong[0] + 1
        raise DataError(f"{path}, {unit} {where} {wrong[1]}")
    return MeasuredDiode(voltages, currents)


def _rows(path: Path) -> list[tuple[int, float, float]]:
    rows: list[tuple[int, float, float]] = []
    for number, row in enumerate(csv.reader(read_table(path).splitlines()), start=1):
        if not row or (number == 1 and not is_number(row[0])):
            continue
        if len(row) != 2 or not all(map(is_number, row)):
            raise ValueError(f"line {number} is not two numbers: {','.join(row)[:60]!r}")
        rows.append((number, float(row[0]), float(row[1])))
    return rows
