"""Paths that stay inside a run's directory, even if somebody else made the run and its names."""

import os
from collections.abc import Iterator
from pathlib import Path

from contrastive_core.errors import DataError

_LONGEST = 200
"""Bytes of a key; file systems take 255, and temporary files have longer names than the files that they become."""


def file_of(folder: Path, key: str, ending: str) -> Path:
    """Return the file of a trial in a folder of its run; every path that contains a key is made here.

    Parameters
    ----------
    folder : Path
        Folder of the run, such as ``checkpoints``.
    key : str
        Key of the trial, as a journal has it.
    ending : str
        Ending of the file's name, with its dot.

    Returns
    -------
    Path
        File directly in the folder.

    Raises
    ------
    DataError
        If the key is no plain file name.
    """
    # A journal can be edited by whoever sends it, and "../../thesis" would lead to a file that is not the run's.
    plain = key.isprintable() and not set(key) & {"/", "\\"} and not key.startswith(".")
    if not key or not plain or len(key.encode()) > _LONGEST:
        raise DataError(f"the trial {key[:_LONGEST]!r} has a name that is no plain file name; the run is damaged or was edited, restore it")
    return folder / f"{key}{ending}"


def refuse_special_files(path: Path) -> None:
    """Refuse a run with links, pipes, sockets or devices in it: they could lead out of its directory, or make its reader wait for ever.

    Parameters
    ----------
    path : Path
        Directory of the run.

    Raises
    ------
    DataError
        If there is one; the message names the first.
    """
    for entry in _entries(path):
        if entry.is_symlink():
            raise DataError(f"{entry.path} is a link, which may lead out of the run; put the file itself there")
        if not entry.is_file() and not entry.is_dir():
            raise DataError(f"{entry.path} is neither a file nor a directory, and no run has such a thing; remove it")


def _entries(path: str | Path) -> Iterator["os.DirEntry[str]"]:
    """Walk a directory; a folder that vanishes meanwhile, as ``live`` does at the end of a sweep, has no entries."""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    yield from _entries(entry.path)
    except FileNotFoundError:
        return
