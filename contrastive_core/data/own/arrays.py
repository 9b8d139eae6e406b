"""NumPy files: an archive of named arrays, or a pair of inputs and labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from contrastive_core.data.own.answers import answers
from contrastive_core.data.own.kinds import ChosenColumns, OwnArrays
from contrastive_core.errors import DataError, InputError
from contrastive_core.files.arrays import load_array, load_arrays


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
        return OwnArrays(load_arrays(path), path.name)
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
    inputs, values = map(_array, names)
    said = answers(values, names[1], columns.task)
    return OwnArrays({"inputs": inputs, **said.arrays}, " and ".join(Path(one).name for one in names), classes=said.classes)


def _array(name: str) -> NDArray[Any]:
    try:
        return load_array(name)
    except FileNotFoundError:
        raise DataError(f"there is no file {name}; give inputs and labels as inputs.npy,labels.npy") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{name} cannot be read as an NPY file ({error}); write it with numpy.save") from error
