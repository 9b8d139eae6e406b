"""Programming tables as files that other programs read and write: a matrix with a header for each array, as CSV files or in one NPZ."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Set
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from contrastive_core.devices.conductance import Conductance, Pairing
from contrastive_core.devices.programming import Matrix, ProgrammedArray, ProgrammingTable
from contrastive_core.devices.pulse_files import UNITS
from contrastive_core.errors import DataError, InputError
from contrastive_core.files.arrays import load_arrays
from contrastive_core.files.numbers import is_number
from contrastive_core.files.writing import write_named

FORMAT = "eqlab programming table 1"

SIDES = {Pairing.SINGLE: ("g",), Pairing.OFFSET: ("g",), Pairing.DIFFERENTIAL: ("plus", "minus")}
"""Arrays that hold the weights of a parameter, by the pairing."""

FORMULAS = {
    Pairing.SINGLE: "weight_per_siemens * g",
    Pairing.OFFSET: "weight_per_siemens * (g - reference_siemens)",
    Pairing.DIFFERENTIAL: "weight_per_siemens * (plus - minus)",
}
"""Weights in terms of conductances in siemens: the convention of signs, as headers state it."""

_LARGEST_FILE = 2**28
_TOO_LARGE = 100.0
"""Conductances beyond this many times the end of the range are numbers in another unit, not deviations."""


class Sheet(NamedTuple):
    """A matrix with its header.

    Attributes
    ----------
    header : dict of str to str
        Lines ``# key: value`` of a CSV file.
    values : ndarray of shape (rows, columns)
        Numbers.
    """

    header: dict[str, str]
    values: np.ndarray


def sheets_of(table: ProgrammingTable) -> dict[str, Sheet]:
    """Return the sheets of a table: conductances and pulses of every array by its side, and each vector as one row."""
    kind, found = table.conductance, {}
    for name, array in table.arrays.items():
        for index, side in enumerate(SIDES[kind.pairing]):
            place = {"format": FORMAT, "array": name, "side": side, "rows": f"{array.siemens.shape[1]} units below"}
            place |= {"columns": f"{array.siemens.shape[2]} units above"}
            scale = {
                "unit": "siemens",
                "weight": FORMULAS[kind.pairing],
                "weight_per_siemens": repr(kind.weight_per_siemens(array.w_max)),
                **({"reference_siemens": repr(kind.g_min + kind.span * kind.reference)} if kind.pairing is Pairing.OFFSET else {}),
                "pairing": kind.pairing.value,
                "g_min": repr(kind.g_min),
                "g_max": repr(kind.g_max),
                "tolerance": repr(table.tolerance),
            }
            found[f"{name}.{side}"] = Sheet(place | scale, array.siemens[index])
            if name in table.pulses:
                counted = {"unit": "pulses", "start": "g_min", "direction": "potentiating"}
                found[f"{name}.{side}.pulses"] = Sheet(place | counted, table.pulses[name][index])
    for name, vector in table.vectors.items():
        place = {"format": FORMAT, "vector": name, "rows": "1", "columns": f"{vector.size} units", "unit": "dimensionless"}
        found[name] = Sheet(place, vector[None])
    return found


def write_table(path: Path, table: ProgrammingTable) -> list[str]:
    """Write a programming table.

    Parameters
    ----------
    path : Path
        An NPZ file, if it ends in .npz; else a directory for a CSV file per sheet, which is made.
    table : ProgrammingTable
        Table to write.

    Returns
    -------
    list of str
        Names of the sheets.

    Raises
    ------
    InputError
        If the path has another ending, cannot be written, is a directory with other files, or holds another table.
    """
    if path.suffix not in ("", ".npz"):
        raise InputError(f"a programming table is a directory of CSV files or one .npz file, got {path}; give either")
    sheets = sheets_of(table)
    try:
        if path.suffix == ".npz":
            stream = io.BytesIO()
            arrays = {name: sheet.values for name, sheet in sheets.items()}
            texts = {f"{name}.header": np.array("\n".join(_lines(sheet))) for name, sheet in sheets.items()}
            np.savez_compressed(stream, **arrays, **texts)  # type: ignore[arg-type]
            write_named({path: stream.getvalue()}, "place")
        else:
            path.mkdir(exist_ok=True)
            if others := sorted({entry.name for entry in path.iterdir()} - {f"{name}.csv" for name in sheets}):
                raise InputError(f"{path} holds other files ({', '.join(others[:3])}); choose an empty directory, or a new one")
            write_named({path / f"{name}.csv": _csv_of(sheet) for name, sheet in sheets.items()}, "place")
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}); choose another place") from error
    return list(sheets)


def _lines(sheet: Sheet) -> Iterator[str]:
    return (f"{key}: {value}" for key, value in sheet.header.items())


def _csv_of(sheet: Sheet) -> bytes:
    text = io.StringIO()
    text.writelines(f"# {line}\n" for line in _lines(sheet))
    csv.writer(text, lineterminator="\n").writerows(sheet.values.tolist())  # floats in as few digits as are exact
    return text.getvalue().encode()


def read_table(path: Path, shapes: Mapping[str, tuple[int, int]], sizes: Mapping[str, int]) -> tuple[ProgrammingTable, list[str]]:
    """Read the conductances of a chip, in the files of a programming table; pulses may be left out.

    Parameters
    ----------
    path : Path
        Directory of CSV files, or an NPZ file.
    shapes : mapping of str to tuple of int
        Rows and columns of every array that the network has. Ranges and scales are those of the headers.
    sizes : mapping of str to int
        Length of every vector that the network has.

    Returns
    -------
    table : ProgrammingTable
        Measured conductances, without pulses.
    warnings : list of str
        Doubts about the unit.

    Raises
    ------
    DataError
        If a file is missing, too much or damaged, or has another shape, an unknown unit, or values that are no conductances.
    """
    sheets = _from_npz(path) if path.suffix == ".npz" else _from_directory(path, {*shapes, *sizes})
    sheets = {name: sheet for name, sheet in sheets.items() if not name.endswith(".pulses")}
    kind = _conductance(path, sheets)
    wanted = [f"{name}.{side}" for name in shapes for side in SIDES[kind.pairing]]
    if missing := [name for name in (*wanted, *sizes) if name not in sheets]:
        raise DataError(f"{path} lacks {', '.join(missing)}; give every file that 'eqlab device export' wrote for this trial")
    if others := sorted(sheets.keys() - set(wanted) - set(sizes)):
        raise DataError(f"{path} has {', '.join(others)}, which this network does not have; give the table of this trial")
    arrays, warnings = {}, []
    for name, expected in shapes.items():
        sides = [sheets[f"{name}.{side}"] for side in SIDES[kind.pairing]]
        for side, sheet in zip(SIDES[kind.pairing], sides, strict=True):
            stated = (sheet.header.get("array", name), sheet.header.get("side", side))
            if stated != (name, side):
                raise DataError(f"{path}: {name}.{side} says that it holds {'.'.join(stated)}; give every array and side its own values")
            _check_shape(path, f"{name}.{side}", sheet.values.shape, expected)
        siemens = np.stack([_siemens(path, f"{name}.{side}", sheets[f"{name}.{side}"]) for side in SIDES[kind.pairing]])
        for side, matrix in zip(SIDES[kind.pairing], siemens, strict=True):
            if (most := float(matrix.max())) * _TOO_LARGE < kind.g_min:
                warnings.append(
                    f"conductances of {name}.{side} reach {most:g} siemens only, where no device has less than {kind.g_min:g}; "
                    "state the unit of the values in the header"
                )
        if (largest := float(siemens.max())) > _TOO_LARGE * kind.g_max:
            warnings.append(
                f"conductances of {name} reach {largest:g} siemens, {largest / kind.g_max:.3g} times g_max; if they are microsiemens, "
                "state '# unit: microsiemens' in the headers"
            )
        # The factor from siemens to weights is linear in the weight at the end of the range.
        factor = _number(path, f"{name}.{SIDES[kind.pairing][0]}", sides[0].header, "weight_per_siemens")
        arrays[name] = ProgrammedArray(siemens, factor / kind.weight_per_siemens(1.0))
    vectors = {}
    for name, size in sizes.items():
        _check_shape(path, name, sheets[name].values.shape, (1, size))
        if not np.isfinite(sheets[name].values).all():
            raise DataError(f"{path}: {name} has values that are not finite; correct them")
        vectors[name] = sheets[name].values[0]
    tolerance = _number(path, wanted[0], sheets[wanted[0]].header, "tolerance")
    return ProgrammingTable(kind, tolerance, arrays, vectors, {}), warnings


def _conductance(path: Path, sheets: Mapping[str, Sheet]) -> Conductance:
    """Return the range that the headers state, which is the same in all of them."""
    stated = {}
    for name, sheet in sheets.items():
        if "array" in sheet.header:
            pairing = sheet.header.get("pairing", "none")
            if pairing not in [one.value for one in Pairing]:
                raise DataError(f"{path}: the header of {name} has the pairing {pairing!r}; keep the lines that begin with #")
            low, high = (_number(path, name, sheet.header, key) for key in ("g_min", "g_max"))
            stated[name] = Conductance(low, high, Pairing(pairing))
            if pairing == "offset":
                fixed = _number(path, name, sheet.header, "reference_siemens")
                stated[name] = replace(stated[name], reference=(fixed - low) / (high - low))
    if not stated:
        raise DataError(f"{path} has no array with the header of a programming table; keep the lines that begin with #")
    if len(set(stated.values())) > 1:
        raise DataError(f"{path}: the headers of {', '.join(stated)} state different ranges; give files of one table")
    return next(iter(stated.values()))


def _number(path: Path, name: str, header: Mapping[str, str], key: str) -> float:
    text = header.get(key, "nothing")
    if not is_number(text) or not np.isfinite(float(text)):
        raise DataError(f"{path}: the header of {name} has {text!r} for {key}, which must be a number; keep the lines that begin with #")
    return float(text)


def _siemens(path: Path, name: str, sheet: Sheet) -> Matrix:
    unit = sheet.header.get("unit", "none")
    if unit not in UNITS:
        raise DataError(f"{path}: the header of {name} states the unit {unit!r}; state one of: {', '.join(UNITS)}")
    values = np.asarray(sheet.values, dtype=np.float64)
    # A resistance of 0 has no conductance; a conductance of 0 is an open device.
    if not np.isfinite(values).all() or values.min() < 0 or (unit.endswith("ohm") and values.min() == 0):
        raise DataError(f"{path}: {name} has values that are no conductances; they must be finite numbers from 0 upwards")
    convert = UNITS[unit]
    return np.vectorize(convert, otypes=[np.float64])(values) if unit != "siemens" else values


def _check_shape(path: Path, name: str, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if shape != expected:
        found, wanted = ("x".join(map(str, one)) for one in (shape, expected))
        raise DataError(f"{path}: {name} has {found} values and the network needs {wanted} (rows are units below, columns units above)")


def _from_npz(path: Path) -> dict[str, Sheet]:
    try:
        stored = load_arrays(path)
        headers = {name.removesuffix(".header"): str(text) for name, text in stored.items() if name.endswith(".header")}
        if texts := [name for name in headers if stored[name].dtype.kind not in "iuf"]:
            raise ValueError(f"{', '.join(texts)} has no numbers")
        return {name: Sheet(_read_header(text.splitlines()), np.atleast_2d(stored[name])) for name, text in headers.items()}
    except (OSError, ValueError, KeyError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"it lacks {error}" if isinstance(error, KeyError) else error
        raise DataError(f"cannot read a programming table from {path} ({reason}); give a file that 'eqlab device export' wrote") from error


def _from_directory(path: Path, expected: Set[str]) -> dict[str, Sheet]:
    if not path.is_dir():
        raise DataError(f"{path} is not a directory of CSV files nor an .npz file; give the table that 'eqlab device export' wrote")
    sheets = {}
    for file in sorted(path.glob("*.csv")):
        name = file.name.removesuffix(".csv")
        try:
            sheets[name] = _read_sheet(file)
        except DataError:  # notes beside a table are no part of it
            if {name, name.rpartition(".")[0]} & expected:
                raise
    return sheets


def _read_sheet(file: Path) -> Sheet:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise DataError(f"{file} is larger than {_LARGEST_FILE} bytes; give a file per array")
        lines = file.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"cannot read {file} ({error.strerror}); give a CSV file of a programming table") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not text in UTF-8 ({error}); give a CSV file of a programming table") from error
    header = _read_header([line[1:] for line in lines if line.startswith("#")])
    rows: list[list[float]] = []
    for number, line in enumerate(lines, start=1):
        if line.startswith("#") or not line.strip():
            continue
        cells = line.split(",")
        if not all(map(is_number, cells)) or (rows and len(cells) != len(rows[0])):
            raise DataError(
                f"line {number} of {file} is no row of numbers like the others; give {len(rows[0]) if rows else 'only'} numbers"
            )
        rows.append([float(cell) for cell in cells])
    if not rows:
        raise DataError(f"{file} has no numbers; give a row per unit below")
    return Sheet(header, np.array(rows))


def _read_header(lines: list[str]) -> dict[str, str]:
    parts = [line.partition(":") for line in lines]
    return {key.strip(): value.strip() for key, _, value in parts}
