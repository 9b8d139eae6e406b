"""Inputs as pictures, shifts by whole pixels, and affine maps."""

import math

import torch
from torch import Tensor

from contrastive_core.errors import ShapeError


def as_images(inputs: Tensor) -> Tensor:
    """Return inputs as images of shape (N, C, H, W): as they are, or rows of shape (N, side²) as squares of one channel.

    Raises
    ------
    ShapeError
        If rows are not squares.
    """
    if inputs.dim() == 4:
        return inputs
    width = inputs.shape[1]
    side = math.isqrt(width)
    if side * side != width:
        raise ShapeError(f"this view needs square images, but {width} inputs are not a square; use views of vectors: mask, noise, replace")
    return inputs.reshape(-1, 1, side, side)


def taken_from(inputs: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the pixels of images in other places, all channels alike.

    Parameters
    ----------
    inputs : Tensor of shape (N, C, H, W) or (N, side²)
        Images.
    rows, columns : Tensor of shape (N, H) and (N, W)
        Source of each new row and column of each image (int64); places outside stand for the nearest pixel of the border.

    Returns
    -------
    Tensor of shape (N, C, H, W)
        New images.
    """
    images = as_images(inputs)
    count, channels, height, width = images.shape
    device = inputs.device
    samples, planes = torch.arange(count, device=device)[:, None, None, None], torch.arange(channels, device=device)[:, None, None]
    return images[samples, planes, rows.clamp(0, height - 1)[:, None, :, None], columns.clamp(0, width - 1)[:, None, None, :]]


def warp(inputs: Tensor, matrices: Tensor, offsets: Tensor) -> Tensor:
    r"""Move the pixels of each image by :math:`p \mapsto A p + t`, about the image's centre.

    Values between pixels are interpolated bilinearly; pixels from outside are 0.

    Parameters
    ----------
    inputs : Tensor of shape (N, C, H, W) or (N, side²)
        Images.
    matrices : Tensor of shape (N, 2, 2)
        Regular matrices A, acting on (right, down) in pixels.
    offsets : Tensor of shape (N, 2)
        Offsets t, in units of half the width and half the height.

    Returns
    -------
    Tensor
        Moved images, of the shape of the inputs.
    """
    images = as_images(inputs)
    height, width = images.shape[2:]
    # The sampler needs the origin of each new pixel, hence the inverse map. Its units are half the sides, which differ in an oblong.
    units = inputs.new_tensor([[1.0, height / width], [width / height, 1.0]])
    inverse = torch.linalg.inv(matrices) * units
    theta = torch.cat([inverse, -inverse @ offsets[:, :, None]], dim=2)  # (N, 2, 3)
    grid = torch.nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
    moved = torch.nn.functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return moved.reshape(inputs.shape)


def rotations(angles: Tensor) -> Tensor:
    """Return matrices of shape (N, 2, 2) that turn images counter-clockwise by angles in radians."""
    cosines, sines = angles.cos(), angles.sin()
    # The second axis points down, so that the signs are opposite to those of the textbook matrix.
    return torch.stack([torch.stack([cosines, sines], 1), torch.stack([-sines, cosines], 1)], 1)
