"""Mirror image of a picture."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.views.images import as_images


@final
@dataclass(frozen=True)
class Flip:
    """Reflection of left and right, with a probability; unsuited to letters and digits.

    Attributes
    ----------
    share : float
        Probability of a reflection.
    """

    share: float = 0.5

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Reflect each picture with probability ``strength * share``."""
        images = as_images(inputs)
        draws = torch.rand(len(inputs), generator=generator, dtype=inputs.dtype, device=inputs.device)
        reflected = draws < strength * self.share
        return torch.where(reflected[:, None, None, None], images.flip(3), images).reshape(inputs.shape)
