"""Replacement of values by others of the same sample."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class Replace:
    """Gives each place of a sample, independently with the same probability, the value of a random place of that sample.

    Replaced tokens (Clark et al., 2020, ELECTRA), which a small generator network proposes there. A random place of the same sample
    stands for it here, so that no single value tells what is replaced.

    Attributes
    ----------
    share : float
        Probability of a replacement; the default is the paper's.
    """

    share: float = 0.15

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Replace each value, or the whole pixel of a picture, with probability ``strength * share``."""
        values = inputs.flatten(2) if inputs.dim() == 4 else inputs[:, None]  # (N, C, places)
        count, _, places = values.shape
        kept = torch.rand((count, places), generator=generator, device=inputs.device) >= strength * self.share
        others = torch.randint(places, (count, places), generator=generator, device=inputs.device)
        sources = torch.where(kept, torch.arange(places, device=inputs.device), others)
        return values.gather(2, sources[:, None].expand_as(values)).reshape(inputs.shape)
