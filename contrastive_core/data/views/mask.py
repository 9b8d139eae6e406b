"""Random masking of inputs."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class Mask:
    """Sets each input to 0 independently, with the same probability.

    Attributes
    ----------
    share : float
        Probability of 0.
    """

    share: float = 0.25

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Set each input to 0 with probability ``strength * share``."""
        draws = torch.rand(inputs.shape, generator=generator, dtype=inputs.dtype, device=inputs.device)
        return inputs * (draws >= strength * self.share)
