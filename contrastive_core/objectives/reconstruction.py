"""Half the squared distance of the outputs to the inputs, or to the samples behind them."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.errors import InputError
from contrastive_core.types import Batch

SAMPLES = "samples"
"""Extra with the sample behind each view, of shape (B, n_in)."""


@final
@dataclass(frozen=True)
class Reconstruction(Cost):
    r"""The squared error :math:`C = \tfrac12 |o - x|^2` of outputs that are to repeat the inputs, one for each value.

    Attributes
    ----------
    clean : bool
        Whether x is the sample itself instead of the view that the network sees, as in a denoising autoencoder.
    """

    clean: bool = False

    curvature = 1.0

    def value(self, output: Tensor, batch: Batch) -> Tensor:
        """Return half the squared distance of each output to its input, of shape (B,)."""
        return 0.5 * self.gradient(output, batch).square().sum(1)

    def gradient(self, output: Tensor, batch: Batch) -> Tensor:
        """Return :math:`o - x`, of shape (B, n_in).

        Raises
        ------
        InputError
            If samples are to be restored, and the batch has only views of them.
        """
        if not self.clean:
            return output - batch.inputs.flatten(1).to(output.dtype)
        if SAMPLES not in (batch.extras or {}):
            raise InputError("a reconstruction of clean samples needs them beside their views; show views by contrast, or set clean=false")
        return output - (batch.extras or {})[SAMPLES].flatten(1).to(output.dtype)

    def errors(self, output: Tensor, batch: Batch) -> Tensor:
        """Return a mask without a wrong sample: a reconstruction makes no decisions."""
        return torch.zeros(len(output), dtype=torch.bool, device=output.device)
