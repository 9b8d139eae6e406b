"""Values that all packages share: states, gradients and batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.expect import shown
from contrastive_core.guards.typed import typed

State = tuple[Tensor, ...]
"""One tensor per free layer, input side first: of shape (B, n) for a row of units, (B, C, H, W) for channels of a picture."""

Gradients = dict[str, Tensor]
"""One tensor per parameter, with the keys and shapes of ``network.named_parameters()``."""


@typed("inputs", "labels")
class Batch(NamedTuple):
    """Samples presented together.

    Attributes
    ----------
    inputs : Tensor of shape (B, n_in)
        Values of the clamped input layer.
    labels : Tensor of shape (B,) or (B, n_out)
        Class indices (int64), or real-valued targets.
    instances : Tensor of shape (B,), optional
        Ids that views of one sample share (int64), for costs that couple rows. If something is remembered per sample, the id is the
        index of the sample in its data set.
    views : Tensor of shape (B,), optional
        Number of the view of its sample that each row is (int64); None numbers the rows of a sample in the order in which they stand.
    extras : mapping of str to Tensor, optional
        Further tensors that an objective declares: a queue, prototypes, temperatures, a second network's outputs.
    held : Tensor of shape (B, n_out), optional
        Outputs for the parts of an objective without a gradient (codes, weights, selected pairs); None takes the present outputs.
    start : State, optional
        Start of free phases, for rules that settle; None is at rest.
    """

    inputs: Tensor
    labels: Tensor
    instances: Tensor | None = None
    views: Tensor | None = None
    extras: Mapping[str, Tensor] | None = None
    held: Tensor | None = None
    start: State | None = None


Samples = Batch | tuple[Any, Any] | list[Any]
"""Batch, or a pair of its inputs and labels, as data loaders give it; each may be a tensor, an array or nested lists."""


def as_batch(samples: Samples) -> Batch:
    """Return samples as a batch of tensors.

    Parameters
    ----------
    samples : Batch, or pair of inputs and labels
        Samples; tensors stay as they are. Arrays and lists are copied, and whole numbers become int64.

    Raises
    ------
    InputError
        If they are something else, or hold no numbers.
    """
    if not isinstance(samples, Batch):
        if not isinstance(samples, tuple | list) or len(samples) != 2:
            raise InputError(f"a batch must be a Batch or a pair (inputs, labels), got {shown(samples)}")
        samples = Batch(*samples)
    if isinstance(samples.inputs, Tensor) and isinstance(samples.labels, Tensor):
        return samples
    return samples._replace(inputs=as_tensor(samples.inputs, "inputs"), labels=as_tensor(samples.labels, "labels"))


def as_tensor(values: Any, name: str) -> Tensor:
    """Return numbers as a tensor; tensors stay as they are, arrays and nested lists are copied, and whole numbers become int64.

    Parameters
    ----------
    values : Tensor, ndarray or nested sequence of numbers
        Numbers.
    name : str
        Their name in messages.

    Raises
    ------
    InputError
        If they are no numbers, or lists of unequal lengths.
    """
    if isinstance(values, Tensor):
        return values
    try:
        array = np.array(values)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name} must be numbers in a tensor, an array or lists of equal lengths, got {shown(values)}")
    # A copy in the byte order of this machine, because torch takes no other, and warns of arrays that may not be written.
    return torch.from_numpy(array.astype(np.int64 if array.dtype.kind in "iu" else array.dtype.newbyteorder("=")))
