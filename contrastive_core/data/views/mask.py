"""Random masking of inputs."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class Mask:
    """Every input becomes 0 with the same probability, independently.

    Attributes
    ----------
    share : float
        Probability of 0.
    """

    share: float = 0.25

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Leave out each input with probability ``strength * share``."""
        draws = torch.rand(inputs.shape, generator=generator, dtype=inputs.dtype, device=inputs.device)
        return inputs * (draws >= strength * self.share)
