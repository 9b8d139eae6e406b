"""Random window of a picture with a border."""

from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from contrastive_core.data.views.images import as_images, taken_from


@final
@dataclass(frozen=True)
class Crop:
    """Window of the picture's own size, anywhere in the picture with a border that repeats its edge pixels or is 0.

    With edge pixels this is the augmentation of CIFAR-10 in Laborieux et al. (2021), Frontiers Neurosci. 15:633674.

    Attributes
    ----------
    border : int
        Width of the border, in pixels; the window moves by as many in every direction.
    padding : str
        Content of the border: ``edge`` for the nearest pixel of the picture, ``zero`` for 0, which is the mean of standardised pictures.
    """

    border: int = 4
    padding: Literal["edge", "zero"] = "edge"

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Cut a window out of each picture with a border of ``strength * border`` pixels, rounded."""
        reach = round(strength * self.border)
        down, right = torch.randint(0, 2 * reach + 1, (2, len(inputs)), generator=generator, device=inputs.device)
        return window(inputs, down, right, reach, self.padding)


def zero_padded_crop() -> Crop:
    """Return the crop whose border is 0."""
    return Crop(padding="zero")


def window(inputs: Tensor, down: Tensor, right: Tensor, border: int, padding: Literal["edge", "zero"] = "edge") -> Tensor:
    """Cut windows with their corners at (down, right), of shape (N,) each, out of pictures with a border."""
    height, width = as_images(inputs).shape[2:]
    # Clamping the source of a pixel to the picture is the same as padding with edge pixels, and needs no larger picture.
    rows = torch.arange(height, device=inputs.device) + down[:, None] - border
    columns = torch.arange(width, device=inputs.device) + right[:, None] - border
    cut = taken_from(inputs, rows, columns)
    if padding == "zero":
        inside = ((rows >= 0) & (rows < height))[:, None, :, None] & ((columns >= 0) & (columns < width))[:, None, None, :]
        cut = torch.where(inside, cut, 0.0)
    return cut.reshape(inputs.shape)
