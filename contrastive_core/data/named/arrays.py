"""Data sets made of named arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive_core.data.division import divide
from contrastive_core.data.given import ARRAYS, NOTHING
from contrastive_core.data.named.checks import check_given, finite, numbers_of
from contrastive_core.data.named.groups import GROUPS
from contrastive_core.data.on_disk.rows import CHUNK, MappedRows
from contrastive_core.data.splits import Split, Splits, assemble
from contrastive_core.data.task import Target
from contrastive_core.errors import InputError
from contrastive_core.files.stored import Stored
from contrastive_core.guards.typed import typed
from contrastive_core.registry import unknown_name

OF_DATA = ("inputs", "second", "labels", "targets", "split")
"""Arrays that are no named tensors of samples: both modalities, the classes or targets, and the division."""

_QUANTILES = 4
"""Classes that real labels are cut into where there are no others, for probes."""


@typed()
def own_data(arrays: Mapping[str, Any], *, source: str = "own data", names: Sequence[str] = ()) -> Splits:
    """Make a data set of named arrays.

    ``inputs`` has shape (N, n), (N, H, W) or (N, C, H, W), and ``second``, of the same forms, is a second modality. ``labels`` are
    whole numbers or names of classes, of shape (N,); without them, ``numbers`` are cut into four classes of equal size. In place of
    labels, ``targets`` of shape (N,) or (N, m) are numbers to be learnt (regression), or tags if there are several columns of 0 and 1
    alone (multi-label). Numbers are standardised by the training split. ``split`` says 0 or train, 1 or validation, 2 or test for each
    sample; without it, 15 % of the samples of each class are for validation and 15 % for testing, or 15 % of whole groups, images,
    patients or trials where the data name them. The other names are those of
    :data:`contrastive_core.data.given.ARRAYS`.

    Parameters
    ----------
    arrays : mapping of str to array
        Arrays by name; lists and tensors are taken too, and inputs may stay in a file, which is not written to meanwhile.
    source : str
        Origin of the samples, in a few words.
    names : sequence of str
        Names of the targets; empty for their numbers.

    Returns
    -------
    Splits
        Data set.

    Raises
    ------
    InputError
        If a name is unknown, an array has a wrong shape, length or value, or a split would be empty.
    """
    found = {name: _array(name, value) for name, value in arrays.items() if not isinstance(value, Stored)}
    in_file = {name: value for name, value in arrays.items() if isinstance(value, Stored)}
    for name in found:
        if name not in ARRAYS and name not in OF_DATA:
            raise unknown_name("array", name, {**dict.fromkeys(OF_DATA), **ARRAYS})
    if "inputs" not in arrays:
        raise InputError(f"there is no array 'inputs'; the arrays are {', '.join(found) or 'none'}")
    first = _in_file(in_file["inputs"], "inputs") if in_file else _modality(found["inputs"], "inputs")
    count, modalities = len(first.rows), [first]
    if "second" in found:
        second = _modality(found["second"], "second")
        if len(second.rows) != count:
            raise InputError(
                f"modalities must pair up, and there are {count} inputs and {len(second.rows)} second inputs; give one for each"
            )
        modalities.append(second)
    labels = _labels(found, count)
    inputs = torch.cat([one.rows for one in modalities], 1) if len(modalities) > 1 else first.rows
    tensors = check_given({name: value for name, value in found.items() if name in ARRAYS}, count, inputs.shape[1])
    samples = Split(inputs, labels.values, tensors or NOTHING)
    group = next((name for name in GROUPS if name in tensors), None)
    *parts, division = divide(samples, found.get("split"), None if group is None else (group, tensors[group].numpy()))
    scales: tuple[Target, ...] = ()
    if labels.task == "regression":
        parts, scales = _scaled(parts, names or [f"target {number}" for number in range(labels.outputs)])
    elif labels.task == "multi-label":
        parts = [Split(part.inputs, part.labels.float(), part.given) for part in parts]
    train, validation, test = parts
    paired = tuple(one.shape or (one.rows.shape[1],) for one in modalities) if len(modalities) > 1 else ()
    return assemble(
        train,
        validation,
        test,
        num_classes=labels.outputs,
        source=f"{source}: {count} samples{labels.words}, {division}",
        shape=first.shape if not paired else (),
        modalities=paired,
        task=labels.task,
        targets=scales,
    )._replace(classes=labels.names)


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
    shape = _picture(values.shape, name)
    finite(values, name)
    return _Modality(torch.from_numpy(np.ascontiguousarray(values.reshape(len(values), -1), dtype=np.float32)), shape)


def _in_file(stored: Stored, name: str) -> _Modality:
    """Return inputs that stay in their file, after one look at all of them."""
    shape, total = _picture(stored.shape, name), sha256(f"{stored.dtype.str}{stored.shape}".encode())
    for piece in stored.pieces(CHUNK):
        total.update(finite(numbers_of(piece, name), name).data)
    return _Modality(MappedRows(stored, total.hexdigest()), shape)


def _picture(shape: tuple[int, ...], name: str) -> tuple[int, ...]:
    """Return the shape of the picture in each row of an array, empty for vectors."""
    if not 2 <= len(shape) <= 4 or 0 in shape:
        raise InputError(f"{name!r} must have the shape (N, n), (N, H, W) or (N, C, H, W), got {shape}")
    if shape[0] < 3:
        raise InputError(f"{name!r} has {shape[0]} samples; three splits need at least 3")
    return shape[1:] if len(shape) == 4 else (1, *shape[1:]) if len(shape) == 3 else ()


class _Labels(NamedTuple):
    """Labels of all samples, as a data set holds them before targets are scaled.

    Attributes
    ----------
    task : str
        Name in ``TASKS``.
    outputs : int
        Number of classes, numbers or tags.
    values : Tensor
        Classes of shape (N,), or targets of shape (N, outputs) in float64.
    words : str
        Origin of the labels.
    names : tuple of str
        Names of the classes; empty where they have none.
    """

    task: str
    outputs: int
    values: Tensor
    words: str
    names: tuple[str, ...] = ()


def _labels(found: Mapping[str, NDArray[Any]], count: int) -> _Labels:
    if "targets" in found:
        if "labels" in found:
            raise InputError("there are 'labels' and 'targets'; give classes or targets, a data set has one task")
        return _targets(found["targets"], count)
    if "labels" not in found:
        if "numbers" not in found:
            raise InputError(
                "there is no array 'labels' or 'targets'; give a class or targets for each sample, or 'numbers', which are cut into classes"
            )
        numbers = finite(numbers_of(found["numbers"], "numbers"), "numbers").reshape(-1)
        if len(numbers) != count:
            raise InputError(f"'numbers' has {len(numbers)} values for {count} samples; give one for each")
        edges = np.quantile(numbers, np.arange(1, _QUANTILES) / _QUANTILES)
        _, cut = np.unique(np.searchsorted(edges, numbers), return_inverse=True)
        several = int(cut.max()) + 1
        return _Labels("classification", several, torch.from_numpy(cut.astype(np.int64)), f", numbers cut into {several} classes")
    labels, words, names = found["labels"], "", np.zeros(0, dtype=str)
    if labels.shape != (count,):
        raise InputError(f"'labels' has the shape {labels.shape} for {count} samples; give a class for each, of shape ({count},)")
    if labels.dtype.kind == "U":
        names, labels = np.unique(labels, return_inverse=True)
        words = f", classes {', '.join(map(str, names[:10]))}"
    if labels.dtype.kind not in "iu" or labels.min() < 0:
        raise InputError("'labels' must be names or whole numbers from 0 on; real labels are 'targets', 'numbers' or 'vectors'")
    if labels.min() == labels.max():
        raise InputError(f"all {count} samples are of one class, and nothing can be told apart; give samples of at least two")
    several = int(labels.max()) + 1
    return _Labels("classification", several, torch.from_numpy(labels.astype(np.int64)), words, tuple(map(str, names)))


def _targets(array: NDArray[Any], count: int) -> _Labels:
    """Return real targets, or tags: two columns or more of 0 and 1 alone."""
    values = finite(numbers_of(array, "targets"), "targets")
    if values.ndim not in (1, 2) or len(values) != count or not values.size:
        raise InputError(f"'targets' has the shape {values.shape} for {count} samples; give ({count},) or ({count}, m)")
    columns = torch.from_numpy(values.reshape(count, -1).astype(np.float64))
    constant = (columns == columns[0]).all(0).nonzero().flatten().tolist()
    if constant:
        raise InputError(f"column {constant[0]} of 'targets' is the same for all samples, so that nothing is learnt of it; leave it out")
    tags = columns.shape[1] > 1 and bool(((columns == 0) | (columns == 1)).all())
    return _Labels("multi-label" if tags else "regression", columns.shape[1], columns, "")


def _scaled(parts: Sequence[Split], names: Sequence[str]) -> tuple[list[Split], tuple[Target, ...]]:
    """Standardise targets by the training split alone."""
    spread, mean = torch.std_mean(parts[0].labels, dim=0, correction=0)
    for name, one in zip(names, spread.tolist(), strict=True):
        if not one:
            raise InputError(f"target {name} is the same for all training samples, so that nothing is learnt of it; leave it out")
    scaled = [Split(part.inputs, ((part.labels - mean) / spread).float(), part.given) for part in parts]
    return scaled, tuple(Target(*one) for one in zip(names, mean.tolist(), spread.tolist(), strict=True))
