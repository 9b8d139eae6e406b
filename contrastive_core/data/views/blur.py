"""Gaussian blur of an image."""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from contrastive_core.data.views.images import as_images


@final
@dataclass(frozen=True)
class Blur:
    """Gaussian blur of uniformly drawn width; border pixels are repeated outwards, so that a constant image does not change.

    Attributes
    ----------
    most : float
        Largest standard deviation, in pixels.
    """

    most: float = 1.0

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Blur each image with its own width."""
        widths = torch.rand(len(inputs), generator=generator, dtype=inputs.dtype, device=inputs.device)
        return blur(inputs, widths * strength * self.most)


def blur(inputs: Tensor, widths: Tensor) -> Tensor:
    """Blur images with standard deviations in pixels, of shape (N,)."""
    if len(inputs) == 0:
        return inputs
    images = as_images(inputs)
    reach = max(1, math.ceil(3 * float(widths.max())))
    places = torch.arange(-reach, reach + 1, dtype=inputs.dtype, device=inputs.device)
    tiny = torch.finfo(inputs.dtype).tiny ** 0.5  # for a width of 0 only the middle tap remains
    taps = torch.exp(-0.5 * (places / widths.clamp(min=tiny)[:, None]).square())
    taps = taps / taps.sum(1, keepdim=True)  # (N, 2 reach + 1)
    count = len(images)
    padded = pad(images.transpose(0, 1), (reach, reach, reach, reach), mode="replicate")  # (C, N, H, W): a group per image
    across = conv2d(padded, taps[:, None, None, :], groups=count)
    return conv2d(across, taps[:, None, :, None], groups=count).transpose(0, 1).reshape(inputs.shape)
