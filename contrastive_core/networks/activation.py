r"""Activations, each with the unit energy :math:`G` that makes it a minimiser: :math:`G' = \sigma^{-1}`.

With :math:`E = G(s) - s u`, stationarity is :math:`s = \sigma(u)`. Bounded piecewise-linear activations have
:math:`G = s^2/2` inside a box that :meth:`Activation.project` enforces.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

LEAST_SCALE = 1e-30
"""Scale of a difference below which float32 has no room for it, and its limit is used."""

_TINY = 1e-300
"""Least square of a readout that limits a nudge: one without weights limits none."""


class Activation(ABC):
    r"""A monotone unit response :math:`\sigma` with its energy.

    Attributes
    ----------
    quadratic : bool
        Whether :math:`G = s^2/2` on the allowed interval, so that a quadratic pull has an exact minimum.
    stretch : float or Tensor of shape (n,)
        Multiple of its plain response that a unit gives; if not 1, a quadratic energy is :math:`s^2/2` over it.
    analytic : bool
        Whether the response is an analytic function, whose :meth:`change` takes complex steps and scales.
    """

    quadratic: bool
    stretch: float | Tensor = 1.0
    analytic: bool = False

    @abstractmethod
    def value(self, drive: Tensor) -> Tensor:
        r"""Return :math:`\sigma(u)`, shaped as ``drive``."""

    @abstractmethod
    def potential(self, value: Tensor) -> Tensor:
        """Return :math:`G(s)` of each unit."""

    @abstractmethod
    def inverse(self, value: Tensor) -> Tensor:
        r"""Return :math:`G'(s)`, which is :math:`\sigma^{-1}(s)` inside the allowed interval."""

    @abstractmethod
    def slope(self, value: Tensor) -> Tensor:
        r"""Return :math:`\sigma'` at the unit whose value is ``value``; 0 where it is held by its bounds."""

    @abstractmethod
    def project(self, value: Tensor) -> Tensor:
        """Return the nearest allowed value."""

    @abstractmethod
    def settled(self, value: Tensor, drive: Callable[[], Tensor]) -> Tensor:
        r"""Return the drives nearest to the given ones at which units rest at their values: :math:`\sigma(u)` is the value exactly.

        Units that rest on a bound keep what presses them there. Others have a drive of their own, whatever an unfinished relaxation left.

        Parameters
        ----------
        value : Tensor of shape (B, n)
            Values of the units.
        drive : callable
            Function that returns their present drives; called only where a value does not tell its drive.
        """

    @abstractmethod
    def change(self, value: Tensor, drive: Tensor, step: Tensor, scale: float) -> Tensor:
        r"""Return :math:`[\sigma(u + \eta\epsilon) - \sigma(u)] / \eta` without the cancellation of two large numbers.

        Parameters
        ----------
        value : Tensor of shape (B, n)
            Values :math:`\sigma(u)` of the units.
        drive : Tensor of shape (B, n)
            Settled drives :math:`u` (see :meth:`settled`). They are used where a value does not tell its drive: at the bounds of a unit.
        step : Tensor of shape (B, n)
            Changes :math:`\epsilon` of the drives, in units of the scale.
        scale : float
            Scale :math:`\eta`, positive or negative. Near 0, where the quotient has no digits, it is the limit :math:`\sigma' \epsilon`.
        """


@final
@dataclass(frozen=True)
class Clipped(Activation):
    r""":math:`\sigma(u) = \min(\max(u, low), high)` with :math:`G = s^2/2` in the box.

    With bounds 0 and 1 it is the hard sigmoid of Scellier & Bengio (2017), with 0 and 6 a clipped ReLU, without bounds
    the linear unit. The clipped ReLU's ceiling of 6 is the customary one; it keeps the energy bounded below.

    Attributes
    ----------
    low, high : float
        Bounds of the box; infinite for none.
    at_once : callable, optional
        Faster way to compute changes of bounded units, of values, drives that need not be settled, steps, scale and bounds.
    """

    low: float
    high: float
    at_once: Callable[..., Tensor] | None = field(default=None, repr=False, compare=False)
    quadratic = True

    def __post_init__(self) -> None:
        # A bound is a kink: the identity alone, which has none, is analytic.
        object.__setattr__(self, "analytic", self.low == -float("inf") and self.high == float("inf"))

    def value(self, drive: Tensor) -> Tensor:
        """Return the drive clipped to the box."""
        return self.project(drive)

    def potential(self, value: Tensor) -> Tensor:
        """Return half the square."""
        return 0.5 * value.square()

    def inverse(self, value: Tensor) -> Tensor:
        """Return the value itself."""
        return value

    def slope(self, value: Tensor) -> Tensor:
        """Return 1 strictly inside the box and 0 on its faces."""
        return ((value > self.low) & (value < self.high)).to(value.dtype)

    def project(self, value: Tensor) -> Tensor:
        """Return the value clipped to the box."""
        return value if self.analytic else value.clamp(self.low, self.high)

    def settled(self, value: Tensor, drive: Callable[[], Tensor]) -> Tensor:
        """Return the value itself inside the box, and the drive on the face that it presses on."""
        if self.analytic:
            return value
        found = drive()
        if self.at_once is not None:
            return found
        pressed = torch.where(value <= self.low, found.clamp(max=self.low), value)
        return torch.where(value >= self.high, found.clamp(min=self.high), pressed)

    def change(self, value: Tensor, drive: Tensor, step: Tensor, scale: float) -> Tensor:
        """Return the step, cut where the unit meets its bounds; a unit that rests on one must first use up what presses it there."""
        if self.analytic:
            return step
        if abs(scale) < LEAST_SCALE:
            return self.slope(value) * step
        if self.at_once is not None:
            return self.at_once(value, drive, step, scale, self.low, self.high)
        # Quotients in place: fresh memory of a large layer takes longer than the arithmetic.
        faces = ((self.low - value).div_(scale), (self.high - value).div_(scale))
        nearest, farthest = faces if scale > 0 else faces[::-1]
        return torch.clamp((drive - value).div_(scale) + step, nearest, farthest)


@final
@dataclass(frozen=True)
class Tanh(Activation):
    r""":math:`\tanh`, with :math:`G = s\,\mathrm{artanh}(s) + \tfrac12\log(1 - s^2)`."""

    quadratic = False
    analytic = True

    def value(self, drive: Tensor) -> Tensor:
        """Return the hyperbolic tangent."""
        return torch.tanh(drive)

    def potential(self, value: Tensor) -> Tensor:
        """Return the potential in a form that stays finite at the bounds."""
        # (1+s)/2 log(1+s) + (1-s)/2 log(1-s) equals the textbook form, which is inf - inf at s = 1.
        return 0.5 * (torch.xlogy(1 + value, 1 + value) + torch.xlogy(1 - value, 1 - value))

    def inverse(self, value: Tensor) -> Tensor:
        """Return the inverse hyperbolic tangent of the projected value, which is finite."""
        return torch.atanh(self.project(value))

    def slope(self, value: Tensor) -> Tensor:
        """Return :math:`1 - s^2`."""
        return 1 - value.square()

    def project(self, value: Tensor) -> Tensor:
        """Return the value clipped to the open interval (-1, 1), one rounding step inside."""
        bound = 1 - torch.finfo(value.dtype).eps
        return value.clamp(-bound, bound)

    def settled(self, value: Tensor, drive: Callable[[], Tensor]) -> Tensor:
        """Return the drives that the values tell."""
        return self.inverse(value)

    def change(self, value: Tensor, drive: Tensor, step: Tensor, scale: float) -> Tensor:
        """Return the difference by the addition theorem of the hyperbolic tangent, in which nothing cancels."""
        if abs(scale) < LEAST_SCALE:
            return self.slope(value) * step
        angle = torch.tanh(scale * step)
        return angle * self.slope(value) / (scale * (1 + value * angle))


@final
@dataclass(frozen=True)
class Logistic(Activation):
    r"""The logistic function :math:`1 / (1 + e^{-k (u - m)})`, with :math:`G = [s \log s + (1 - s)\log(1 - s)]/k + m s`.

    Steepness 4 and middle 1/2 give :math:`\mathrm{logistic}(4u - 2)`, the smooth form of the hard sigmoid with equal slope in the middle,
    of Laborieux et al. (2021) and Laborieux & Zenke (2022).

    Attributes
    ----------
    steepness : float
        :math:`k`, positive.
    middle : float
        Drive :math:`m` at which the value is one half.
    """

    steepness: float = 1.0
    middle: float = 0.0
    quadratic = False
    analytic = True

    def value(self, drive: Tensor) -> Tensor:
        """Return the logistic function."""
        return torch.sigmoid(drive if self == LOGISTIC else self.steepness * (drive - self.middle))

    def potential(self, value: Tensor) -> Tensor:
        """Return minus the binary entropy over the steepness, and the middle times the value."""
        return (torch.xlogy(value, value) + torch.xlogy(1 - value, 1 - value)) / self.steepness + self.middle * value

    def inverse(self, value: Tensor) -> Tensor:
        """Return the drive that gives the projected value, which is finite."""
        return torch.logit(self.project(value)) / self.steepness + self.middle

    def slope(self, value: Tensor) -> Tensor:
        """Return :math:`k s (1 - s)`."""
        return self.steepness * value * (1 - value)

    def project(self, value: Tensor) -> Tensor:
        """Return the value clipped to the open interval (0, 1), one rounding step inside."""
        eps = torch.finfo(value.dtype).eps
        return value.clamp(eps, 1 - eps)

    def settled(self, value: Tensor, drive: Callable[[], Tensor]) -> Tensor:
        """Return the drives that the values tell."""
        return self.inverse(value)

    def change(self, value: Tensor, drive: Tensor, step: Tensor, scale: float) -> Tensor:
        """Return the difference by a hyperbolic tangent of half the step, in which nothing cancels and no exponential overflows."""
        if abs(scale) < LEAST_SCALE:
            return self.slope(value) * step
        rise = torch.tanh(scale * self.steepness * step / 2)
        return 2 * rise * (value * (1 - value)) / (scale * (1 - rise + 2 * value * rise))


HARD_SIGMOID = Clipped(0.0, 1.0)
CLIPPED_RELU = Clipped(0.0, 6.0)
TANH = Tanh()
LOGISTIC = Logistic()
STEEP_LOGISTIC = Logistic(4.0, 0.5)
LINEAR = Clipped(-float("inf"), float("inf"))


def least_curvature(last: Activation, stiffness: float, readout: Tensor | None, enough: float) -> float:
    r"""Return the curvature above which a nudge of the outputs leaves a last layer of units a minimum.

    It is minus the stiffness of the softest unit, and minus infinity where the activation is smooth and so bounded. Through a readout a
    nudge adds :math:`\beta c\, W_r W_r^T`, so that it is over the largest eigenvalue of :math:`W_r W_r^T`. A box of quadratic units is
    refused from there on too: its minima are then corners, which a nudge does not move.

    Parameters
    ----------
    last : Activation
        Activation of the layer.
    stiffness : float
        Stiffness of the layer.
    readout : Tensor, optional
        Weights of a linear readout of it, without a gradient.
    enough : float
        Value below which a bound is returned instead, because it is cheaper.
    """
    if not last.quadratic:
        return -math.inf
    softest = -stiffness / (float(last.stretch.max()) if isinstance(last.stretch, Tensor) else last.stretch)
    if readout is None:
        return softest
    bound = softest / max(float(readout.square().sum()), _TINY)  # no eigenvalue is larger than the sum of them all
    return bound if bound < enough else softest / max(float(torch.linalg.matrix_norm(readout, 2)) ** 2, _TINY)
