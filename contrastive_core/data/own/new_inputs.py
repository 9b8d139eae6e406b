"""New samples without answers, for a network that has learnt from a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive_core.data.named.checks import finite, numbers_of
from contrastive_core.data.own.folders import PICTURES, SOUNDS, read_media
from contrastive_core.data.own.tables import columns_of, open_table
from contrastive_core.data.splits import Splits
from contrastive_core.errors import DataError, InputError
from contrastive_core.files.arrays import load_array, load_arrays

_TABLES = (".csv", ".parquet")


class NewInputs(NamedTuple):
    """New samples.

    Attributes
    ----------
    rows : Tensor of shape (N, n_in)
        Inputs in the unit of the files (float32), before any standardisation.
    names : tuple of str
        Name of each sample: that of its file, or its row, counted from 0.
    """

    rows: Tensor
    names: tuple[str, ...]


def read_new_inputs(name: str, splits: Splits, size: tuple[int, ...] = ()) -> NewInputs:
    """Read new samples for a network that has learnt from a data set.

    Parameters
    ----------
    name : str
        An array in an ``.npy`` file; an ``.npz`` file with the array ``inputs``; a ``.csv`` or ``.parquet`` file with the columns of
        the inputs; a picture or WAV recording, or a folder of either, in any folders below it.
    splits : Splits
        The data set that the network has learnt from.
    size : tuple of int
        Height and width to which pictures are scaled; empty for pictures as they are.

    Raises
    ------
    DataError
        If there is no such file, or it is damaged.
    InputError
        If the samples have other inputs than the data set, or one is not finite.
    """
    path = Path(name)
    if splits.modalities:
        raise InputError("the network takes several modalities, which new files do not have together; give none to predict the test split")
    if not path.exists():
        raise DataError(f"there is no file or folder {path}; give the path of new inputs")
    ending = path.suffix.lower()
    names: tuple[str, ...] = ()
    if path.is_dir() or ending in (*PICTURES, *SOUNDS):
        found = sorted(one for one in path.rglob("*") if one.is_file() and not one.name.startswith(".")) if path.is_dir() else [path]
        if not found:
            raise DataError(f"{path} has no files; put pictures or WAV recordings into it")
        values: NDArray[Any] = _with_channels(read_media(found, size)[0], splits, path)
        names = tuple(str(one.relative_to(path)) if path.is_dir() else one.name for one in found)
    elif ending in _TABLES:
        if not splits.features:
            raise InputError(f"the network has learnt from no table, and the columns of {path} have no order for it; give an NPY file")
        values = columns_of(open_table(name), splits.features)
    elif ending in (".npy", ".npz"):
        values = _array(path)
    else:
        kinds = ", ".join((".npy", ".npz", *_TABLES, *PICTURES, *SOUNDS))
        raise InputError(f"no reader takes {path}; give a folder of pictures or recordings, or a file that ends with {kinds}")
    return NewInputs(_rows(values, splits, path), names or tuple(map(str, range(len(values)))))


def _array(path: Path) -> NDArray[Any]:
    try:
        arrays = {"inputs": load_array(path)} if path.suffix.lower() == ".npy" else load_arrays(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a file of NumPy ({error}); write it with numpy.save or numpy.savez") from error
    if "inputs" not in arrays:
        raise InputError(f"{path} has no array 'inputs'; it has {', '.join(arrays) or 'none'}")
    return arrays["inputs"]


def _with_channels(pictures: NDArray[np.float32], splits: Splits, path: Path) -> NDArray[np.float32]:
    """Return pictures of the size and channels that the network takes; grey ones can stand for colour."""
    if not splits.shape:
        raise InputError(f"the network takes rows of {splits.train.inputs.shape[1]} numbers and no pictures; give a table or an array")
    channels, *size = splits.shape
    if list(pictures.shape[2:]) != size:
        there, wanted = ("x".join(map(str, one)) for one in (pictures.shape[2:], size))
        raise InputError(f"{path} has {there} pixels, and the network takes {wanted}; scale it, as by --picture-size {size[0]},{size[1]}")
    if pictures.shape[1] > channels:
        raise InputError(f"{path} has colours, and the network takes {channels} channel; make it grey")
    return np.broadcast_to(pictures, (len(pictures), channels, *size))


def _rows(values: NDArray[Any], splits: Splits, path: Path) -> Tensor:
    """Return values as rows of inputs, after all checks."""
    width = splits.train.inputs.shape[1]
    finite(numbers_of(values, "inputs"), "inputs")
    if values.ndim < 2 or not len(values) or values[0].size != width:
        shape = f" or (N, {', '.join(map(str, splits.shape))})" if splits.shape else ""
        raise InputError(f"{path} has inputs of the shape {values.shape}, and the network takes (N, {width}){shape}; give one row a sample")
    return torch.from_numpy(np.array(values.reshape(len(values), width), dtype=np.float32))
