"""Tables of named columns: CSV and Parquet files, and those of OpenML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from contrastive_core.data.own.answers import answers
from contrastive_core.data.own.kinds import OPENML, ChosenColumns, OwnArrays
from contrastive_core.errors import DataError, InputError
from contrastive_core.files.bounded import LARGEST
from contrastive_core.registry import unknown_name

if TYPE_CHECKING:
    import pandas

SPLIT = "split"
"""Column that divides the samples, where there is one."""
_SHOWN = 12
"""Columns that a message names."""


def read_csv(name: str, columns: ChosenColumns) -> OwnArrays:
    """Read a CSV file with a row of names.

    Raises
    ------
    DataError
        If there is no such file, or it is no table.
    InputError
        If columns are unknown, or hold what they cannot be.
    """
    return of_table(open_table(name), columns, Path(name).name)


def read_parquet(name: str, columns: ChosenColumns) -> OwnArrays:
    """Read a Parquet file, with the optional library pyarrow.

    Raises
    ------
    DataError
        If there is no such file, it is damaged, or the library is missing.
    InputError
        If columns are unknown, or hold what they cannot be.
    """
    return of_table(open_table(name), columns, Path(name).name)


def open_table(name: str) -> pandas.DataFrame:
    """Open a CSV or Parquet file, by its ending.

    Raises
    ------
    DataError
        If there is no such file, it is no table, or the library for Parquet is missing.
    """
    import pandas

    path = Path(name)
    if not path.is_file():
        raise DataError(f"there is no file {path}; --data takes the name of a data set or the path of one's own")
    if path.stat().st_size > LARGEST:
        raise DataError(f"{path} has more than {LARGEST} bytes; give a smaller table")
    if path.suffix.lower() == ".parquet":
        try:
            return pandas.read_parquet(path, engine="pyarrow")
        except ImportError:
            raise DataError(
                f"{path} needs the library pyarrow; install it with pip install 'eqlab[parquet]', or write the table as CSV"
            ) from None
        except (ValueError, OSError) as error:
            raise DataError(f"{path} cannot be read as a Parquet file ({str(error).strip():.120}); write it again") from error
    try:
        table = pandas.read_csv(path, skipinitialspace=True)
    except (ValueError, OSError, pandas.errors.ParserError) as error:
        raise DataError(f"{path} cannot be read as a table ({str(error).strip()}); give a CSV file with a row of names") from error
    if len(table.columns) and all(_is_number(str(column)) for column in table.columns):
        raise DataError(f"the first row of {path} holds numbers, and a table begins with a row of names; add one")
    return table


def columns_of(table: pandas.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    """Return columns of numbers, of shape (N, columns).

    Raises
    ------
    InputError
        If a column is unknown, holds text, or has a missing value.
    """
    there = [str(column) for column in table.columns]
    table = table.set_axis(there, axis=1)
    for name in names:
        if name not in there:
            raise unknown_name("column", name, there)
        _refuse_missing(table, name)
    if not len(table):
        raise InputError("the table has names of columns and no rows; add some")
    return np.column_stack([_numbers(table, name) for name in names])


def read_openml(name: str, columns: ChosenColumns) -> OwnArrays:
    """Fetch a table of OpenML, as ``openml:NAME`` or ``openml:NAME@VERSION``, which scikit-learn keeps in its own folder.

    Raises
    ------
    DataError
        If it cannot be fetched.
    InputError
        If columns are unknown, or hold what they cannot be.
    """
    from sklearn.datasets import fetch_openml

    title, _, version = name.removeprefix(OPENML).partition("@")
    if version and not version.isdecimal():
        raise InputError(f"the version of {name} must be a whole number; give openml:{title}@1, or openml:{title} for the active one")
    try:
        fetched = fetch_openml(title, version=int(version) if version else "active", as_frame=True)
    except (ValueError, OSError) as error:  # no network, an unknown name, and a damaged download
        raise DataError(f"{name} cannot be fetched from OpenML ({str(error).strip():.160}); check its name and the network") from error
    target = columns.target or tuple(fetched.target_names or ())
    return of_table(fetched.frame, columns._replace(target=target), f"OpenML's {title}")


def of_table(table: pandas.DataFrame, columns: ChosenColumns, source: str) -> OwnArrays:
    """Return the arrays of a table.

    The column ``split``, if there is one, divides the samples, and a group keeps its samples in one split. All columns that are nothing
    else are inputs, if none are named.

    Parameters
    ----------
    table : DataFrame
        A row for each sample.
    columns : ChosenColumns
        Columns that make the data set.
    source : str
        Name of the table.

    Raises
    ------
    InputError
        If the target is not named, a column is unknown, holds text where numbers belong, or has a missing value.
    """
    names = [str(column) for column in table.columns]
    table = table.set_axis(names, axis=1)
    if not columns.target:
        raise InputError(f"which column of {source} is the target? name it with --target; the columns are {_listed(names)}")
    apart = (*columns.target, *((columns.group,) if columns.group else ()), *((SPLIT,) if SPLIT in names else ()))
    features = columns.features or tuple(name for name in names if name not in apart)
    for name in (*columns.target, *features, *apart):
        if name not in names:
            raise unknown_name("column", name, names)
    if both := [name for name in features if name in apart]:
        raise InputError(f"column {both[0]!r} is an input and the target, group or split too; name it once")
    if not features:
        raise InputError(f"{source} has no columns that could be inputs beside {_listed(apart)}; add some")
    inputs = columns_of(table, features)
    for name in apart:
        _refuse_missing(table, name)
    wanted = [_values(table, name) for name in columns.target]
    numbers = all(one.dtype.kind in "biuf" for one in wanted)
    if len(wanted) > 1 and not numbers:
        raise InputError(f"targets {_listed(columns.target)} must all hold numbers, or 0 and 1; classes are one column")
    titles = _listed(columns.target)
    said = answers(wanted[0] if len(wanted) == 1 else np.column_stack(wanted), f"column {titles}", columns.task)
    found = {"inputs": inputs, **said.arrays}
    if columns.group:
        found["groups"] = np.unique(_values(table, columns.group), return_inverse=True)[1]
    if SPLIT in names:
        found[SPLIT] = _values(table, SPLIT)
    return OwnArrays(found, source, columns.target if "targets" in found else (), said.classes, features)


def _refuse_missing(table: pandas.DataFrame, name: str) -> None:
    missing = np.flatnonzero(table[name].isna())
    if len(missing):
        raise InputError(
            f"column {name!r} has {len(missing)} missing values, the first in row {missing[0] + 1} of {len(table)}; fill them, or leave "
            "these rows out"
        )


def _numbers(table: pandas.DataFrame, name: str) -> NDArray[np.float64]:
    values = _values(table, name)
    if values.dtype.kind not in "biuf":
        raise InputError(
            f"column {name!r} holds text such as {str(values[0])!r}, and inputs are numbers; replace it by columns of 0 "
            "and 1, or choose other columns with --features"
        )
    return values.astype(np.float64)


def _values(table: pandas.DataFrame, name: str) -> NDArray[Any]:
    """Return a column as numbers or truth values, or else as text."""
    values = table[name].to_numpy()
    return values if values.dtype.kind in "biuf" else np.asarray(table[name].astype(str), dtype=str)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
