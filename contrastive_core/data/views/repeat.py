"""Repetition of columns of a picture."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.views.images import as_images, taken_from


@final
@dataclass(frozen=True)
class Repeat:
    """Repeats random columns of a picture, each beside itself, and pushes the last ones out.

    Repetition of words (Wu et al., 2021, ESimCSE) for sequences of fixed length: the number of repeated places is uniform from 0 to a
    share of the length, or 2 if that is more.

    Attributes
    ----------
    share : float
        Largest share of repeated columns.
    """

    share: float = 0.32

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Repeat up to ``strength * share`` of the columns of each picture, all channels and rows alike."""
        images, count = as_images(inputs), len(inputs)
        height, width = images.shape[2:]
        most = min(width, max(2, int(strength * self.share * width))) if strength > 0 else 0
        numbers = torch.randint(most + 1, (count, 1), generator=generator, device=inputs.device)
        ranks = torch.rand((count, width), generator=generator, device=inputs.device).argsort(1).argsort(1)
        ends = (1 + (ranks < numbers)).cumsum(1)  # end of each column, repeated or not, in the longer sequence
        places = torch.arange(width, device=inputs.device).expand(count, -1).contiguous()
        columns = torch.searchsorted(ends, places, right=True)
        rows = torch.arange(height, device=inputs.device).expand(count, -1)
        return taken_from(inputs, rows, columns).reshape(inputs.shape)
