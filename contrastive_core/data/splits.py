"""Training, validation and test splits, which do not depend on the training seed."""

from collections.abc import Callable
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive_core.data.given import NOTHING, Given, chosen, joined
from contrastive_core.errors import InputError
from contrastive_core.expect import shown
from contrastive_core.guards.typed import typed
from contrastive_core.types import as_batch

# Seed of the order in which samples are split. Another value would change every published number on these data sets.
_SPLIT_SEED = 20240601


class _Pair(NamedTuple):
    inputs: Tensor
    labels: Tensor


@final
@typed()
class Split(_Pair):
    """Inputs and labels of one split, a pair of tensors, with what else is known of its samples.

    Attributes
    ----------
    inputs : Tensor of shape (N, n_in)
        Values that the input layer is clamped to (float32), in [0, 1].
    labels : Tensor of shape (N,)
        Class indices (int64).
    given : mapping of str to Tensor
        Further tensors of the samples by name: those of :data:`contrastive_core.data.given.ARRAYS`; empty for most data sets.
    """

    inputs: Tensor
    labels: Tensor
    given: Given

    def __new__(cls, inputs: Tensor, labels: Tensor, given: Given = NOTHING) -> "Split":
        """Make a split; ``inputs, labels = split`` still takes it apart."""
        split = super().__new__(cls, inputs, labels)
        split.given = given
        return split

    def take(self, rows: Tensor | slice) -> "Split":
        """Return some of the samples, by their indices."""
        return Split(self.inputs[rows], self.labels[rows], chosen(self.given, rows) if self.given else NOTHING)


@typed()
class Splits(NamedTuple):
    """Data set with its training, validation and test splits.

    Attributes
    ----------
    train : Split
        Samples to learn from, in no particular order.
    validation : Split
        Samples to choose settings by.
    test : Split
        Samples to report on, once.
    num_classes : int
        Number of classes; labels lie in 0 .. num_classes - 1.
    source : str
        Origin, scaling and division of the samples, in one sentence.
    digest : str
        SHA-256 over the bytes of all tensors, in hexadecimal; equal digests mean equal data.
    shape : tuple of int
        Channels, height and width (C, H, W) of the picture in each row of inputs, row-major, so that ``inputs.reshape(-1, *shape)`` are
        the pictures; empty if rows are vectors without neighbours.
    modalities : tuple of tuple of int
        Shape of each modality of a sample, which stand side by side in a row of inputs; empty for one modality.
    """

    train: Split
    validation: Split
    test: Split
    num_classes: int
    source: str
    digest: str
    shape: tuple[int, ...] = ()
    modalities: tuple[tuple[int, ...], ...] = ()


def as_split(samples: Split | tuple[Any, Any] | list[Any]) -> Split:
    """Return samples as a split; a pair of inputs and labels may be of tensors, arrays or nested lists.

    Raises
    ------
    InputError
        If they are something else, or hold no numbers.
    """
    if isinstance(samples, Split):
        return samples
    if not isinstance(samples, tuple | list) or len(samples) != 2:
        raise InputError(f"a split must be a Split or a pair (inputs, labels), got {shown(samples)}")
    inputs, labels = as_batch(samples)[:2]
    if inputs.dim() != 2 or labels.dim() not in (1, 2) or len(inputs) != len(labels):
        shapes = f"inputs of shape {tuple(inputs.shape)} and labels of shape {tuple(labels.shape)}"
        raise InputError(f"a split needs inputs of shape (N, n_in) and labels of shape (N,), got {shapes}")
    return Split(inputs, labels)


Loader = Callable[[Path | None, int], Splits]
"""``load(data_dir, seed)``: data sets in files use ``data_dir``, seeded ones use ``seed``."""


def assemble(
    train: Split,
    validation: Split,
    test: Split,
    *,
    num_classes: int,
    source: str,
    shape: tuple[int, ...] = (),
    modalities: tuple[tuple[int, ...], ...] = (),
) -> Splits:
    """Put three splits together and compute their digest.

    Parameters
    ----------
    train, validation, test : Split
        Samples, with inputs of shape (N, n_in) and labels of shape (N,).
    num_classes : int
        Number of classes.
    source : str
        Origin of the samples, in one sentence.
    shape : tuple of int
        Channels, height and width of the picture in each row; empty for vectors.
    modalities : tuple of tuple of int
        Shape of each modality in a row; empty for one modality.

    Returns
    -------
    Splits
        The data set.

    Raises
    ------
    InputError
        If pictures of this shape have another number of values than a row.
    """
    width = train.inputs.shape[1]
    if shape and (len(shape) != 3 or prod(shape) != width):
        raise InputError(
            f"rows of {width} inputs are no pictures of shape {shape}; give channels, height and width whose product is {width}"
        )
    return Splits(train, validation, test, num_classes, source, _digest(train, validation, test), shape, modalities)


def place(splits: Splits, device: torch.device) -> Splits:
    """Return the splits with their tensors on a device; tensors that are there already are shared.

    Parameters
    ----------
    splits : Splits
        Splits on any device.
    device : torch.device
        Target device.
    """
    train, validation, test = (
        Split(split.inputs.to(device), split.labels.to(device), {name: value.to(device) for name, value in split.given.items()})
        for split in splits[:3]
    )
    return splits._replace(train=train, validation=validation, test=test)


def split_stratified(samples: Split, num_validation: int, num_test: int) -> tuple[Split, Split, Split]:
    """Divide samples into training, validation and test splits with the same share of every class.

    The division depends on the labels and the two numbers only. The random order has a fixed seed and uses raw integers of the bit
    generator, which stay the same across versions of NumPy. The count of each class in the test split is within one of its share; in
    the validation split, it is within one of its share of the samples that the test split leaves.

    Parameters
    ----------
    samples : Split
        All samples, with inputs of shape (N, n_in).
    num_validation : int
        Samples in the validation split, at least 1.
    num_test : int
        Samples in the test split, at least 1.

    Returns
    -------
    tuple of Split
        Training, validation and test samples, each in random order; every sample is in exactly one of them.

    Raises
    ------
    InputError
        If a split would be empty.
    """
    num_samples = len(samples.labels)
    if num_validation < 1 or num_test < 1 or num_validation + num_test >= num_samples:
        raise InputError(
            f"cannot take {num_validation} validation and {num_test} test samples from {num_samples}; "
            "every split needs at least one sample, choose smaller positive numbers"
        )
    order = fixed_order(num_samples)
    rank = np.argsort(order)
    by_class = order[np.argsort(samples.labels.numpy()[order], kind="stable")]
    in_test = _spread(num_samples, num_test)
    rest = by_class[~in_test]
    in_validation = _spread(len(rest), num_validation)
    parts = (rest[~in_validation], rest[in_validation], by_class[in_test])
    train, validation, test = (_take(samples, part[np.argsort(rank[part])]) for part in parts)
    return train, validation, test


def fixed_order(count: int) -> NDArray[np.intp]:
    """Return an order of ``count`` samples that looks random, and is the same on every machine and for every version of NumPy."""
    return np.argsort(np.random.PCG64(_SPLIT_SEED).random_raw(count), kind="stable")


def join(one: Split, other: Split) -> Split:
    """Put the samples of two splits together.

    Parameters
    ----------
    one, other : Split
        Samples, with inputs of shape (N, n_in) and labels of shape (N,).

    Returns
    -------
    Split
        Samples of the first split, then those of the other.
    """
    return Split(torch.cat((one.inputs, other.inputs)), torch.cat((one.labels, other.labels)), joined(one.given, other.given))


def limit(splits: Splits, *, train: int) -> Splits:
    """Keep only the first training samples, for learning curves and quick runs; validation and test splits stay whole.

    Parameters
    ----------
    splits : Splits
        A data set.
    train : int
        Number of training samples to keep.

    Returns
    -------
    Splits
        Smaller data set, with a new digest and the limit in its source.

    Raises
    ------
    InputError
        If ``train`` is not between 1 and the number of training samples.
    """
    available = len(splits.train.labels)
    if not 1 <= train <= available:
        raise InputError(f"cannot keep {train} training samples; choose a number from 1 to {available}")
    source = f"{splits.source}; only the first {train} of {available} training samples"
    return assemble(
        splits.train.take(slice(train)), splits.validation, splits.test, num_classes=splits.num_classes, source=source, shape=splits.shape,
        modalities=splits.modalities,
    )  # fmt: skip


def _spread(length: int, count: int) -> NDArray[np.bool_]:
    """Mark ``count`` of ``length`` positions, evenly spaced."""
    steps = np.arange(length + 1) * count // length
    return np.diff(steps) > 0


def _take(samples: Split, indices: NDArray[np.intp]) -> Split:
    """Select samples by index."""
    return samples.take(torch.from_numpy(indices))


def _digest(*splits: Split) -> str:
    """Hash dtype, shape and bytes of every tensor; with the shape, moving a sample between splits changes the digest."""
    total = sha256()
    tensors = []
    for split in splits:
        names = sorted(split.given)
        total.update("".join(names).encode())  # nothing for most data sets, whose digests stay those of earlier runs
        tensors += [split.inputs, split.labels, *(split.given[name] for name in names)]
    for tensor in tensors:
        array = np.ascontiguousarray(tensor.cpu().numpy())
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(array.data)
    return total.hexdigest()
