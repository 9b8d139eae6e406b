"""Random erasing of a rectangle in an image."""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.views.base import uniform
from contrastive_core.data.views.images import as_images


@final
@dataclass(frozen=True)
class Erase:
    """Sets a random rectangle of the image to 0 (Zhong et al., 2020, "Random erasing data augmentation", who fill it with noise).

    Attributes
    ----------
    most : float
        Largest share of the image's area; shares are uniform.
    aspect : float
        Largest ratio of the sides; ratios are log-uniform between this and its inverse.
    """

    most: float = 0.2
    aspect: float = 2.0

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Erase up to ``strength * most`` of each image."""
        images, count = as_images(inputs), len(inputs)
        side = images.shape[-1]

        def draw() -> Tensor:
            return torch.rand(count, generator=generator, dtype=inputs.dtype, device=inputs.device)

        areas = draw() * strength * self.most * side * side
        ratios = uniform(count, 0.5 * math.log(self.aspect), inputs, generator).exp()
        heights, widths = ((areas.sqrt() * factor).clamp(max=side).round() for factor in (ratios, 1 / ratios))
        tops, lefts = (draw() * (side + 1 - heights)).floor(), (draw() * (side + 1 - widths)).floor()
        places = torch.arange(side, device=inputs.device)
        rows = (places >= tops[:, None]) & (places < (tops + heights)[:, None])  # (N, side)
        columns = (places >= lefts[:, None]) & (places < (lefts + widths)[:, None])
        kept = ~(rows[:, :, None] & columns[:, None, :])
        return inputs * kept.reshape(inputs.shape)
