"""Noise on every input."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.views.base import View


@final
@dataclass(frozen=True)
class Noise(View):
    """Independent normal noise on every input; nothing is clipped, so that the mean stays.

    Attributes
    ----------
    scale : float
        Standard deviation.
    """

    scale: float = 0.1

    def apply(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Add noise of standard deviation ``strength * scale``."""
        return inputs + strength * self.scale * torch.randn(inputs.shape, generator=generator, dtype=inputs.dtype, device=inputs.device)
