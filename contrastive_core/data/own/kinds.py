"""Kinds of own data, told by how they are named; imports nothing heavy."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from contrastive_core.errors import InputError
from contrastive_core.registry import Table


class ChosenColumns(NamedTuple):
    """Columns of a table that make a data set, and how entries and pictures are taken.

    Attributes
    ----------
    target : tuple of str
        Columns that are learnt; one with classes, or one or more with numbers or tags.
    features : tuple of str
        Columns that are the inputs; empty for all that are nothing else.
    group : str
        Column whose equal entries stay in one split; empty for none.
    task : str
        ``classification`` or ``regression``, where whole numbers could be both; ``auto`` tells by the entries.
    size : tuple of int
        Height and width to which pictures are scaled; empty for pictures as they are.
    mapped : bool, optional
        Whether inputs stay in their file; None leaves them there if they would fill a large part of memory.
    """

    target: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    group: str = ""
    task: str = "auto"
    size: tuple[int, ...] = ()
    mapped: bool | None = None


class OwnArrays(NamedTuple):
    """Arrays of a data set, as a reader finds them.

    Attributes
    ----------
    arrays : dict of str to array
        Arrays by the names that ``own_data`` takes.
    source : str
        Origin in a few words.
    targets : tuple of str
        Names of the targets, if they have any.
    classes : tuple of str
        Names of the classes or tags, where the labels are their numbers.
    features : tuple of str
        Names of the inputs, if they have any.
    """

    arrays: dict[str, Any]
    source: str
    targets: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


Reader = Callable[[str, ChosenColumns], OwnArrays]
"""``read(name, columns)`` reads what a name stands for."""

FOLDER, OPENML = "folder", "openml:"
"""Kind of a folder, and prefix of the names of OpenML."""

READERS: Table[Reader] = Table(
    "kind of data",
    {
        ".npz": "contrastive_core.data.own.arrays:read_archive",
        ".npy": "contrastive_core.data.own.arrays:read_pair",
        ".csv": "contrastive_core.data.own.tables:read_csv",
        ".parquet": "contrastive_core.data.own.tables:read_parquet",
        OPENML: "contrastive_core.data.own.tables:read_openml",
        FOLDER: "contrastive_core.data.own.folders:read_folder",
    },
)
"""Reader of each kind of own data, by ending, prefix, or for folders."""

_FILE = re.compile(r"\.[a-z][a-z0-9]{0,4}", re.ASCII)
"""Ending of a file; names of modules after a dot have a colon."""

MAPPED = (".npz", ".npy")
"""Kinds whose inputs can stay in their file."""

TABLES = (".csv", ".parquet", OPENML)
"""Kinds that have columns."""


def kind_of(name: str) -> str:
    """Return the kind of own data that a name stands for, one of ``READERS``; empty if it can only be the name of a data set.

    A folder is told by a slash in its name, or by being there.

    Parameters
    ----------
    name : str
        Path, or name of OpenML after ``openml:``.

    Raises
    ------
    InputError
        If the name ends as files do that no reader takes.
    """
    if name.startswith(OPENML):
        return OPENML
    ending = Path(name).suffix.lower()
    if ending in READERS:
        return ending
    if _FILE.fullmatch(ending) and not name.endswith("/") and not Path(name).is_dir():
        taken = [kind for kind in READERS if kind.startswith(".")]
        raise InputError(
            f"no reader takes {name!r}; give a file that ends with {', '.join(taken)}, a folder with one folder for each class, "
            f"{OPENML}NAME, or a function of your own as module:function"
        )
    return FOLDER if "/" in name or os.sep in name or Path(name).is_dir() else ""
