"""NumPy files: an archive of named arrays, or a pair of inputs and labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from contrastive_core.data.own.answers import answers
from contrastive_core.data.own.kinds import ChosenColumns, OwnArrays
from contrastive_core.data.own.staying import to_stay
from contrastive_core.errors import DataError, InputError
from contrastive_core.files.arrays import load_array, load_arrays
from contrastive_core.files.stored import find_array, find_member

T = TypeVar("T")
_INPUTS = "inputs"


def read_archive(name: str, columns: ChosenColumns) -> OwnArrays:
    """Read an NPZ file of named arrays.

    Raises
    ------
    DataError
        If there is no such file, or it is damaged.
    """
    path = Path(name)
    if columns.task != "auto":
        raise InputError(f"--task is for whole numbers that can be both, and {name} has 'labels' or 'targets'; leave it out")
    try:
        stored = find_member(path, _INPUTS) if columns.mapped is not False else None
        if columns.mapped and stored is None:
            raise InputError(f"{path} is compressed or stored by columns, so that no row can be read alone; write it with numpy.savez")
        words = to_stay(stored, columns.mapped)
        if stored is None or not words:
            return OwnArrays(load_arrays(path), path.name)
        return OwnArrays({_INPUTS: stored, **load_arrays(path, without=_INPUTS)}, f"{path.name}{words}")
    except InputError:
        raise
    except FileNotFoundError:
        raise DataError(f"there is no file {path}; --data takes the name of a data set or the path of one's own") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as an NPZ file ({error}); write it with numpy.savez") from error


def read_pair(name: str, columns: ChosenColumns) -> OwnArrays:
    """Read inputs and labels or targets from two NPY files, as ``inputs.npy,labels.npy``.

    Raises
    ------
    DataError
        If a file is missing or damaged.
    InputError
        If there are not two, or labels can be both classes and numbers.
    """
    names = [part.strip() for part in name.split(",")]
    if len(names) != 2:
        raise InputError(f"inputs and labels are two NPY files, got {len(names)}; give them as inputs.npy,labels.npy")
    stored = None if columns.mapped is False else _read(names[0], find_array)
    if columns.mapped and stored is None:
        raise InputError(f"{names[0]} is stored by columns, so that a row is no run of bytes; write numpy.ascontiguousarray of it")
    words = to_stay(stored, columns.mapped)
    inputs = stored if words else _read(names[0], load_array)
    said = answers(_read(names[1], load_array), names[1], columns.task)
    return OwnArrays({_INPUTS: inputs, **said.arrays}, " and ".join(Path(one).name for one in names) + words, classes=said.classes)


def _read(name: str, read: Callable[[Path], T]) -> T:
    try:
        return read(Path(name))
    except FileNotFoundError:
        raise DataError(f"there is no file {name}; give inputs and labels as inputs.npy,labels.npy") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{name} cannot be read as an NPY file ({error}); write it with numpy.save") from error
