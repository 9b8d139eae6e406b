"""Checks of named arrays, each with one sentence for what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive_core.data.given import ARRAYS
from contrastive_core.errors import InputError


def numbers_of(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return an array if it holds real numbers.

    Raises
    ------
    InputError
        If it holds anything else.
    """
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name!r} must hold numbers, got entries of type {array.dtype}")
    return array


def finite(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return an array whose entries are all finite.

    Raises
    ------
    InputError
        If an entry is NaN or infinite.
    """
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise InputError(f"{name!r} has {bad} entries that are NaN or infinite; leave these samples out, or mend them")
    return array


def check_given(found: Mapping[str, NDArray[Any]], count: int, width: int) -> dict[str, Tensor]:
    """Return named arrays as tensors: whole numbers in int64, others in float32.

    Parameters
    ----------
    found : mapping of str to ndarray
        Arrays by names of ``ARRAYS``.
    count : int
        Number of samples.
    width : int
        Number of values of an input.

    Raises
    ------
    InputError
        If an array has a wrong shape, length or value.
    """
    tensors = {}
    for name, array in found.items():
        form = ARRAYS[name]
        values = finite(numbers_of(array, name), name)
        axes = form.shape.count(",") + (not form.shape.endswith(",)"))
        if values.ndim != axes or len(values) != count or (form.pairwise and values.shape[1] != count):
            raise InputError(f"{name!r} has the shape {values.shape} for {count} samples; give {form.shape}: {form.meaning}")
        if 0 in values.shape:
            raise InputError(f"{name!r} is empty, of shape {values.shape}; leave it out")
        if form.whole and (values != np.round(values)).any():
            raise InputError(f"{name!r} must hold whole numbers: {form.meaning}")
        _check_values(name, values, width)
        tensors[name] = torch.from_numpy(np.ascontiguousarray(values, dtype=np.int64 if form.whole else np.float32))
    return tensors


def _check_values(name: str, values: NDArray[Any], width: int) -> None:
    if name in ("weights", "pair_weights") and values.min() < 0:
        raise InputError(f"{name!r} has a weight of {values.min():g}; weights are at least 0, and 0 leaves out")
    if name == "weights" and not values.any():
        raise InputError("all 'weights' are 0, so that nothing is learnt; give some samples a positive weight")
    if name == "pairs":
        if not np.isin(values, (-1, 0, 1)).all():
            raise InputError("'pairs' must be 1 for positives, 0 for negatives and -1 for pairs that are left out")
        if (values != values.T).any():
            raise InputError("'pairs' must be symmetric: what is a positive of a sample has it as a positive")
    if name in ("negatives", "triggered") and values.shape[-1] != width:
        raise InputError(f"{name!r} are inputs of {values.shape[-1]} values, and samples have {width}; give inputs of the same width")
    if name == "positions" and values.shape[1] != 2:
        raise InputError(f"'positions' has the shape {values.shape}; give two coordinates for each sample")
