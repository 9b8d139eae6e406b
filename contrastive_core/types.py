"""Values that all packages share: states, gradients and batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

State = tuple[Tensor, ...]
"""One (B, n) tensor per free layer, input side first."""

Gradients = dict[str, Tensor]
"""One tensor per parameter, with the keys and shapes of ``network.named_parameters()``."""


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
