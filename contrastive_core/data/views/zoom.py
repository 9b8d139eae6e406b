"""Zoom of an image."""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.views.base import uniform
from contrastive_core.data.views.images import warp


@final
@dataclass(frozen=True)
class Zoom:
    """Magnification about the centre; the logarithm of the factor is uniform, so that growing and shrinking are equally likely.

    Attributes
    ----------
    most : float
        Largest factor minus 1; the smallest factor is the inverse of the largest.
    """

    most: float = 0.25

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Magnify each image by its own factor."""
        return magnify(inputs, uniform(len(inputs), strength * math.log1p(self.most), inputs, generator).exp())


def magnify(inputs: Tensor, factors: Tensor) -> Tensor:
    """Magnify images by factors, of shape (N,)."""
    matrices = factors[:, None, None] * torch.eye(2, dtype=inputs.dtype, device=inputs.device)
    return warp(inputs, matrices, inputs.new_zeros(len(inputs), 2))
