"""Shift of an image by whole pixels."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.views.images import as_images, taken_from


@final
@dataclass(frozen=True)
class Shift:
    """Shift by whole pixels, uniform in both directions; zeros fill the margin.

    Attributes
    ----------
    most : float
        Largest shift, as a share of the image's width.
    """

    most: float = 0.15

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Shift each image by up to ``strength * most`` of its width, rounded to pixels."""
        reach = round(strength * self.most * as_images(inputs).shape[-1])
        down, right = torch.randint(-reach, reach + 1, (2, len(inputs)), generator=generator, device=inputs.device)
        return shift(inputs, down, right)


def shift(inputs: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Shift images by whole pixels, of shape (N,) each, and fill with 0."""
    height, width = as_images(inputs).shape[2:]
    rows = torch.arange(height, device=inputs.device) - down[:, None]  # source of each new row
    columns = torch.arange(width, device=inputs.device) - right[:, None]
    inside = ((rows >= 0) & (rows < height))[:, None, :, None] & ((columns >= 0) & (columns < width))[:, None, None, :]
    return (taken_from(inputs, rows, columns) * inside).reshape(inputs.shape)
