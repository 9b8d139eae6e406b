"""The epochs of trials that still run: a file of lines per trial, written where it is computed, for those who watch and nobody else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from experiments.commandline.output import to_json
from experiments.runs.records import Epoch

LARGEST = 2**20
"""Bytes of a file that are read, so that a long training cannot fill the memory of who watches it."""


def announce(folder: Path, key: str) -> Callable[[Mapping[str, Any]], None]:
    """Begin a trial's file; what an earlier attempt told stays until there is something newer.

    Parameters
    ----------
    folder : Path
        Of the run.
    key : str
        The trial.

    Returns
    -------
    callable
        To be told of every epoch. It writes one line and raises nothing: no trial shall fail, or wait, because it is watched.
    """
    path = file_of(folder, key)
    modes = chain("w", repeat("a"))
    with suppress(OSError):
        path.touch()

    def tell(epoch: Mapping[str, Any]) -> None:
        with suppress(OSError), path.open(next(modes)) as stream:
            stream.write(to_json(epoch, indent=False) + "\n")

    return tell


def file_of(folder: Path, key: str) -> Path:
    """Return where a trial's epochs are."""
    return folder / f"{key}.ndjson"


def running(folder: Path) -> list[str]:
    """List the trials that have begun and are not recorded yet, those of a run that was killed included."""
    try:
        return sorted(path.stem for path in folder.iterdir() if path.suffix == ".ndjson" and not path.is_symlink())
    except OSError:
        return []


def read_live(folder: Path, key: str) -> list[Epoch]:
    """Read a trial's epochs while they are being written.

    Parameters
    ----------
    folder : Path
        Of the run.
    key : str
        The trial.

    Returns
    -------
    list of Epoch
        What can be read: a line that is not whole yet is left out, and so is everything if the trial has just been recorded.
    """
    epochs = []
    try:
        with file_of(folder, key).open("rb") as stream:
            lines = stream.read(LARGEST).splitlines()
    except OSError:
        return []
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):
            metrics = json.loads(line)
            epochs.append(Epoch(int(metrics["epoch"]), dict(metrics)))
    return epochs


def forget(folder: Path, key: str) -> None:
    """Remove a trial's file: its record is in the journal."""
    with suppress(OSError):
        file_of(folder, key).unlink(missing_ok=True)
