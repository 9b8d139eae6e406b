"""Rotation of an image."""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.views.base import uniform
from contrastive_core.data.views.images import rotations, warp


@final
@dataclass(frozen=True)
class Rotate:
    """A rotation about the centre by a uniform angle; zeros enter at the corners.

    Attributes
    ----------
    degrees : float
        Largest angle.
    """

    degrees: float = 25.0

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Turn each image by up to ``strength * degrees`` either way."""
        return turn(inputs, uniform(len(inputs), strength * math.radians(self.degrees), inputs, generator))


def turn(inputs: Tensor, angles: Tensor) -> Tensor:
    """Turn flat images, of shape (N, side²), counter-clockwise by angles in radians, of shape (N,)."""
    return warp(inputs, rotations(angles), inputs.new_zeros(len(inputs), 2))
