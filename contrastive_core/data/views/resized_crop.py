"""Random windows of a picture, enlarged to the picture's size: large ones as a view, and small ones for multi-crop."""

from dataclasses import dataclass
from math import ceil, log
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from contrastive_core.data.views.base import uniform
from contrastive_core.data.views.images import as_images
from contrastive_core.errors import InputError

_ASPECT = 4 / 3
"""Largest ratio of a window's sides, as shares of the picture's."""


def enlarged(inputs: Tensor, areas: Tensor, generator: torch.Generator, aspect: float, resolution: float = 1.0) -> Tensor:
    r"""Cut a window out of each picture, anywhere inside it, and enlarge it to the picture's size by bilinear interpolation.

    Parameters
    ----------
    inputs : Tensor of shape (N, C, H, W) or (N, side²)
        Pictures.
    areas : Tensor of shape (N,)
        Area of each window, as a share of the picture.
    generator : torch.Generator
        Source of shapes and places.
    aspect : float
        Largest ratio of the sides, at least 1; its logarithm is uniform. A side that would be longer than the picture's is cut to it.
    resolution : float
        Pixels along each side of the window before it is enlarged, as a share of the picture's, rounded up.

    Returns
    -------
    Tensor
        Windows, of the shape of the inputs.
    """
    images = as_images(inputs)
    ratios = uniform(len(images), log(aspect), images, generator).exp()
    sides = torch.stack([areas * ratios, areas / ratios], 1).sqrt().clamp(max=1)  # (N, 2), across and down
    places = uniform(2 * len(images), 1.0, images, generator).view(-1, 2) * (1 - sides)
    maps = torch.cat([torch.diag_embed(sides), places[:, :, None]], 2)
    few = [ceil(resolution * size) for size in images.shape[2:]]
    cut = grid_sample(images, affine_grid(maps, [*images.shape[:2], *few], align_corners=False), padding_mode="border", align_corners=False)
    if few != list(images.shape[2:]):
        cut = interpolate(cut, list(images.shape[2:]), mode="bilinear", align_corners=False)
    return cut.reshape(inputs.shape)


@final
@dataclass(frozen=True)
class ResizedCrop:
    """Window of a random area and shape, enlarged to the picture's size (Szegedy et al., 2015).

    Attributes
    ----------
    least : float
        Smallest area at full strength, as a share of the picture; areas are uniform from there to 1.
    """

    least: float = 0.14

    def __post_init__(self) -> None:
        if not 0 < self.least <= 1:
            raise InputError(f"the smallest area of a window is a share above 0 and at most 1, got {self.least}; 0.14 is SwAV's")

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Enlarge a window of at least ``1 - strength (1 - least)`` of each picture."""
        lost = min(1.0, strength) * (1 - self.least)
        areas = 1 - (uniform(len(inputs), lost / 2, inputs, generator) + lost / 2)
        return enlarged(inputs, areas, generator, _ASPECT ** min(1.0, strength)) if strength else inputs.clone()


@final
@dataclass(frozen=True)
class SmallCrop:
    """Small window at low resolution, a further view of a sample (multi-crop; Caron et al., 2020, SwAV).

    SwAV shows small windows as smaller pictures, which need less work in a network of filters. A network of layers reads a fixed number
    of pixels. The window therefore has fewer pixels first, so that it tells as little as in the paper, and is then enlarged. Zeros around a
    small region would tell its place and size instead.

    Attributes
    ----------
    least, most : float
        Smallest and largest area, as shares of the picture. SwAV takes 0.05 and 0.14 of photographs; of 8x8 pixels these are 3 and 9.
    resolution : float
        Pixels along a side, as a share of the picture's, rounded up; SwAV has 96 of 224.
    """

    least: float = 0.2
    most: float = 0.5
    resolution: float = 96 / 224

    def __post_init__(self) -> None:
        if not 0 < self.least <= self.most <= 1:
            raise InputError(f"areas of small windows are shares in order, above 0 and at most 1, got {self.least} to {self.most}")
        if not 0 < self.resolution <= 1:
            raise InputError(f"the resolution of a small window is a share above 0 and at most 1, got {self.resolution}")

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Show a small window of each picture; the strength of the other views does not change its area."""
        half = (self.most - self.least) / 2
        areas = self.least + half + uniform(len(inputs), half, inputs, generator)
        return enlarged(inputs, areas, generator, _ASPECT, self.resolution)
