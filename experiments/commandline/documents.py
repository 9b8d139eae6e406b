"""TOML and JSON that others may have written, read within bounds and refused by one kind of error each; configurations among them."""

import errno
import json
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from contrastive_core.errors import InputError
from contrastive_core.files.bounded import read_bytes

PUBLISHED = "published"
"""Table of a shipped configuration that says which published result it repeats; it holds no options of a command."""
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


def read_json(text: str | bytes, objects: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Read a JSON document.

    Parameters
    ----------
    text : str or bytes
        The document.
    objects : callable, optional
        Type of its objects; by default ``dict``.

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
        return json.loads(text, object_hook=objects)
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        problem = "nested too deeply" if isinstance(error, RecursionError) else str(error).partition(";")[0]
        raise json.JSONDecodeError(problem, "", 0) from error


def read_bounded(path: Path) -> bytes:
    """Read a file of at most ``LARGEST_FILE`` bytes; ``contrastive_core.files.bounded.read_bytes`` says what is raised."""
    if path.exists() and not path.is_file() and not path.is_dir():  # opening a pipe in a run from elsewhere would wait for ever
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return read_bytes(path, LARGEST_FILE)


@cache
def _drained(path: Path, inode: int) -> bytes:
    """Read a pipe, whose content comes only once, and keep it: a configuration is looked at before the flags are known, and again."""
    return read_bytes(path, LARGEST_FILE)


def read_configuration(name: str) -> tuple[Path, dict[str, Any]]:
    """Read a TOML file, or a shipped configuration if there is no such file.

    Parameters
    ----------
    name : str
        A path, or the name of a shipped configuration.

    Returns
    -------
    path : Path
        File that was read.
    document : dict
        Its settings.

    Raises
    ------
    InputError
        If there is neither, or the file is not TOML.
    """
    shipped = shipped_configurations()
    path = Path(name)
    if not path.exists() or path.is_dir():
        if name not in shipped:
            close = get_close_matches(name, list(shipped), n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            plain = [known for known in shipped if known not in published_configurations()]
            problem = f"{name!r} is a folder and no TOML file" if path.is_dir() else f"there is no file {name!r}"
            raise InputError(
                f"{problem}; {hint}configurations that need no file are: {', '.join(plain)}, and the names of 'eqlab reproduce list'"
            )
        path = shipped[name]
    try:
        content = read_bounded(path) if path.is_file() else _drained(path, path.stat().st_ino)
        return path, read_toml(content.decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name} is not a TOML file: {error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not a TOML file: it is not UTF-8 text") from error
    except OSError as error:
        raise InputError(f"cannot read the configuration {name}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{name} is not a configuration: {error}") from error


def shipped_configurations() -> dict[str, Path]:
    """List the configurations that come with the program, those of published results last.

    Returns
    -------
    dict of str to Path
        By name.
    """
    return {path.stem: path for path in sorted(_folder().glob("*.toml"))} | published_configurations()


def published_configurations() -> dict[str, Path]:
    """List the configurations of published results, a folder per subject.

    Returns
    -------
    dict of str to Path
        By name.
    """
    return {path.stem: path for path in sorted(_folder().glob(f"{PUBLISHED}/*/*.toml"))}


def _folder() -> Path:
    return Path(str(resources.files("experiments"))) / "configs"


def _refuse_long_integers(value: Any) -> None:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _refuse_long_integers(item)
    elif isinstance(value, int) and value.bit_length() > _LONGEST_INTEGER:
        raise ValueError("too many digits")
