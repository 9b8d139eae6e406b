"""Shift of an image by whole pixels."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.views.images import as_images


@final
@dataclass(frozen=True)
class Shift:
    """Shift by whole pixels, uniform in both directions; zeros fill the margin.

    Attributes
    ----------
    most : float
        Largest shift, as a share of the image's side.
    """

    most: float = 0.15

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Shift each image by up to ``strength * most`` of its side, rounded to pixels."""
        reach = round(strength * self.most * as_images(inputs).shape[-1])
        down, right = torch.randint(-reach, reach + 1, (2, len(inputs)), generator=generator, device=inputs.device)
        return shift(inputs, down, right)


def shift(inputs: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Shift flat images, of shape (N, side²), by whole pixels, of shape (N,) each, and fill with 0."""
    images = as_images(inputs)[:, 0]
    side = images.shape[-1]
    places = torch.arange(side, device=inputs.device)
    rows, columns = places - down[:, None], places - right[:, None]  # source of each new row and column
    inside = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None, :]
    samples = torch.arange(len(images), device=inputs.device)[:, None, None]
    moved = images[samples, rows.clamp(0, side - 1)[:, :, None], columns.clamp(0, side - 1)[:, None, :]]
    return (moved * inside).reshape(inputs.shape)
