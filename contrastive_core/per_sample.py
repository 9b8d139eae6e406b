"""Sums and maxima over the units of each sample, and samples as rows, for layers of any shape: rows of units, or pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from contrastive_core.types import State


def _units(layer: Tensor) -> tuple[int, ...]:
    return tuple(range(1, layer.dim()))


def largest(layer: Tensor) -> Tensor:
    """Return the largest absolute value over each sample's units, of shape (B,)."""
    if layer.dim() == 2 or layer.is_complex():
        return layer.abs().amax(_units(layer))
    # Over the dimensions themselves: flattening a layer whose channels come last in memory would copy it. Two passes that only read are
    # faster than one that writes a large picture.
    return torch.maximum(layer.amax(_units(layer)), -layer.amin(_units(layer)))


def total(layer: Tensor) -> Tensor:
    """Return the sum over each sample's units, of shape (B,)."""
    return layer.sum(_units(layer))


def beside(values: Tensor, layer: Tensor) -> Tensor:
    """Return one value per sample, of shape (B,), shaped to act on all units of a layer: (B, 1, ...)."""
    return values.reshape(-1, *(1,) * (layer.dim() - 1))


def flatten(state: State) -> Tensor:
    """Return the layers of each sample in one row, of shape (B, n)."""
    return torch.cat([layer.flatten(1) for layer in state], dim=1)


def unflatten(rows: Tensor, like: State) -> State:
    """Split rows of shape (B, n) into layers shaped as those of ``like``, whose batch may be larger."""
    parts = torch.split_with_sizes(rows, widths(like), dim=1)
    return tuple(part if layer.dim() == 2 else part.reshape(-1, *layer.shape[1:]) for part, layer in zip(parts, like, strict=True))


def widths(state: State) -> list[int]:
    """Return the number of units of each layer."""
    return [layer[0].numel() for layer in state]
