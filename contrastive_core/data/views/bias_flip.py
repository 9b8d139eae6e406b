"""Marks at the edge of a picture, which are its bias, and the view that gives it another one."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.views.images import as_images

MARKS = 10
"""Number of marks: five places down the left edge, then five down the right edge."""


def marked(pictures: Tensor, marks: Tensor) -> Tensor:
    """Return pictures whose left and right edges are 0, but for a mark of 1.

    Parameters
    ----------
    pictures : Tensor of shape (N, C, H, W)
        Pictures; not modified.
    marks : Tensor of shape (N,)
        Number of the mark of each, below ``MARKS``.
    """
    height = pictures.shape[2]
    place = torch.arange(height, device=pictures.device) * (MARKS // 2) // height
    made = pictures.clone()
    for first, column in ((0, 0), (MARKS // 2, -1)):
        here = (place[None, :] + first == marks[:, None]).to(pictures.dtype)  # (N, H)
        made[:, :, :, column] = here[:, None, :]
    return made


@final
@dataclass(frozen=True)
class BiasFlip:
    """Gives a picture a random mark at its edge, in place of its own, with a probability of the strength.

    Kim et al. (2021) learn the transformation of a bias by a generator. Here the bias of ``digits-biased`` is known, and drawn anew.
    """

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Draw marks for a share ``strength`` of the pictures, at most all."""
        images = as_images(inputs)
        marks = torch.randint(MARKS, (len(inputs),), generator=generator, device=inputs.device)
        flipped = torch.rand(len(inputs), generator=generator, device=inputs.device) < strength
        return torch.where(flipped[:, None, None, None], marked(images, marks), images).reshape(inputs.shape)
