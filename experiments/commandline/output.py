"""What commands print and write: aligned tables, JSON without NaN, TOML, and files that are there whole or not at all."""

import json
import math
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import click

from contrastive_core.errors import InputError
from contrastive_core.files.writing import write_bytes

__all__ = ["Cell", "format_table", "say", "to_json", "to_toml", "write_bytes", "write_text"]

Cell = str | float | None
"""What a table shows: text, a number, a truth value or nothing."""

_COMPACT = json.JSONEncoder(allow_nan=False)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


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
    columns = [[header[index], *(_shown(row[index]) for row in rows)] for index in range(len(header))]
    numeric = [all(_is_number(row[index]) for row in rows) and bool(rows) for index in range(len(header))]
    widths = [max(map(_width, column)) for column in columns]
    rules = [" ".join("-" * width for width in widths)]
    lines = [
        " ".join(_pad(column[line], width, right) for column, width, right in zip(columns, widths, numeric, strict=True)).rstrip()
        for line in range(len(rows) + 1)
    ]
    return "\n".join([lines[0], *rules, *lines[1:]])


def to_json(data: Any, *, indent: int | None = 2) -> str:
    """Write data as JSON, with null for numbers that are not finite.

    Parameters
    ----------
    data : object
        Nested mappings, sequences, texts, paths and numbers; NumPy's scalars count as numbers.
    indent : int, optional
        Per level; None for one line.

    Returns
    -------
    str
        Plain ASCII.

    Raises
    ------
    TypeError
        If there is anything else in the data, such as an array.
    """
    if indent is None:  # what a journal holds, by the million: most of it is plain already
        with suppress(TypeError, ValueError):
            return _COMPACT.encode(data)
    return json.dumps(_plain(data), indent=indent, allow_nan=False)


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
        If a number is not finite or a text is not Unicode.
    TypeError
        If a value is of another type.
    """
    return "\n".join(_toml_lines(values, ())) + "\n"


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
    """Print a line, with question marks for characters that the terminal's encoding lacks.

    Parameters
    ----------
    text : str
        What to print.
    err : bool
        Whether to print to stderr.
    """
    encoding = (sys.stderr if err else sys.stdout).encoding or "utf-8"
    click.echo(text.encode(encoding, "replace").decode(encoding), err=err)


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return f"{cell:.4g}" if isinstance(cell, Real) and not isinstance(cell, Integral) else str(cell)


def _is_number(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, Real) and not isinstance(cell, bool))


def _width(text: str) -> int:
    return sum(0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _pad(text: str, width: int, right: bool) -> str:
    blanks = " " * (width - _width(text))
    return blanks + text if right else text + blanks


def _plain(data: Any) -> Any:
    if data is None or isinstance(data, str | bool):
        return data
    if isinstance(data, Integral):
        return int(data)
    if isinstance(data, Real):
        return float(data) if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value) for value in data]
    if isinstance(data, Path):
        return str(data)
    raise TypeError(f"cannot write {type(data).__name__} as JSON; turn it into numbers, texts, lists or mappings first")


def _toml_lines(values: Mapping[str, Any], table: tuple[str, ...]) -> list[str]:
    present = {key: value for key, value in values.items() if value is not None}
    lines = [f"{_toml_key(key)} = {_toml_value(value)}" for key, value in present.items() if not isinstance(value, Mapping)]
    for key, value in present.items():
        if isinstance(value, Mapping):
            inner = (*table, _toml_key(key))
            lines += ["", f"[{'.'.join(inner)}]", *_toml_lines(value, inner)]
    return lines


def _toml_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _toml_text(key)


def _toml_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{text!r} cannot be written to a file: it is not Unicode text") from error
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{value} cannot be stored as a setting; use a finite number")
        return repr(value)
    if isinstance(value, str):
        return _toml_text(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    raise TypeError(f"cannot write {type(value).__name__} as TOML")
