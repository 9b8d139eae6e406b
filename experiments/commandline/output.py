"""Printing and writing: aligned tables, JSON without NaN, TOML, and files that are there whole or not at all."""

import re
import sys
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import click

from contrastive_core.errors import InputError
from contrastive_core.files.writing import write_bytes

__all__ = ["Cell", "format_table", "say", "to_json", "to_toml", "write_bytes", "write_text"]

Cell = str | float | None
"""Content of a table: text, a number, a truth value or nothing."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def format_table(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Align rows under a header, numbers to the right.

    Parameters
    ----------
    header : sequence of str
        One name per column.
    rows : sequence of sequences
        Floats are shown with four significant digits, None as a dash.

    Returns
    -------
    str
        Lines without trailing blanks.
    """
    from tabulate import SEPARATING_LINE, DataRow, Line, TableFormat, tabulate

    numeric = [bool(rows) and all(_is_number(row[index]) for row in rows) for index in range(len(header))]
    # As a row, not as a header, the names do not widen their columns by two blanks.
    lines = [list(header), [SEPARATING_LINE] * len(header), *(list(map(_shown, row)) for row in rows)]
    words = DataRow("", " ", "")
    style = TableFormat(None, Line("", "-", " ", ""), None, None, words, words, 0, None)
    table = tabulate(lines, tablefmt=style, colalign=["right" if one else "left" for one in numeric], disable_numparse=True)
    return "\n".join(line.rstrip() for line in table.split("\n"))


def to_json(data: Any, *, indent: bool = True) -> str:
    """Write data as JSON, with null for numbers that are not finite.

    Parameters
    ----------
    data : object
        Nested mappings, sequences, texts, paths and numbers; arrays and scalars of NumPy count as lists and numbers.
    indent : bool
        Whether to give each value a line of its own.

    Returns
    -------
    str
        Unicode text.

    Raises
    ------
    InputError
        If a text is not Unicode, such as the name of a file in another encoding, or a whole number lies beyond 64 bits.
    TypeError
        If there is anything else in the data.
    """
    import orjson

    option = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS | (orjson.OPT_INDENT_2 if indent else 0)
    try:
        return orjson.dumps(data, default=_path_as_text, option=option).decode()
    except TypeError as error:
        if "64-bit" in str(error):
            raise InputError("a number lies beyond 64 bits, which JSON files of results do not hold; give a smaller one") from error
        if "surrogates" in str(error):
            raise InputError("the result cannot be written as JSON: a text in it is not Unicode; rename the file that it names") from error
        raise


def to_toml(values: Mapping[str, Any]) -> str:
    """Write nested settings as TOML, leaving out None.

    Parameters
    ----------
    values : mapping
        Texts, numbers, truth values, lists of these, and mappings of all of them.

    Returns
    -------
    str
        A document that ``tomllib`` reads back to equal values.

    Raises
    ------
    InputError
        If a text is not Unicode.
    TypeError
        If a value is of another type.
    """
    import tomlkit

    text = tomlkit.dumps(_without_none(values))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{error.object[error.start : error.end]!r} cannot be written to a file: it is not Unicode text") from error
    return text


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole or not at all.

    Parameters
    ----------
    path : Path
        In an existing directory; an existing file is replaced.
    text : str
        Its content.
    """
    write_bytes(path, text.encode())


def say(text: str, *, err: bool = False) -> None:
    """Print a line, with question marks for control characters and for those that the terminal's encoding lacks.

    Parameters
    ----------
    text : str
        Line to print.
    err : bool
        Whether to print to stderr.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is None:  # closed by whoever started the program
        return
    encoding = stream.encoding or "utf-8"
    # Names of files and runs may hold commands for the terminal, such as colours or the title of its window.
    text = _CONTROLS.sub("?", text)
    click.echo(text.encode(encoding, "replace").decode(encoding), err=err)


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return f"{cell:.4g}" if isinstance(cell, Real) and not isinstance(cell, Integral) else str(cell)


def _is_number(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, Real) and not isinstance(cell, bool))


def _path_as_text(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"cannot write {type(value).__name__} as JSON; turn it into numbers, texts, lists or mappings first")


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _without_none(value) if isinstance(value, Mapping) else value for key, value in values.items() if value is not None}


def cell(value: float | None, form: str, missing: int = 0) -> str:
    """Return a number as a table shows it.

    Parameters
    ----------
    value : float or None
        Value, or mean of the values that are present; None if there is none.
    form : str
        Format specification, such as ".2f" or ".1%".
    missing : int
        Number of trials without a value, which are said beside the mean of the others.
    """
    if value is None:
        return "-"
    return f"{value:{form}} ({missing} without)" if missing else f"{value:{form}}"
