"""Batches of a split, in its own order or shuffled."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from contrastive_core.data.given import chosen
from contrastive_core.data.on_disk.blocks import blocks_of, presented, windows
from contrastive_core.data.on_disk.rows import MappedRows
from contrastive_core.data.splits import Split, as_split
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.types import Batch


@typed("split")
def batches(split: Split | tuple[Any, Any], batch_size: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
    """Present every sample once, in batches.

    Parameters
    ----------
    split : Split, or pair of inputs and labels
        Samples, with inputs of shape (N, n_in).
    batch_size : int
        Samples per batch, at least 1; the last batch may be smaller.
    generator : torch.Generator, optional
        Source of the order, advanced by the call itself; None keeps the order of the split. Inputs that stay in their file are shuffled
        in blocks, as :mod:`contrastive_core.data.on_disk.blocks` says.

    Returns
    -------
    iterator of Batch
        Batches with inputs of shape (B, n_in) and labels of shape (B,), on the split's device. ``instances`` are the indices of the
        samples in the split, and ``extras`` the named tensors of the samples. Without a generator the tensors are views of the split.

    Raises
    ------
    InputError
        If ``batch_size`` is less than 1, or the samples are something else.
    """
    split = as_split(split)
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1, got {batch_size}; 32 is usual")
    num_samples = len(split.labels)
    starts = range(0, num_samples, batch_size)
    if generator is None:
        places = torch.arange(num_samples, device=split.labels.device)
        slices = (slice(i, i + batch_size) for i in starts)
        return (batch_of(split, part, places[part]) for part in slices)
    if isinstance(split.inputs, MappedRows):
        return _from_file(split, split.inputs, batch_size, windows(num_samples, blocks_of(split.inputs, batch_size), generator))
    # Draw the order now, not at the first batch: later draws of the generator must not depend on when the batches are read.
    order = torch.randperm(num_samples, generator=generator, device=generator.device).to(split.labels.device)
    return (batch_of(split, rows, rows) for rows in (order[i : i + batch_size] for i in starts))


def _from_file(split: Split, inputs: MappedRows, batch_size: int, order: list[Tensor]) -> Iterator[Batch]:
    for values, rows in presented(inputs, order, batch_size):
        places = rows.to(split.labels.device)
        yield Batch(values, split.labels[places], places, extras=chosen(split.given, places) if split.given else None)


def batch_of(split: Split, rows: Tensor | slice, places: Tensor) -> Batch:
    """Return some samples of a split as a batch.

    Parameters
    ----------
    split : Split
        All samples.
    rows : Tensor of shape (B,) or slice
        Samples that are presented.
    places : Tensor of shape (B,)
        Indices of these samples.
    """
    extras = chosen(split.given, rows) if split.given else None
    return Batch(split.inputs[rows], split.labels[rows], places, extras=extras)
