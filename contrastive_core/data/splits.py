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
from contrastive_core.data.on_disk.rows import MappedRows
from contrastive_core.data.task import Target
from contrastive_core.errors import InputError
from contrastive_core.expect import shown
from contrastive_core.guards.typed import typed
from contrastive_core.types import as_batch


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
    labels : Tensor of shape (N,) or (N, n_out)
        Class indices (int64), or targets (float32): standardised numbers, or 1 for each tag that a sample has.
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
        """Return some of the samples, by their indices; inputs in a file stay there."""
        inputs = self.inputs.only(_places(rows, len(self.labels))) if isinstance(self.inputs, MappedRows) else self.inputs[rows]
        return Split(inputs, self.labels[rows], chosen(self.given, rows) if self.given else NOTHING)


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
        Number of outputs: classes, of which labels lie in 0 .. num_classes - 1, or columns of the targets.
    source : str
        Origin, scaling and division of the samples, in one sentence.
    digest : str
        SHA-256 over the bytes of all tensors, in hexadecimal; equal digests mean equal data.
    shape : tuple of int
        Channels, height and width (C, H, W) of the picture in each row of inputs, row-major, so that ``inputs.reshape(-1, *shape)`` are
        the pictures; empty if rows are vectors without neighbours.
    modalities : tuple of tuple of int
        Shape of each modality of a sample, which stand side by side in a row of inputs; empty for one modality.
    task : str
        Name in ``contrastive_core.data.task.TASKS``: what labels are.
    targets : tuple of Target
        Name and scale of each real target of a regression; empty otherwise.
    classes : tuple of str
        Name of each class or tag; empty for numbers, and where the data have no names.
    features : tuple of str
        Name of each input; empty where the data have no names.
    """

    train: Split
    validation: Split
    test: Split
    num_classes: int
    source: str
    digest: str
    shape: tuple[int, ...] = ()
    modalities: tuple[tuple[int, ...], ...] = ()
    task: str = "classification"
    targets: tuple[Target, ...] = ()
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()

    def with_parts(self, train: Split, validation: Split, test: Split, source: str) -> "Splits":
        """Return the data set with other samples or inputs, a new digest and another source."""
        digest = _digest(train, validation, test, self.targets)
        return self._replace(train=train, validation=validation, test=test, source=source, digest=digest)


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
    task: str = "classification",
    targets: tuple[Target, ...] = (),
) -> Splits:
    """Put three splits together and compute their digest.

    Parameters
    ----------
    train, validation, test : Split
        Samples, with inputs of shape (N, n_in) and labels of shape (N,) or (N, n_out).
    num_classes : int
        Number of outputs.
    source : str
        Origin of the samples, in one sentence.
    shape : tuple of int
        Channels, height and width of the picture in each row; empty for vectors.
    modalities : tuple of tuple of int
        Shape of each modality in a row; empty for one modality.
    task : str
        Name in ``contrastive_core.data.task.TASKS``.
    targets : tuple of Target
        Name and scale of each real target of a regression.

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
    digest = _digest(train, validation, test, targets)
    return Splits(train, validation, test, num_classes, source, digest, shape, modalities, task, targets)


def require_classes(splits: Splits, data: str) -> Splits:
    """Return a data set of classes, for what judges decisions.

    Raises
    ------
    InputError
        If its labels are numbers or tags.
    """
    if splits.task != "classification":
        raise InputError(f"{data} is a {splits.task}, and this command judges classes; train, compare, gradients and tune take it")
    return splits


def require_loaded(splits: Splits, data: str) -> Splits:
    """Return a data set in memory, for what takes all inputs at once.

    Raises
    ------
    InputError
        If its inputs stay in their file.
    """
    if isinstance(splits.train.inputs, MappedRows):
        raise InputError(
            f"the inputs of {data} stay in their file (memory-mapped), and this command takes all at once; give --no-memory-mapped to load "
            "them, or train, compare, gradients or tune, which take batches"
        )
    return splits


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

    Inputs that stay in their file are in its order, and samples that are evenly spaced there are kept.

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
    mapped = isinstance(splits.train.inputs, MappedRows)
    source = f"{splits.source}; only {'' if mapped else 'the first '}{train} of {available} training samples"
    kept = torch.arange(train) * available // train if mapped else slice(train)
    return splits.with_parts(splits.train.take(kept), splits.validation, splits.test, source)


def _places(rows: Tensor | slice, count: int) -> NDArray[np.intp]:
    return np.arange(count)[rows if isinstance(rows, slice) else rows.numpy()]


def _digest(train: Split, validation: Split, test: Split, targets: tuple[Target, ...]) -> str:
    """Hash dtype, shape and bytes of every tensor; with the shape, moving a sample between splits changes the digest."""
    total = sha256("".join(f"{target}" for target in targets).encode())  # nothing for classes, whose digests stay those of earlier runs
    tensors = []
    for split in (train, validation, test):
        names = sorted(split.given)
        total.update("".join(names).encode())  # nothing for most data sets
        tensors += [split.inputs, split.labels, *(split.given[name] for name in names)]
    for tensor in tensors:
        if isinstance(tensor, MappedRows):
            total.update(tensor.identity())
            continue
        array = np.ascontiguousarray(tensor.cpu().numpy())
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(array.data)
    return total.hexdigest()
