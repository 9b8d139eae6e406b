"""TOML and JSON that others may have written, read within bounds and refused by one kind of error each."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contrastive_core.files.bounded import read_bytes

LARGEST_FILE = 2**24
"""Bytes of a configuration or provenance that are read; those that eqlab writes have some thousand."""
_LONGEST_INTEGER = 4096
"""Bits of a whole number. Python itself refuses to write numbers of more than about 14 000 bits in decimal."""


def read_toml(text: str) -> dict[str, Any]:
    """Read a TOML document.

    Parameters
    ----------
    text : str
        The document.

    Returns
    -------
    dict
        Its values.

    Raises
    ------
    tomllib.TOMLDecodeError
        If it is no TOML, is nested too deeply, or has a number with too many digits.
    """
    try:
        document = tomllib.loads(text)
        _refuse_long_integers(document)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError as error:
        raise tomllib.TOMLDecodeError("it is nested too deeply") from error
    except ValueError as error:  # of int(), which refuses thousands of digits
        raise tomllib.TOMLDecodeError("it has a whole number with too many digits") from error
    return document


def read_json(text: str | bytes) -> Any:
    """Read a JSON document.

    Parameters
    ----------
    text : str or bytes
        The document.

    Returns
    -------
    object
        Its value.

    Raises
    ------
    json.JSONDecodeError
        If it is no JSON, is nested too deeply, or has a number with too many digits.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        problem = "nested too deeply" if isinstance(error, RecursionError) else str(error).partition(";")[0]
        raise json.JSONDecodeError(problem, "", 0) from error


def read_bounded(path: Path) -> bytes:
    """Read a file of at most ``LARGEST_FILE`` bytes; ``contrastive_core.files.bounded.read_bytes`` says what is raised."""
    return read_bytes(path, LARGEST_FILE)


def _refuse_long_integers(value: Any) -> None:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _refuse_long_integers(item)
    elif isinstance(value, int) and value.bit_length() > _LONGEST_INTEGER:
        raise ValueError("too many digits")
