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
        height, width = images.shape[2:]

        def draw() -> Tensor:
            return torch.rand(count, generator=generator, dtype=inputs.dtype, device=inputs.device)

        areas = draw() * strength * self.most * height * width
        ratios = uniform(count, 0.5 * math.log(self.aspect), inputs, generator).exp()
        heights, widths = (areas.sqrt() * ratios).clamp(max=height).round(), (areas.sqrt() * (1 / ratios)).clamp(max=width).round()
        tops, lefts = (draw() * (height + 1 - heights)).floor(), (draw() * (width + 1 - widths)).floor()
        down, across = torch.arange(height, device=inputs.device), torch.arange(width, device=inputs.device)
        rows = (down >= tops[:, None]) & (down < (tops + heights)[:, None])  # (N, H)
        columns = (across >= lefts[:, None]) & (across < (lefts + widths)[:, None])
        kept = ~(rows[:, None, :, None] & columns[:, None, None, :])
        return (images * kept).reshape(inputs.shape)
