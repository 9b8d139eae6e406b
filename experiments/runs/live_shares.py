"""Shares of trials that still run: one short file per trial, written by its worker and read by progress lines and watchers."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from contrastive_core.errors import InputError
from contrastive_core.progress.share import Listener
from experiments.commandline.documents import read_json
from experiments.commandline.output import to_json
from experiments.runs.inside import file_of

ENDING = ".share"
"""Ending of the files, whose names are the keys of the trials."""
LARGEST = 1000
"""Bytes of a file that are read."""
SECONDS = 1.0
"""Time between two writes. Trials shorter than it write no file."""


class Share(NamedTuple):
    """Progress of one running trial.

    Attributes
    ----------
    done : float
        Share that is done, from 0 to 1.
    since : float
        Share that this attempt found done, such as the epochs of a checkpoint.
    place : str
        Place in the computation, such as ``epoch 3 of 20``.
    """

    done: float
    since: float
    place: str


def announce_share(folder: Path, key: str) -> Listener:
    """Return a listener that keeps a trial's file up to date, and never raises.

    Parameters
    ----------
    folder : Path
        Directory ``live`` of the run.
    key : str
        Key of the trial.
    """
    last, since, begun = time.monotonic(), 0.0, False

    def listener(done: float, place: str) -> None:
        nonlocal last, since, begun
        now = time.monotonic()
        if now - last < SECONDS:
            # What the first second reaches is mostly what a checkpoint brought; it says nothing about the pace.
            since = since if begun else done
            return
        last, begun = now, True
        with suppress(OSError, InputError):
            file_of(folder, key, ENDING).write_text(to_json({"done": done, "since": since, "place": place}, indent=False))

    return listener


def discard_shares(folder: Path) -> None:
    """Remove the files of attempts that were killed; nothing may run meanwhile."""
    with suppress(OSError):
        for path in folder.glob(f"*{ENDING}"):
            path.unlink(missing_ok=True)


def read_share(folder: Path, key: str) -> Share | None:
    """Read how far a trial is; None if it has not told, or its file is just being written."""
    try:
        with file_of(folder, key, ENDING).open("rb") as stream:
            told = read_json(stream.read(LARGEST))
        share = Share(float(told["done"]), float(told["since"]), str(told["place"]))
    except (OSError, InputError, ValueError, KeyError, TypeError):
        return None
    return share if 0 <= share.since <= share.done <= 1 else None
