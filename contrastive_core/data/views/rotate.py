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
    """Rotation about the centre by a uniform angle; the corners are filled with zeros.

    Attributes
    ----------
    degrees : float
        Largest angle.
    """

    degrees: float = 25.0

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Turn each image by at most ``strength * degrees`` in either direction."""
        return turn(inputs, uniform(len(inputs), strength * math.radians(self.degrees), inputs, generator))


def turn(inputs: Tensor, angles: Tensor) -> Tensor:
    """Turn images counter-clockwise by angles in radians, of shape (N,)."""
    return warp(inputs, rotations(angles), inputs.new_zeros(len(inputs), 2))
