"""Reductions over all units of each sample, whatever the shape of a layer: rows of units, or pictures with channels."""

from __future__ import annotations

import torch
from torch import Tensor


def _units(layer: Tensor) -> tuple[int, ...]:
    return tuple(range(1, layer.dim()))


def largest(layer: Tensor) -> Tensor:
    """Return the largest absolute value over each sample's units, of shape (B,)."""
    if layer.dim() == 2:
        return layer.abs().amax(1)
    # Over the dimensions themselves: flattening a layer whose channels come last in memory would copy it. Two passes that only read are
    # faster than one that writes a large picture.
    return torch.maximum(layer.amax(_units(layer)), -layer.amin(_units(layer)))


def total(layer: Tensor) -> Tensor:
    """Return the sum over each sample's units, of shape (B,)."""
    return layer.sum(_units(layer))


def beside(values: Tensor, layer: Tensor) -> Tensor:
    """Return one value per sample, of shape (B,), shaped to act on all units of a layer: (B, 1, ...)."""
    return values.reshape(-1, *(1,) * (layer.dim() - 1))
