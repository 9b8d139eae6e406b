"""Gradients that come from behind a network, as a cost of its outputs."""

from typing import final

import torch
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.types import Samples, as_batch


@final
class Incoming(Cost):
    r"""The inner product :math:`C = g \cdot o` of the outputs with a gradient g, given as labels.

    Whatever loss stands behind a network, :math:`C` has its gradient :math:`\partial C/\partial o = g`, which does not follow the outputs.
    """

    analytic = True

    def value(self, output: Tensor, batch: Samples) -> Tensor:
        """Return the inner product of each sample, of shape (B,)."""
        return (as_batch(batch).labels * output).flatten(1).sum(1)

    def gradient(self, output: Tensor, batch: Samples) -> Tensor:
        """Return the gradient that was given, shaped as the outputs."""
        return as_batch(batch).labels

    def errors(self, output: Tensor, batch: Samples) -> Tensor:
        """Return that no sample is wrong: a gradient decides nothing."""
        return torch.zeros(len(output), dtype=torch.bool, device=output.device)
