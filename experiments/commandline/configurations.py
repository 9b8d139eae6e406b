"""Configurations: TOML files of the user, and those that come with the program."""

import tomllib
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

from contrastive_core.errors import InputError
from experiments.commandline.documents import read_bounded, read_toml


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
    if not path.is_file():
        if name not in shipped:
            close = get_close_matches(name, list(shipped), n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise InputError(f"there is no file {name!r}; {hint}configurations that need no file are: {', '.join(shipped)}")
        path = shipped[name]
    try:
        return path, read_toml(read_bounded(path).decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name} is not a TOML file: {error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not a TOML file: it is not UTF-8 text") from error
    except OSError as error:
        raise InputError(f"cannot read the configuration {name}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{name} is not a configuration: {error}") from error


def shipped_configurations() -> dict[str, Path]:
    """List the configurations that come with the program.

    Returns
    -------
    dict of str to Path
        By name.
    """
    folder = Path(str(resources.files("experiments"))) / "configs"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}
