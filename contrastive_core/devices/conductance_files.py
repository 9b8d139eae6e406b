"""Conductances in files that other programs read: one line per device, as CSV or as NPZ."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contrastive_core.devices.conductance import Pairing
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.errors import DataError, InputError
from contrastive_core.files.arrays import load_arrays
from contrastive_core.files.writing import write_bytes

COLUMNS = ("layer", "i", "j", "G_plus", "G_minus")
"""Columns of both formats: the array, its row (the unit below) and column (the unit above), and two conductances in siemens."""


class Pair(NamedTuple):
    """The two conductances of every weight of a layer.

    Attributes
    ----------
    plus, minus : ndarray of shape (below, above)
        Siemens.
    """

    plus: NDArray[np.float64]
    minus: NDArray[np.float64]


def conductances(held: OnDevice) -> dict[str, Pair]:
    """Return the programmed conductances of a network by layer.

    Weights are :func:`weights_per_siemens` times the difference of the two: the second is the reference of an offset pair, and 0 where
    a single conductance is the weight.

    Parameters
    ----------
    held : OnDevice
        Network on a device. Layers are numbered as their parameters are; feedback arrays keep the names of their parameters. Devices
        without rows and columns, such as resistors on a graph, make one column in the order of their parameter.
    """
    kind, found = held.device.conductance, {}
    for name, level in held.levels().items():
        siemens = kind.siemens(level.detach().double()).cpu().numpy()
        if kind.pairing is Pairing.DIFFERENTIAL:
            minus = siemens[1]
        else:
            minus = np.full_like(siemens[0], kind.g_min + kind.span * kind.reference if kind.pairing is Pairing.OFFSET else 0.0)
        below = len(minus)
        found[_layer(name)] = Pair(siemens[0].reshape(below, -1), minus.reshape(below, -1))
    return found


def weights_per_siemens(held: OnDevice) -> dict[str, float]:
    """Return the factor from the difference of two conductances to the weight, by layer."""
    kind = held.device.conductance
    return {_layer(name): kind.weight_per_siemens(largest) for name, largest in held.largest_weights().items()}


def _layer(name: str) -> str:
    kind, _, number = name.rpartition("_")
    return name if kind == "feedback" else number


def write_conductances(path: Path, layers: Mapping[str, Pair]) -> None:
    """Write conductances to a CSV or NPZ file, whole or not at all.

    Parameters
    ----------
    path : Path
        File to write, ending in .csv or .npz.
    layers : mapping of str to Pair
        Conductances of each layer, by its name.

    Raises
    ------
    InputError
        If the ending is another one, a conductance is not finite, or the file cannot be written.
    """
    if path.suffix not in (".csv", ".npz"):
        raise InputError(f"conductances are written as .csv or .npz, got {path}; choose one of these endings")
    names, rows, columns, plus, minus = [], [], [], [], []
    for name, pair in layers.items():
        if lost := int((~(np.isfinite(pair.plus) & np.isfinite(pair.minus))).sum()):
            raise InputError(f"{lost} conductances of layer {name} are not finite, so that the training diverged; train with a lower rate")
        grid = np.indices(pair.plus.shape)
        names.append(np.full(pair.plus.size, name))
        rows.append(grid[0].ravel())
        columns.append(grid[1].ravel())
        plus.append(pair.plus.ravel())
        minus.append(pair.minus.ravel())
    table = dict(zip(COLUMNS, (np.concatenate(part) for part in (names, rows, columns, plus, minus)), strict=True))
    if path.suffix == ".npz":
        stream = io.BytesIO()
        np.savez_compressed(stream, **table)  # type: ignore[arg-type]
        content = stream.getvalue()
    else:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(zip(*(column.tolist() for column in table.values()), strict=True))  # floats in as few digits as are exact
        content = text.getvalue().encode()
    try:
        write_bytes(path, content)
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}); choose another file") from error


def read_conductances(path: Path) -> dict[str, Pair]:
    """Read a file that :func:`write_conductances` wrote.

    Raises
    ------
    DataError
        If the file cannot be read, or is not of this kind; with the number of the line of a CSV file.
    """
    table = _from_npz(path) if path.suffix == ".npz" else _from_csv(path)
    names, rows, columns, plus, minus = (table[column] for column in COLUMNS)
    layers = {}
    for name in dict.fromkeys(names.tolist()):
        mine = names == name
        shape = (int(rows[mine].max()) + 1, int(columns[mine].max()) + 1)
        if mine.sum() != shape[0] * shape[1]:
            raise DataError(f"{path}: layer {name} has {mine.sum()} devices, and {shape[0]} x {shape[1]} places; give each once")
        pair = Pair(np.empty(shape), np.empty(shape))
        pair.plus[rows[mine], columns[mine]], pair.minus[rows[mine], columns[mine]] = plus[mine], minus[mine]
        layers[str(name)] = pair
    return layers


def _from_npz(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        stored = load_arrays(path)
        return {column: stored[column] for column in COLUMNS}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"cannot read conductances from {path} ({error}); give a file with the arrays {', '.join(COLUMNS)}") from error


def _from_csv(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        rows = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read conductances from {path} ({error}); give a CSV file with {','.join(COLUMNS)}") from error
    if not rows or tuple(rows[0]) != COLUMNS or len(rows) < 2:
        raise DataError(f"line 1 of {path} is not {','.join(COLUMNS)}, followed by a line per device")
    read: list[tuple[str, int, int, float, float]] = []
    for number, row in enumerate(rows[1:], start=2):
        try:
            name, i, j, plus, minus = row
            device = (name, int(i), int(j), float(plus), float(minus))
        except ValueError as error:
            raise DataError(f"line {number} of {path} is no device ({error}); expected {','.join(COLUMNS)}") from error
        if min(device[1], device[2]) < 0 or not (0 <= device[3] < np.inf and 0 <= device[4] < np.inf):
            raise DataError(f"line {number} of {path}: places and conductances are finite and not negative, got {','.join(row)}")
        read.append(device)
    return dict(zip(COLUMNS, (np.array(column) for column in zip(*read, strict=True)), strict=True))
