"""The values that all layers share: states, gradients and batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

State = tuple[Tensor, ...]
"""One (B, n) tensor per free layer, input side first."""

Gradients = dict[str, Tensor]
"""A tensor per parameter, keyed and shaped as ``network.named_parameters()``."""


class Batch(NamedTuple):
    """Samples presented together.

    Attributes
    ----------
    inputs : Tensor of shape (B, n_in)
        Values of the clamped input layer.
    labels : Tensor of shape (B,) or (B, n_out)
        Class indices (int64), or real-valued targets.
    instances : Tensor of shape (B,), optional
        Ids shared by the views of one sample (int64), for costs that couple rows. A number of the sample in its data set where
        something is remembered per sample.
    views : Tensor of shape (B,), optional
        Number of the view of its sample that each row is (int64); None numbers the rows of a sample in the order in which they stand.
    extras : mapping of str to Tensor, optional
        Further tensors that an objective declares: a queue, prototypes, temperatures, a second network's outputs.
    held : Tensor of shape (B, n_out), optional
        The outputs at which an objective evaluates what carries no gradient (codes, weights, selected pairs); None means the
        outputs at hand.
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
