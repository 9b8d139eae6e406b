"""Rotation, zoom, shear and shift of an image in one step."""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.views.base import uniform
from contrastive_core.data.views.images import rotations, warp


@final
@dataclass(frozen=True)
class Affine:
    """Random affine map with a single interpolation; each part is uniform, the zoom in its logarithm.

    Attributes
    ----------
    degrees : float
        Largest angle.
    zoom : float
        Largest factor minus 1; the smallest factor is the inverse of the largest.
    shear : float
        Largest sideways shift per unit of height.
    shift : float
        Largest shift in both directions, as a share of the image's side.
    """

    degrees: float = 20.0
    zoom: float = 0.2
    shear: float = 0.2
    shift: float = 0.1

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Shear, magnify, turn and shift each image."""
        count = len(inputs)
        angles = uniform(count, strength * math.radians(self.degrees), inputs, generator)
        factors = uniform(count, strength * math.log1p(self.zoom), inputs, generator).exp()
        shears = torch.eye(2, dtype=inputs.dtype, device=inputs.device).repeat(count, 1, 1)
        shears[:, 0, 1] = uniform(count, strength * self.shear, inputs, generator)
        # Offsets are in units of half the side.
        offsets = uniform(2 * count, 2 * strength * self.shift, inputs, generator).reshape(count, 2)
        return warp(inputs, rotations(angles) @ shears * factors[:, None, None], offsets)
