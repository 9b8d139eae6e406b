r"""Effects of a pulse on a device: laws in the normalised conductance :math:`z = (G - G_\min)/R`.

A potentiating pulse adds :math:`s_p\, u(z)`, a depressing one takes :math:`s_d\, d(z)`; both steps are those of a linear device at the
middle of its range. Fractions of a pulse are allowed, so that a device without finite states has a law too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from contrastive_core.errors import InputError


@final
@dataclass(frozen=True)
class LinearStep:
    r"""Steps linear in the level: :math:`u(z) = 1 - m_p (2z - 1)` and :math:`d(z) = 1 + m_d (2z - 1)`.

    Zero is a constant step, one a soft bound, where steps vanish at the end that they move to. It includes the exponential device of
    NeuroSim (see :func:`exponential_device`). Steps stay put from the law's own fixed point on, so the recurrence over pulses has the
    closed form :math:`z_n = z^* + (z_0 - z^*)(1 - 2sm)^n`.

    Verified against curves recorded from aihwkit's SoftBounds and LinearStep devices, whose code (not documentation) it follows.

    Attributes
    ----------
    m_up, m_down : float
        Slopes for potentiation and depression, in [0, 1].
    """

    m_up: float = 0.0
    m_down: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.m_up <= 1 and 0 <= self.m_down <= 1):
            raise InputError(f"slopes of a write law lie in [0, 1], got {self.m_up} and {self.m_down}; 0 is constant, 1 a soft bound")

    def size(self, level: Tensor, up: Tensor) -> Tensor:
        """Return the linear step."""
        return torch.where(up, 1 - self.m_up * (2 * level - 1), 1 + self.m_down * (2 * level - 1))

    def after(self, level: Tensor, pulses: Tensor, step_up: Tensor, step_down: Tensor) -> Tensor:
        """Return the levels after some pulses, by the closed form."""
        up = _affine(level, pulses.clamp(min=0), step_up, self.m_up)
        down = 1 - _affine(1 - level, (-pulses).clamp(min=0), step_down, self.m_down)
        return torch.where(pulses >= 0, up, down)


def _affine(level: Tensor, count: Tensor, step: Tensor, slope: float) -> Tensor:
    if slope == 0:
        return level + step * count
    # A step across the fixed point ends there; a negative ratio would oscillate about it.
    ratio = (1 - 2 * step * slope).clamp(min=0.0)
    fixed = (1 + slope) / (2 * slope)
    return fixed + (level - fixed) * ratio**count


@final
@dataclass(frozen=True)
class PowerStep:
    r"""Steps that are powers of the distance to the bound: :math:`u(z) = 2 (1-z)^{\gamma_p}` and :math:`d(z) = 2 z^{\gamma_d}`.

    With both exponents 1 it is the soft bound.

    Attributes
    ----------
    gamma_up, gamma_down : float
        Exponents :math:`\gamma_p` and :math:`\gamma_d`, positive.
    """

    gamma_up: float = 1.0
    gamma_down: float = 1.0

    def __post_init__(self) -> None:
        if not (self.gamma_up > 0 and self.gamma_down > 0):
            raise InputError(f"exponents of a write law are positive, got {self.gamma_up} and {self.gamma_down}")

    def size(self, level: Tensor, up: Tensor) -> Tensor:
        """Return the power of the distance to the bound."""
        return torch.where(up, 2 * (1 - level) ** self.gamma_up, 2 * level**self.gamma_down)

    def after(self, level: Tensor, pulses: Tensor, step_up: Tensor, step_down: Tensor) -> Tensor:
        """Return the levels after some pulses, pulse by pulse."""
        return _pulse_by_pulse(self, level, pulses, step_up, step_down)


@final
@dataclass(frozen=True)
class ExponentialStep:
    r"""Steps of :math:`u(z) = \max(0, 1 - A_p e^{\gamma_p y})` and :math:`d(z) = \max(0, 1 - A_d e^{-\gamma_d y})`.

    :math:`y = a (2z - 1) + b`. The form of aihwkit's ExpStep device at symmetric bounds, where :math:`y = 2 a w/(w_\max - w_\min) + b`;
    the default numbers are those of that device, and its recorded curve is a test.

    Attributes
    ----------
    a_up, a_down, gamma_up, gamma_down : float
        Amplitudes and rates of the exponentials.
    a, b : float
        Slope and offset of the level's measure.
    """

    a_up: float = 0.00081
    a_down: float = 0.36833
    gamma_up: float = 12.44625
    gamma_down: float = 12.78785
    a: float = 0.244
    b: float = 0.2425

    def size(self, level: Tensor, up: Tensor) -> Tensor:
        """Return the decaying exponential, cut off at 0."""
        y = self.a * (2 * level - 1) + self.b
        rising, falling = self.a_up * (self.gamma_up * y).exp(), self.a_down * (-self.gamma_down * y).exp()
        # Beyond the level at which its law vanishes a device stays, instead of moving backwards.
        return (1 - torch.where(up, rising, falling)).clamp(min=0)

    def after(self, level: Tensor, pulses: Tensor, step_up: Tensor, step_down: Tensor) -> Tensor:
        """Return the levels after some pulses, pulse by pulse."""
        return _pulse_by_pulse(self, level, pulses, step_up, step_down)


def _pulse_by_pulse(law: PowerStep | ExponentialStep, level: Tensor, pulses: Tensor, step_up: Tensor, step_down: Tensor) -> Tensor:
    """Apply pulses one after the other, the last one in part; a device at a bound stays there."""
    up, most = pulses >= 0, math.ceil(float(pulses.abs().max())) if pulses.numel() else 0
    step = torch.where(up, step_up, -step_down)
    for done in range(most):
        level = (level + (pulses.abs() - done).clamp(0, 1) * step * law.size(level, up)).clamp(0, 1)
    return level


WriteLaw = LinearStep | PowerStep | ExponentialStep
"""Laws of the change of a device by a pulse; another law is added here.

``size(level, up)`` returns the change of a device at ``level`` by one pulse, in units of its step, for potentiation where ``up`` and
depression elsewhere. ``after(level, pulses, step_up, step_down)`` returns the levels after pulses of either sign, positive ones
potentiating, before the bounds cut them off. Levels lie in [0, 1]; pulses may be fractions; steps are the sizes of a pulse at the middle of
the range, as fractions of it, and are broadcast against the levels.
"""


class ExponentialDevice(NamedTuple):
    """The law and steps of NeuroSim's exponential device.

    Attributes
    ----------
    law : LinearStep
        Write law with its slopes.
    step_up, step_down : float
        Size of a pulse at the middle of the range, as a fraction of the range.
    """

    law: LinearStep
    step_up: float
    step_down: float


def exponential_device(alpha_up: float, alpha_down: float, num_pulses: int) -> ExponentialDevice:
    r"""Return the linear steps that equal an exponential pulse response.

    :math:`G(n) = G_\min + R\,(1 - e^{-\alpha n/P})/(1 - e^{-\alpha})` for P pulses over the range has steps linear in the level, with
    :math:`m = \tanh(\alpha/2)`.

    Parameters
    ----------
    alpha_up, alpha_down : float
        Nonlinearity of potentiation and depression, not negative; 0 is linear.
    num_pulses : int
        Pulses from one end of the range to the other.
    """
    steps = []
    for alpha in (alpha_up, alpha_down):
        if not alpha >= 0 or num_pulses < 1:
            raise InputError(f"an exponential device needs alpha >= 0 and at least 1 pulse, got {alpha} and {num_pulses}")
        scale = 1 / num_pulses if alpha == 0 else -math.expm1(-alpha / num_pulses) / -math.expm1(-alpha)
        steps.append(scale * (1 + math.exp(-alpha)) / 2)
    return ExponentialDevice(LinearStep(math.tanh(alpha_up / 2), math.tanh(alpha_down / 2)), *steps)


def nonlinearity_label(alpha: float) -> float:
    r"""Return NeuroSim's label of nonlinearity for the exponential device of ``alpha``.

    The largest distance of the normalised curve :math:`y(p) = (1 - e^{-\alpha p})/(1 - e^{-\alpha})` from its diagonal,
    :math:`y(p^*) - p^*` at :math:`p^* = \ln(\alpha/(1 - e^{-\alpha}))/\alpha`, over 0.098995. It equals NeuroSim's published
    table to the table's digits.
    """
    if alpha == 0:
        return 0.0
    rise = -math.expm1(-alpha)
    peak = math.log(alpha / rise) / alpha
    return (-math.expm1(-alpha * peak) / rise - peak) / _LABEL_UNIT


def alpha_of_label(label: float) -> float:
    """Return the ``alpha`` that a label of nonlinearity from 0 to 9 stands for."""
    magnitude = abs(label)
    if not magnitude <= _LARGEST_LABEL:
        raise InputError(f"labels of nonlinearity go up to {_LARGEST_LABEL}, got {label}")
    if magnitude == 0:
        return 0.0
    from scipy.optimize import brentq  # takes longer to load than all of this package's devices, and only labels need it

    alpha: float = brentq(lambda a: nonlinearity_label(a) - magnitude, 1e-9, 1e3, xtol=1e-14, rtol=1e-14)
    return alpha


_LABEL_UNIT = 0.098995
"""0.07 times the square root of 2: the label counts perpendicular distances from the diagonal in steps of 0.07."""

_LARGEST_LABEL = 9
"""End of NeuroSim's table."""
