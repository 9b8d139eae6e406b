"""Maxima of windows with a bias, and the way back through them, on the CPU: torch's own functions, which nothing of ours beats."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional


def pooled(response: Tensor, bias: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the largest entry of each window plus the bias of its channel, and the place of each (int64).

    Parameters
    ----------
    response : Tensor of shape (B, C, H, W)
        Responses.
    bias : Tensor of shape (C,)
        Bias of each channel.
    size : int
        Width of a window.
    """
    layer, route = functional.max_pool2d(response, size, return_indices=True)
    return layer + bias[:, None, None], route


def unpooled(above: Tensor, route: Tensor, size: int, shape: tuple[int, ...]) -> Tensor:
    """Return the units at the places of the largest entries, and 0 elsewhere.

    Parameters
    ----------
    above, route : Tensor of shape (B, C, H // size, W // size)
        Units above, and places from :func:`pooled`.
    size : int
        Width of a window; not used here.
    shape : tuple of int
        Height and width of the response.
    """
    # It has no derivative for a batch of vectors, and takes a third of the time of a scatter.
    return cast(Tensor, torch.ops.aten.max_unpool2d(above, route, list(shape)))
