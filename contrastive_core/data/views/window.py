"""Clips of a series, or of the columns of a picture."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class Window:
    r"""Shows a clip of a series, moved to its beginning; what follows is 0.

    All starts, from 0 to the K steps that are left out, are equally likely. The interval between the clips of two views then has the
    distribution :math:`1 - t/K` of Qian et al. (2021, CVRL), up to a factor: nearer clips are likelier. Their code draws an interval by
    this law and then a start for both clips, which is the same pair of starts. The series is the last axis, the columns of a picture.

    Attributes
    ----------
    share : float
        Length of the clip as a share of the series.
    """

    share: float = 0.5

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Cut a clip of ``1 - strength * (1 - share)`` of the steps out of each series, at least of one step."""
        steps = inputs.shape[-1]
        length = max(1, round(steps * (1 - min(strength, 1.0) * (1 - self.share))))
        start = torch.randint(steps - length + 1, (len(inputs), 1), generator=generator, device=inputs.device)
        number = torch.arange(steps, device=inputs.device)
        places = (start + number).clamp(max=steps - 1).view(len(inputs), *(1,) * (inputs.dim() - 2), steps)
        return torch.where(number < length, inputs.gather(-1, places.expand_as(inputs)), 0.0)
