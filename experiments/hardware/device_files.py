"""Devices in TOML files, which ``eqlab device fit`` writes and every command with a device reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contrastive_core.errors import InputError
from experiments.commandline.documents import read_bounded, read_toml

NAME = "device.toml"
"""File that a fit writes in its run directory."""


def write_device(path: Path, settings: Mapping[str, Mapping[str, Any]], source: str) -> None:
    """Write the settings of a device.

    Parameters
    ----------
    path : Path
        File to write; an existing file is replaced.
    settings : mapping of str to mapping
        Settings by part (``conductance``, ``law``, ``device`` or an effect) and name.
    source : str
        Origin of the numbers, as a comment.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    from experiments.commandline.output import to_toml, write_text

    comment = " ".join(source.splitlines())
    try:
        write_text(path, f"# {comment}; give this file to 'eqlab hardware --preset'.\n{to_toml(settings)}")
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}); choose another directory") from error


def is_device_file(preset: str) -> bool:
    """Whether a device is given as a path, not as the name of a published device.

    A path ends in .toml, has a separator, or is a directory with a ``device.toml`` and none of the published names.
    """
    from contrastive_core.devices.presets import PRESETS  # imports torch

    return preset.endswith(".toml") or "/" in preset or (preset not in PRESETS and (Path(preset) / NAME).is_file())


def read_device(preset: str) -> tuple[str, ...]:
    """Read a device from a file, or from the run directory of a fit.

    Parameters
    ----------
    preset : str
        Path of a TOML file with a table per part of the device, or of a directory that holds ``device.toml``.

    Returns
    -------
    tuple of str
        Settings as ``part.name=value``.

    Raises
    ------
    InputError
        If the file cannot be read, or is no table of settings.
    """
    path = Path(preset) / NAME if Path(preset).is_dir() else Path(preset)
    try:
        document = read_toml(read_bounded(path).decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read the device {path} ({error.strerror}); give a file that 'eqlab device fit' wrote") from error
    except ValueError as error:
        raise InputError(f"{path} is not a TOML file: {error}; give a file that 'eqlab device fit' wrote") from error
    settings = []
    for part, table in document.items():
        if not isinstance(table, dict) or any(isinstance(value, dict | list) for value in table.values()):
            raise InputError(f"{path} has {part!r}, and a device has a table of numbers and names for each part, such as [conductance]")
        settings += [f"{part}.{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in table.items()]
    return tuple(settings)
