"""Programming tables as one list of cells, a row for each device: the layout that programmers of arrays read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from contrastive_core.devices.conductance_files import sheets_of
from contrastive_core.devices.programming import ProgrammingTable
from contrastive_core.errors import InputError
from contrastive_core.files.writing import write_named

COLUMNS = ("array", "row", "column", "target_siemens", "tolerance_siemens")
"""Columns of every list; ``pulses`` follows if the table has them."""


def write_cells(path: Path, table: ProgrammingTable) -> list[str]:
    """Write a row for each device: its array, row and column from 0, target, tolerance and pulses from the smallest conductance.

    Arrays have the names of the matrices that :func:`~contrastive_core.devices.conductance_files.write_table` writes, such as
    ``weight_1.plus``. Biases are no devices and not in the list, and neither is the scale from siemens to weights.

    Parameters
    ----------
    path : Path
        File to write.
    table : ProgrammingTable
        Table.

    Returns
    -------
    list of str
        Names of the arrays.

    Raises
    ------
    InputError
        If the file cannot be written, or holds something else.
    """
    sheets = sheets_of(table)
    arrays = {name: sheet.values for name, sheet in sheets.items() if sheet.header["unit"] == "siemens"}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *(["pulses"] if table.pulses else [])])
    for name, values in arrays.items():
        columns = [values.ravel().tolist(), [table.tolerance] * values.size]
        if table.pulses:
            columns.append(sheets[f"{name}.pulses"].values.ravel().tolist())
        places = np.ndindex(*values.shape)
        writer.writerows((name, row, column, *cell) for (row, column), *cell in zip(places, *columns, strict=True))
    try:
        write_named({path: text.getvalue().encode()}, "place")
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}); choose another place") from error
    return list(arrays)
