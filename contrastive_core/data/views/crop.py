"""Random window of a picture with a border."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.views.images import as_images, taken_from


@final
@dataclass(frozen=True)
class Crop:
    """Window of the picture's own size, anywhere in the picture with a border that repeats its edge pixels.

    This is the augmentation of CIFAR-10 in Laborieux et al. (2021), Frontiers Neurosci. 15:633674.

    Attributes
    ----------
    border : int
        Width of the border, in pixels; the window moves by as many in every direction.
    """

    border: int = 4

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Cut a window out of each picture with a border of ``strength * border`` pixels, rounded."""
        reach = round(strength * self.border)
        down, right = torch.randint(0, 2 * reach + 1, (2, len(inputs)), generator=generator, device=inputs.device)
        return window(inputs, down, right, reach)


def window(inputs: Tensor, down: Tensor, right: Tensor, border: int) -> Tensor:
    """Cut windows with their corners at (down, right), of shape (N,) each, out of pictures with a border."""
    height, width = as_images(inputs).shape[2:]
    # Clamping the source of a pixel to the picture is the same as padding with edge pixels, and needs no larger picture.
    rows = torch.arange(height, device=inputs.device) + down[:, None] - border
    columns = torch.arange(width, device=inputs.device) + right[:, None] - border
    return taken_from(inputs, rows, columns).reshape(inputs.shape)
