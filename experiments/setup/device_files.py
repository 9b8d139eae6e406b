"""Devices in TOML files, which ``eqlab device fit`` writes and every command with a device reads."""

from __future__ import annotations

import math
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
        write_text(path, f"# {comment}; give this file as --device-file.\n{to_toml(settings)}")
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}); choose another directory") from error


def is_device_file(preset: str) -> bool:
    """Whether a device is given as a path, not as the name of a published device.

    A path ends in .toml, has a separator, or is a directory with a ``device.toml`` and none of the published names.
    """
    if preset.endswith(".toml") or "/" in preset:
        return True
    if not (Path(preset) / NAME).is_file():
        return False
    from contrastive_core.devices.presets import PRESETS  # imports torch

    return preset not in PRESETS


def given_device(given: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a device that is given as a path, or as settings that a run has recorded.

    Parameters
    ----------
    given : str or mapping
        Path of a TOML file with a table per part of the device, or of a directory that holds ``device.toml``; or such tables.

    Returns
    -------
    dict
        Settings by part and name, as the file states them. Settings that it leaves out are neutral; a later version may have more of
        these, and still resumes the run.

    Raises
    ------
    InputError
        If the file cannot be read, is empty, or holds anything but tables of numbers, names and truth values.
    """
    document, source = _document(given) if isinstance(given, str) else (given, "a device")
    if not document:
        raise InputError(f"{source} has no settings; give a file with a table for each part of a device, such as [conductance]")
    for part, table in document.items():
        if not isinstance(table, Mapping) or not all(_is_setting(value) for value in table.values()):
            raise InputError(f"{source} has {part!r}, and a device has a table of numbers and names for each part, such as [conductance]")
    return {part: dict(table) for part, table in document.items()}


def settings_in(device: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the settings of ``given_device`` as texts ``part.name=value``."""
    return tuple(
        f"{part}.{name}={str(value).lower() if isinstance(value, bool) else value}"
        for part, table in device.items()
        for name, value in table.items()
    )


def read_device(preset: str) -> tuple[str, ...]:
    """Read a device from a file, or from the run directory of a fit, as texts ``part.name=value``; raises as ``given_device`` does."""
    return settings_in(given_device(preset))


def _document(given: str) -> tuple[Mapping[str, Any], str]:
    path = Path(given) / NAME if Path(given).is_dir() else Path(given)
    try:
        return read_toml(read_bounded(path).decode("utf-8-sig")), str(path)
    except OSError as error:
        raise InputError(f"cannot read the device {path} ({error.strerror}); give a file that 'eqlab device fit' wrote") from error
    except ValueError as error:
        raise InputError(f"{path} is not a TOML file: {error}; give a file that 'eqlab device fit' wrote") from error


def _is_setting(value: Any) -> bool:
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
