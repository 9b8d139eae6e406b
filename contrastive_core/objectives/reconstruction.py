"""Half the squared distance of the outputs to the inputs."""

from typing import final

import torch
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.types import Batch


@final
class Reconstruction(Cost):
    r"""The squared error :math:`C = \tfrac12 |o - x|^2` of outputs that are to repeat the inputs, one for each value."""

    curvature = 1.0

    def value(self, output: Tensor, batch: Batch) -> Tensor:
        """Return half the squared distance of each output to its input, of shape (B,)."""
        return 0.5 * self.gradient(output, batch).square().sum(1)

    def gradient(self, output: Tensor, batch: Batch) -> Tensor:
        """Return :math:`o - x`, of shape (B, n_in)."""
        return output - batch.inputs.flatten(1).to(output.dtype)

    def errors(self, output: Tensor, batch: Batch) -> Tensor:
        """Return a mask without a wrong sample: a reconstruction makes no decisions."""
        return torch.zeros(len(output), dtype=torch.bool, device=output.device)
