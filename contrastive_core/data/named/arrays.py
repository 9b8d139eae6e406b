"""Data sets made of named arrays, as an NPZ file or Python has them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive_core.data.given import ARRAYS, NOTHING
from contrastive_core.data.named.checks import check_given, finite, numbers_of
from contrastive_core.data.named.groups import GROUPS
from contrastive_core.data.splits import Split, Splits, assemble, fixed_order, split_stratified
from contrastive_core.errors import DataError, InputError
from contrastive_core.files.arrays import load_arrays
from contrastive_core.guards.typed import typed
from contrastive_core.registry import unknown_name

OF_DATA = ("inputs", "second", "labels", "split")
"""Arrays that are no named tensors of samples: both modalities, the classes, and the division."""

PARTS = ("train", "validation", "test")
_HELD_OUT = 0.15
"""Share of the samples in the validation split, and in the test split, where the data give no division."""
_QUANTILES = 4
"""Classes that real labels are cut into where there are no others, for probes."""


def read_own(path: str | os.PathLike[str]) -> Splits:
    """Read a data set of one's own from an NPZ file of named arrays.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    Splits
        Data set, as :func:`own_data` makes it of the arrays.

    Raises
    ------
    DataError
        If there is no such file, or it is damaged.
    InputError
        If the arrays make no data set.
    """
    path = Path(path)
    try:
        arrays = load_arrays(path)
    except FileNotFoundError:
        raise DataError(f"there is no file {path}; --data takes the name of a data set or an NPZ file of named arrays") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as an NPZ file ({error}); write it with numpy.savez") from error
    try:
        return own_data(arrays, source=path.name)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


@typed()
def own_data(arrays: Mapping[str, Any], *, source: str = "own data") -> Splits:
    """Make a data set of named arrays.

    ``inputs`` has shape (N, n), (N, H, W) or (N, C, H, W), and ``second``, of the same forms, is a second modality. ``labels`` are
    whole numbers or names of classes, of shape (N,); without them, ``numbers`` are cut into four classes of equal size. ``split`` says
    0 or train, 1 or validation, 2 or test for each sample; without it, 15 % of the samples of each class are for validation and 15 %
    for testing, or 15 % of whole images, patients or trials where the data name them. The other names are those of
    :data:`contrastive_core.data.given.ARRAYS`.

    Parameters
    ----------
    arrays : mapping of str to array
        Arrays by name; lists and tensors are taken too.
    source : str
        Origin of the samples, in a few words.

    Returns
    -------
    Splits
        Data set.

    Raises
    ------
    InputError
        If a name is unknown, an array has a wrong shape, length or value, or a split would be empty.
    """
    found = {name: _array(name, value) for name, value in arrays.items()}
    for name in found:
        if name not in ARRAYS and name not in OF_DATA:
            raise unknown_name("array", name, {**dict.fromkeys(OF_DATA), **ARRAYS})
    if "inputs" not in found:
        raise InputError(f"there is no array 'inputs'; the arrays are {', '.join(found) or 'none'}")
    first = _modality(found["inputs"], "inputs")
    count, modalities = len(first.rows), [first]
    if "second" in found:
        second = _modality(found["second"], "second")
        if len(second.rows) != count:
            raise InputError(
                f"modalities must pair up, and there are {count} inputs and {len(second.rows)} second inputs; give one for each"
            )
        modalities.append(second)
    names, classes, told = _classes(found, count)
    inputs = torch.cat([one.rows for one in modalities], 1)
    tensors = check_given({name: value for name, value in found.items() if name in ARRAYS}, count, inputs.shape[1])
    samples = Split(inputs, classes, tensors or NOTHING)
    train, validation, test, division = _division(samples, found.get("split"))
    paired = tuple(one.shape or (one.rows.shape[1],) for one in modalities) if len(modalities) > 1 else ()
    return assemble(
        train,
        validation,
        test,
        num_classes=names,
        source=f"{source}: {count} samples{told}, {division}",
        shape=first.shape if not paired else (),
        modalities=paired,
    )


def _array(name: str, value: Any) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except ValueError:
        raise InputError(f"{name!r} is no array, because its rows differ in length; give rows of one length") from None


class _Modality(NamedTuple):
    """Rows of shape (N, n) and the shape of the picture in each, empty for vectors."""

    rows: Tensor
    shape: tuple[int, ...]


def _modality(array: NDArray[Any], name: str) -> _Modality:
    values = numbers_of(array, name)
    if not 2 <= values.ndim <= 4 or 0 in values.shape:
        raise InputError(f"{name!r} must have the shape (N, n), (N, H, W) or (N, C, H, W), got {values.shape}")
    if values.shape[0] < 3:
        raise InputError(f"{name!r} has {len(values)} samples; three splits need at least 3")
    finite(values, name)
    shape = values.shape[1:] if values.ndim == 4 else (1, *values.shape[1:]) if values.ndim == 3 else ()
    return _Modality(torch.from_numpy(np.ascontiguousarray(values.reshape(len(values), -1), dtype=np.float32)), tuple(shape))


def _classes(found: Mapping[str, NDArray[Any]], count: int) -> tuple[int, Tensor, str]:
    """Return the number of classes, the class of each sample, and words on where classes come from."""
    if "labels" not in found:
        if "numbers" not in found:
            raise InputError(
                "there is no array 'labels', by which probes judge; give a class for each sample, or 'numbers', which are cut into classes"
            )
        numbers = finite(numbers_of(found["numbers"], "numbers"), "numbers").reshape(-1)
        if len(numbers) != count:
            raise InputError(f"'numbers' has {len(numbers)} values for {count} samples; give one for each")
        edges = np.quantile(numbers, np.arange(1, _QUANTILES) / _QUANTILES)
        _, cut = np.unique(np.searchsorted(edges, numbers), return_inverse=True)
        return int(cut.max()) + 1, torch.from_numpy(cut.astype(np.int64)), f", numbers cut into {int(cut.max()) + 1} classes"
    labels = found["labels"]
    if labels.shape != (count,):
        raise InputError(f"'labels' has the shape {labels.shape} for {count} samples; give a class for each, of shape ({count},)")
    if labels.dtype.kind == "U":
        names, places = np.unique(labels, return_inverse=True)
        return len(names), torch.from_numpy(places.astype(np.int64)), f", classes {', '.join(map(str, names[:10]))}"
    if labels.dtype.kind not in "iu" or labels.min() < 0:
        raise InputError("'labels' must be names or whole numbers from 0 on; real labels are the array 'numbers' or 'vectors'")
    return int(labels.max()) + 1, torch.from_numpy(labels.astype(np.int64)), ""


def _division(samples: Split, told: NDArray[Any] | None) -> tuple[Split, Split, Split, str]:
    """Return the three splits, and words on how they were made."""
    count = len(samples.labels)
    if told is not None:
        parts = [np.flatnonzero(_part_numbers(told, count) == number) for number in range(3)]
        for part, name in zip(parts, PARTS, strict=True):
            if not len(part):
                raise InputError(f"'split' leaves no sample for {name}; 0 is training, 1 validation and 2 test, and each needs some")
        words = "divided as given"
    elif (group := next((name for name in GROUPS if name in samples.given), None)) is not None:
        parts, words = _whole_groups(samples.given[group].numpy(), group), f"whole {group} held out"
    else:
        held = max(1, round(_HELD_OUT * count))
        return *split_stratified(samples, held, held), "fixed stratified split"
    train, validation, test = (samples.take(torch.from_numpy(part)) for part in parts)
    return train, validation, test, words


def _part_numbers(told: NDArray[Any], count: int) -> NDArray[np.int64]:
    if told.shape != (count,):
        raise InputError(f"'split' has the shape {told.shape} for {count} samples; give one entry for each, of shape ({count},)")
    if told.dtype.kind == "U":
        told = np.array([PARTS.index(name) if name in PARTS else -1 for name in told])
    if told.dtype.kind not in "iu" or told.min() < 0 or told.max() > 2:
        raise InputError("'split' must be 0, 1 and 2, or train, validation and test")
    return told.astype(np.int64)


def _whole_groups(groups: NDArray[Any], name: str) -> list[NDArray[np.intp]]:
    """Return the rows of each split, with every group in one of them."""
    ids, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(ids) < 3:
        raise InputError(f"{len(ids)} {name} cannot be divided into three splits; give the array 'split'")
    order = fixed_order(len(ids))
    wanted = _HELD_OUT * len(groups)
    part_of = np.zeros(len(ids), dtype=np.int64)
    at = 0
    for part in (2, 1):
        taken = 0
        while at < len(ids) - part and (taken == 0 or taken + sizes[order[at]] <= wanted):
            part_of[order[at]] = part
            taken += sizes[order[at]]
            at += 1
    return [np.flatnonzero(part_of[place] == part) for part in range(3)]
