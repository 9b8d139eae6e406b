"""Smooth poolings: log-sum-exp and the softmax-weighted mean, whose way back turns by degrees with the response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional

from contrastive_core.networks.activation import LEAST_SCALE

FAR = 1.0
"""Change of an exponent from which the difference of two softmaxes has all its digits, and :func:`softmax_change` may overflow."""

_WINDOW = (3, 5)
"""Dimensions of the entries of a window."""


def softmax_change(shares: Tensor, exponents: Tensor, scale: float, over: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    r"""Return the change of a softmax over the scale of the step, without the cancellation of two softmaxes.

    With steps :math:`\eta x` of the exponents and means over the shares p it is :math:`p\,[d - \langle d \rangle] / [\eta (1 + \langle d
    \rangle)]`, :math:`d = e^{\eta x} - 1`.

    Parameters
    ----------
    shares, exponents : Tensor
        Softmax p before the step, and steps x of its exponents in units of the scale.
    scale : float
        Scale :math:`\eta`, of either sign; near 0 the limit :math:`p\,[x - \langle x \rangle]` is returned.
    over : tuple of int
        Dimensions over which the shares sum to 1.

    Returns
    -------
    change : Tensor
        Change of the shares over the scale, shaped as they are.
    mean : Tensor
        Mean :math:`\langle d \rangle`, or :math:`\langle x \rangle` near a scale of 0; its dimensions stay.
    """
    if abs(scale) < LEAST_SCALE:
        mean = (shares * exponents).sum(over, keepdim=True)
        return shares * (exponents - mean), mean
    rise = torch.expm1(scale * exponents)
    mean = (shares * rise).sum(over, keepdim=True)
    return shares * (rise - mean) / (1 + mean) / scale, mean


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
        exponents = windows(change, self.size) / self.temperature
        turned, mean = softmax_change(route, exponents, scale, _WINDOW)
        moved = self.temperature * (mean if abs(scale) < LEAST_SCALE else torch.log1p(mean) / scale)
        return _where_far(self, (z, change, scale), exponents, (_window_value(moved), turned))


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
        turned, _ = softmax_change(weights, inside / temperature, scale, _WINDOW)
        entries = windows(z, self.size)
        # Differences of the weights sum to 0, so that entries may be measured from any centre: from the one with the least rounding.
        centred, after = entries - _mean(weights, entries), weights + scale * turned
        moved = _mean(turned, centred) + _mean(after, inside)
        small = _window_value(moved), turned * (1 + centred / temperature) + after * (inside - moved) / temperature
        return _where_far(self, (z, change, scale), inside / temperature, small)


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
        Change of each entry over the temperature, in units of the scale.
    small : (Tensor, Tensor)
        Differences of the value and of the slope by the formulas for small steps.
    """
    z, change, scale = step
    far = (scale * exponents).abs().amax(_WINDOW, keepdim=True) > FAR
    if abs(scale) < LEAST_SCALE or not bool(far.any()):
        return small
    moved = z + scale * change
    value, route = (pooling.value(moved) - pooling.value(z)) / scale, (pooling.route(moved) - pooling.route(z)) / scale
    return torch.where(_window_value(far), value, small[0]), torch.where(far, route, small[1])
