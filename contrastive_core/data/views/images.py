"""Flat rows as square images, and affine maps of their pixels."""

import math

import torch
from torch import Tensor

from contrastive_core.errors import ShapeError


def as_images(inputs: Tensor) -> Tensor:
    """Return flat rows of shape (N, side²) as images of shape (N, 1, side, side).

    Raises
    ------
    ShapeError
        If the rows are not squares.
    """
    width = inputs.shape[1]
    side = math.isqrt(width)
    if side * side != width:
        raise ShapeError(f"this view needs square images, but {width} inputs are not a square; use views of vectors: mask, noise")
    return inputs.reshape(-1, 1, side, side)


def warp(inputs: Tensor, matrices: Tensor, offsets: Tensor) -> Tensor:
    r"""Move the pixels of each image by :math:`p \mapsto A p + t`, about the image's centre, in units of half its side.

    Values between pixels are interpolated bilinearly; pixels from outside are 0.

    Parameters
    ----------
    inputs : Tensor of shape (N, side²)
        Flat images.
    matrices : Tensor of shape (N, 2, 2)
        Regular matrices A, acting on (right, down).
    offsets : Tensor of shape (N, 2)
        Offsets t.

    Returns
    -------
    Tensor of shape (N, side²)
        Moved images.
    """
    images = as_images(inputs)
    # The sampler needs the origin of each new pixel, hence the inverse map.
    inverse = torch.linalg.inv(matrices)
    theta = torch.cat([inverse, -inverse @ offsets[:, :, None]], dim=2)  # (N, 2, 3)
    grid = torch.nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
    moved = torch.nn.functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return moved.reshape(inputs.shape)


def rotations(angles: Tensor) -> Tensor:
    """Return matrices of shape (N, 2, 2) that turn images counter-clockwise by angles in radians."""
    cosines, sines = angles.cos(), angles.sin()
    # The second axis points down, so that the signs are opposite to those of the textbook matrix.
    return torch.stack([torch.stack([cosines, sines], 1), torch.stack([-sines, cosines], 1)], 1)
