"""Gaussian noise on every input."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class Noise:
    """Independent Gaussian noise on every input; values are not clipped, so that the mean is kept.

    Attributes
    ----------
    scale : float
        Standard deviation.
    """

    scale: float = 0.1

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Add noise of standard deviation ``strength * scale``."""
        return inputs + strength * self.scale * torch.randn(inputs.shape, generator=generator, dtype=inputs.dtype, device=inputs.device)
