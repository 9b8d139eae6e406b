"""The results of a sweep as a CSV file, written piece by piece."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from contrastive_core.errors import InputError
from contrastive_core.files.writing import write_pieces
from experiments.runs.records import STATUSES
from experiments.sweeps.axes import points
from experiments.sweeps.results import Results, label
from experiments.sweeps.study import Study

_ROWS_AT_ONCE = 10_000
"""Rows of a table that are written at once."""


def to_csv(results: Results, *, timing: bool = False) -> Iterator[bytes]:
    """Write the results as a table that depends on nothing but the study.

    Parameters
    ----------
    results : Results
        Results of all trials.
    timing : bool
        Whether to add what depends on the machine: seconds, and metrics of time.

    Yields
    ------
    bytes
        Some thousand rows of the table: one row per trial, floats with all their digits, nothing where there is no value.
    """
    study = results.study
    axes = [key for axis in study.axes for key in axis.keys]
    names = [
        name for name in sorted({*results.numbers, *results.texts, *results.lists}) if timing or not study.described.metric(name).timing
    ]
    places = enumerate(_places(study, study.shape[-1]))
    for start in range(0, len(results.seeds), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        columns = {heading: cells for name in names for heading, cells in _columns(results, name, part).items()}
        if timing:
            columns["seconds"] = map(_cell, results.seconds[part].tolist())
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if start == 0:
            writer.writerow(["trial", *axes, "replicate", "seed", "status", "error", *columns])
        known = zip(results.seeds[part], results.status[part].tolist(), strict=True)
        for (index, (point, replicate)), (seed, code), *cells in zip(islice(places, _ROWS_AT_ONCE), known, *columns.values(), strict=True):
            error = results.errors.get(index, "")
            writer.writerow([index, *map(label, point.values()), replicate, seed, STATUSES[code], error, *cells])
        yield text.getvalue().encode()


def _places(study: Study, seeds: int) -> Iterator[tuple[dict[str, Any], int]]:
    return ((point, replicate) for point in points(study.axes) for replicate in range(seeds))


def _columns(results: Results, name: str, part: slice) -> dict[str, Iterator[str]]:
    if name in results.lists:
        return {f"{name}_{place + 1}": map(_cell, column.tolist()) for place, column in enumerate(results.lists[name][part].T)}
    return {name: _cells(results, name, part)}


def _cells(results: Results, name: str, part: slice) -> Iterator[str]:
    if name in results.texts:
        return iter(results.texts[name][part].tolist())
    values = results.numbers[name][part].tolist()
    if name in results.integers:
        return ("" if value != value else str(int(value)) for value in values)
    return map(_cell, values)


def _cell(value: float) -> str:
    return "" if value != value else repr(value)


def write_csv(pieces: Callable[[], Iterator[bytes]], path: Path) -> str:
    """Write a table whole or not at all, never over another file, and return the SHA-256 of its bytes.

    Parameters
    ----------
    pieces : callable
        Gives the table piece by piece, the same each time.
    path : Path
        File of the table.

    Raises
    ------
    InputError
        If the file exists and holds something else.
    OSError
        If it cannot be written.
    """
    if path.is_file() and path.stat().st_size:
        total = hashlib.sha256()
        for piece in pieces():
            total.update(piece)
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").digest() != total.digest():
                raise InputError(f"{path} exists and holds something else; remove it, or choose another --csv")
    total = hashlib.sha256()

    def counted() -> Iterator[bytes]:
        for piece in pieces():
            total.update(piece)
            yield piece

    write_pieces(path, counted())
    return total.hexdigest()
