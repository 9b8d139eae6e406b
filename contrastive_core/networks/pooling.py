r"""Poolings of convolutional layers: a value for each window of a response, and its slope, which leads feedback back into the window.

A pooling :math:`P(z)` of windows without overlap stands inside the interaction :math:`-s \cdot P(W * s')` of two layers. The feedback
to the layer below is :math:`W^T * U(s; z)` with :math:`U(u; z) = (\partial P/\partial z)^T u`. A *route* is all that U keeps of z.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional

from contrastive_core.networks.smooth_pooling import LogSumExp, SoftmaxWeighted, padded


@final
@dataclass(frozen=True)
class Unpooled:
    """No pooling: every unit sees the response at its own place.

    Attributes
    ----------
    size : int
        Width of a window.
    routed, turning : bool
        Whether feedback depends on the response, and whether by degrees.
    """

    size: ClassVar[int] = 1
    routed: ClassVar[bool] = False
    turning: ClassVar[bool] = False

    def value(self, z: Tensor) -> Tensor:
        """Return the response."""
        return z

    def route(self, z: Tensor) -> None:
        """Return None: there is one way back."""

    def spread(self, above: Tensor, route: None, shape: torch.Size) -> Tensor:
        """Return the units above."""
        return above

    def difference(self, z: Tensor | None, route: None, change: Tensor, scale: float) -> tuple[Tensor, None]:
        """Return the change of the response."""
        return change, None


@final
@dataclass(frozen=True)
class Average:
    r"""Mean of a window, whose feedback goes to all of it in equal parts.

    Attributes
    ----------
    size : int
        Width of a window.
    routed, turning : bool
        Whether feedback depends on the response, and whether by degrees.
    """

    size: int
    routed: ClassVar[bool] = False
    turning: ClassVar[bool] = False

    def value(self, z: Tensor) -> Tensor:
        """Return the means, of shape (B, C, H // size, W // size)."""
        return functional.avg_pool2d(z, self.size)

    def route(self, z: Tensor) -> None:
        """Return None: the way back depends on nothing."""

    def spread(self, above: Tensor, route: None, shape: torch.Size) -> Tensor:
        """Return the parts, of the response's ``shape``."""
        parts = functional.interpolate(above / self.size**2, scale_factor=self.size, mode="nearest")
        return padded(parts, shape)

    def difference(self, z: Tensor | None, route: None, change: Tensor, scale: float) -> tuple[Tensor, None]:
        """Return the means of the change: the pooling is linear."""
        return self.value(change), None


@final
@dataclass(frozen=True)
class Maximum:
    r"""Largest entry of a window, to which all feedback goes; among equal ones, the first.

    Attributes
    ----------
    size : int
        Width of a window.
    routed, turning : bool
        Whether feedback depends on the response, and whether by degrees.
    """

    size: int
    routed: ClassVar[bool] = True
    turning: ClassVar[bool] = False

    def value(self, z: Tensor) -> Tensor:
        """Return the largest entries, of shape (B, C, H // size, W // size)."""
        return functional.max_pool2d(z, self.size)

    def route(self, z: Tensor) -> Tensor:
        """Return the places of the largest entries in each channel (int64)."""
        return functional.max_pool2d(z, self.size, return_indices=True)[1]

    def spread(self, above: Tensor, route: Tensor, shape: torch.Size) -> Tensor:
        """Return the units at the places of the largest entries, and 0 elsewhere."""
        rows, columns = shape[-2:]
        spread = above.new_zeros(len(above), rows * columns, above.shape[1])
        # Not torch's own inverse, whose derivative takes no batch of vectors; as fast.
        spread = spread.scatter_(1, _places(route), _places(above))
        return _as_channels(spread, rows, columns)

    def difference(self, z: Tensor | None, route: Tensor, change: Tensor, scale: float) -> tuple[Tensor, None]:
        """Return the change at the places of the largest entries, which are taken to stay where they are.

        The result is exact unless the two largest entries of a window differ by less than they move.
        """
        return _as_channels(_places(change).gather(1, _places(route)), *route.shape[2:]), None


def _places(picture: Tensor) -> Tensor:
    """Return pictures as rows of channels, of shape (B, H W, C): as they lie in memory with channels last, so that nothing is copied."""
    return picture.permute(0, 2, 3, 1).flatten(1, 2)


def _as_channels(places: Tensor, rows: int, columns: int) -> Tensor:
    """Return rows of channels as pictures with channels last in memory, of shape (B, C, H, W)."""
    return places.view(len(places), rows, columns, -1).permute(0, 3, 1, 2)


Pooling = Unpooled | Average | Maximum | LogSumExp | SoftmaxWeighted
"""Any pooling."""

UNPOOLED = Unpooled()

POOLINGS: dict[str, Callable[[int, float], Pooling]] = {
    "p": lambda size, temperature: Maximum(size),
    "a": lambda size, temperature: Average(size),
    "l": LogSumExp,
    "w": SoftmaxWeighted,
}
"""Poolings by their letter in the notation of layers."""

TEMPERED = frozenset({"l", "w"})
"""Letters of the poolings that have a temperature."""
