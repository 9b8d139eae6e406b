"""Smooth poolings: log-sum-exp and the softmax-weighted mean, whose way back turns by degrees with the response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional

from contrastive_core.networks.activation import LEAST_SCALE

_WINDOW = (3, 5)
"""Dimensions of the entries of a window."""


@final
@dataclass(frozen=True)
class LogSumExp:
    r"""Smooth maximum :math:`T \log \langle e^{z/T} \rangle` of a window, whose feedback is divided by :math:`\mathrm{softmax}(z/T)`.

    Attributes
    ----------
    size : int
        Width of a window.
    temperature : float
        T, positive: the maximum as it goes to 0, the mean as it grows.
    routed, turning : bool
        Whether feedback depends on the response, and whether by degrees.
    """

    size: int
    temperature: float = 1.0
    routed: ClassVar[bool] = True
    turning: ClassVar[bool] = True

    def value(self, z: Tensor) -> Tensor:
        """Return the smooth maxima, of shape (B, C, H // size, W // size)."""
        # With the mean instead of the sum a window of equal entries has their value.
        mean = windows(z, self.size) / self.temperature
        shift = mean.detach().real.amax(_WINDOW, keepdim=True)
        return self.temperature * ((mean - shift).exp().mean(_WINDOW).log() + shift.squeeze(5).squeeze(3))

    def route(self, z: Tensor) -> Tensor:
        """Return the share of each entry in its window."""
        return _softmax(z, self.size, self.temperature)

    def spread(self, above: Tensor, route: Tensor, shape: torch.Size) -> Tensor:
        """Return the shares of the units."""
        return _joined(route * _repeated(above), shape)

    def difference(self, z: Tensor, route: Tensor, change: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """Return the exact difference of the pooling, over the scale of the change, and that of the shares."""
        inside, gain = windows(change, self.size), scale / self.temperature
        if abs(scale) < LEAST_SCALE:
            mean = _mean(route, inside)
            return _window_value(mean), route * (inside - mean) / self.temperature
        rise = torch.expm1(gain * inside)
        mean = _mean(route, rise)
        small = _window_value(torch.log1p(mean) / gain), route * (rise - mean) / (1 + mean) / scale
        return _where_far(self, (z, change, scale), gain * inside, small)


@final
@dataclass(frozen=True)
class SoftmaxWeighted:
    r"""Mean of a window weighted by :math:`p = \mathrm{softmax}(z/T)`, with the slope :math:`p_j (1 + (z_j - P)/T)`.

    It is the pooling of holomorphic equilibrium propagation (Laborieux & Zenke, 2022; recalled). Block descent may raise the energy.

    Attributes
    ----------
    size : int
        Width of a window.
    temperature : float
        T, positive: the maximum as it goes to 0, the mean as it grows.
    routed, turning : bool
        Whether feedback depends on the response, and whether by degrees.
    """

    size: int
    temperature: float = 1.0
    routed: ClassVar[bool] = True
    turning: ClassVar[bool] = True

    def value(self, z: Tensor) -> Tensor:
        """Return the weighted means, of shape (B, C, H // size, W // size)."""
        return _window_value(_mean(_softmax(z, self.size, self.temperature), windows(z, self.size)))

    def route(self, z: Tensor) -> Tensor:
        """Return the slope of each window by its entries."""
        weights, inside = _softmax(z, self.size, self.temperature), windows(z, self.size)
        return weights * (1 + (inside - _mean(weights, inside)) / self.temperature)

    def spread(self, above: Tensor, route: Tensor, shape: torch.Size) -> Tensor:
        """Return the units times the slopes."""
        return _joined(route * _repeated(above), shape)

    def difference(self, z: Tensor, route: Tensor, change: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """Return the exact difference of the pooling, over the scale of the change, and that of the slopes."""
        weights, inside, temperature = _softmax(z, self.size, self.temperature), windows(change, self.size), self.temperature
        if abs(scale) < LEAST_SCALE:
            turned = weights * (inside - _mean(weights, inside)) / temperature
        else:
            rise = torch.expm1(scale / temperature * inside)
            mean = _mean(weights, rise)
            turned = weights * (rise - mean) / (1 + mean) / scale
        entries = windows(z, self.size)
        # Differences of the weights sum to 0, so that entries may be measured from any centre: from the one with the least rounding.
        centred, after = entries - _mean(weights, entries), weights + scale * turned
        moved = _mean(turned, centred) + _mean(after, inside)
        small = _window_value(moved), turned * (1 + centred / temperature) + after * (inside - moved) / temperature
        return _where_far(self, (z, change, scale), scale / temperature * inside, small)


def windows(z: Tensor, size: int) -> Tensor:
    """Return the windows of a response, of shape (B, C, H // size, size, W // size, size); rows and columns left over are cut off."""
    high, wide = z.shape[2] // size, z.shape[3] // size
    return z[:, :, : high * size, : wide * size].view(*z.shape[:2], high, size, wide, size)


def _joined(inside: Tensor, shape: torch.Size) -> Tensor:
    """Return windows as one response of a shape, 0 where rows and columns are left over."""
    return padded(inside.flatten(4, 5).flatten(2, 3), shape)


def padded(parts: Tensor, shape: torch.Size) -> Tensor:
    """Return a response with rows and columns of 0 below and on the right, so that it has a shape."""
    high, wide = shape[-2] - parts.shape[2], shape[-1] - parts.shape[3]
    return functional.pad(parts, (0, wide, 0, high)) if high or wide else parts


def _repeated(above: Tensor) -> Tensor:
    """Return units shaped to act on all entries of their windows."""
    return above[:, :, :, None, :, None]


def _window_value(kept: Tensor) -> Tensor:
    """Return one value per window, of shape (B, C, H, W), from one with dimensions for the entries."""
    return kept.squeeze(5).squeeze(3)


def _mean(weights: Tensor, inside: Tensor) -> Tensor:
    """Return the weighted sum over each window, whose dimensions stay."""
    return (weights * inside).sum(_WINDOW, keepdim=True)


def _softmax(z: Tensor, size: int, temperature: float) -> Tensor:
    """Return the softmax over each window."""
    scaled = windows(z, size) / temperature
    powers = (scaled - scaled.detach().real.amax(_WINDOW, keepdim=True)).exp()
    return powers / powers.sum(_WINDOW, keepdim=True)


def _where_far(
    pooling: LogSumExp | SoftmaxWeighted, step: tuple[Tensor, Tensor, float], exponents: Tensor, small: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return differences by the formulas for small steps, but by two values in windows whose exponents are so large that they overflow.

    Parameters
    ----------
    pooling, step : LogSumExp or SoftmaxWeighted, (Tensor, Tensor, float)
        Pooling; response, its change and the scale of the change.
    exponents : Tensor of shape (B, C, H, size, W, size)
        Change of each entry over the temperature.
    small : (Tensor, Tensor)
        Differences of the value and of the slope by the formulas for small steps.
    """
    z, change, scale = step
    far = exponents.abs().amax(_WINDOW, keepdim=True) > 1
    if abs(scale) < LEAST_SCALE or not bool(far.any()):
        return small
    moved = z + scale * change
    value, route = (pooling.value(moved) - pooling.value(z)) / scale, (pooling.route(moved) - pooling.route(z)) / scale
    return torch.where(_window_value(far), value, small[0]), torch.where(far, route, small[1])
