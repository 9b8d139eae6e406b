"""Epochs of trials that still run: one file of JSON lines per trial, written by its worker and read by reports and watchers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from contrastive_core.errors import InputError
from experiments.commandline.documents import read_json
from experiments.commandline.output import to_json
from experiments.runs import live_shares
from experiments.runs.inside import file_of
from experiments.runs.records import Epoch

ENDING = ".ndjson"
"""Ending of the files, whose names are the keys of the trials."""
LARGEST = 2**20
"""Bytes of a file that are read, so that a long training cannot fill the memory of a watcher."""


def announce(folder: Path, key: str) -> Callable[[Mapping[str, Any]], None]:
    """Begin or continue a trial's file; epochs of an earlier attempt stay.

    Parameters
    ----------
    folder : Path
        Directory ``live`` of the run.
    key : str
        Key of the trial.

    Returns
    -------
    callable
        Callback for each epoch. Appends one line and never raises, so that watching cannot make a trial fail or wait.
    """
    path = file_of(folder, key, ENDING)
    # An empty file says that the trial has begun, long before its first epoch.
    with suppress(OSError):
        path.touch()

    def tell(epoch: Mapping[str, Any]) -> None:
        with suppress(OSError), path.open("a") as stream:
            stream.write(to_json(epoch, indent=False) + "\n")

    return tell


def running(folder: Path) -> list[str]:
    """List the trials that have begun and are not recorded yet, including those of a killed run."""
    try:
        return sorted({path.stem for path in folder.iterdir() if path.suffix in (ENDING, live_shares.ENDING) and not path.is_symlink()})
    except OSError:
        return []


def read_live(folder: Path, key: str) -> list[Epoch]:
    """Read a trial's epochs while they are being written.

    Parameters
    ----------
    folder : Path
        Directory ``live`` of the run.
    key : str
        Key of the trial.

    Returns
    -------
    list of Epoch
        Epochs in rising order. A line that is still being written is left out; the list is empty if the trial was just recorded.
    """
    epochs: list[Epoch] = []
    try:
        with file_of(folder, key, ENDING).open("rb") as stream:
            lines = stream.read(LARGEST).splitlines()
    except (OSError, InputError):
        return []
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):
            metrics = read_json(line)
            epoch = Epoch(int(metrics["epoch"]), dict(metrics))
            # A trial without a usable checkpoint begins again: its new epochs replace those of the earlier attempt.
            while epochs and epochs[-1].epoch >= epoch.epoch:
                epochs.pop()
            epochs.append(epoch)
    return epochs


def forget(folder: Path, *keys: str) -> None:
    """Remove the files of trials whose records are in the journal; most trials are too short to have any."""
    try:
        left = {path.name for path in folder.iterdir()}
    except OSError:
        return
    for key in keys:
        for name in {f"{key}{ENDING}", f"{key}{live_shares.ENDING}"} & left:
            with suppress(OSError):
                (folder / name).unlink(missing_ok=True)
