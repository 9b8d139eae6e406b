"""Diodes on the nodes of circuits: ideal ones, Shockley's exponential, and measured curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from eqprop.curves import MeasuredDiode


@final
@dataclass(frozen=True)
class IdealDiode:
    r"""It lets any current pass forwards and none backwards: :math:`w \le 0`."""

    ideal = True

    def current(self, voltage: Tensor) -> Tensor:
        """Return 0."""
        return torch.zeros_like(voltage)

    def content(self, voltage: Tensor) -> Tensor:
        """Return 0."""
        return torch.zeros_like(voltage)

    def slope(self, voltage: Tensor) -> Tensor:
        """Return infinity where it conducts, at 0 V, and 0 where it blocks."""
        return torch.where(voltage < 0, 0.0, float("inf")).to(voltage)

    def solve(self, conductance: Tensor, current: Tensor) -> Tensor:
        """Return the voltage without a diode where that is negative, else 0."""
        return (current / conductance).clamp(max=0)

    def project(self, voltage: Tensor) -> Tensor:
        """Return the voltage where it is negative, else 0."""
        return voltage.clamp(max=0)


@final
@dataclass(frozen=True)
class ShockleyDiode:
    r""":math:`I = I_s (e^{w/(n V_t)} - 1)`, solved by Lambert's function.

    With :math:`a = n V_t`, :math:`c = (i + I_s)/(g a)` and :math:`k = \ln(I_s/(g a))` the node is at
    :math:`w/a = c - \omega(k + c) = \ln\omega(k + c) - k`, where :math:`\omega(z) = W(e^z)` is Wright's function: no exponential of a
    voltage is ever taken, so nothing overflows.

    Attributes
    ----------
    saturation_current : float
        :math:`I_s` in ampere, positive. An offset voltage :math:`V_0` of the diode is a factor :math:`e^{-V_0/(n V_t)}` of it.
    scale : float
        :math:`n V_t` in volt, positive: 0.02585 for an emission coefficient of 1 at 300 K.

    Raises
    ------
    InputError
        If either is not positive.
    """

    ideal = False
    saturation_current: float = 1e-12
    scale: float = 0.02585

    def __post_init__(self) -> None:
        if not (0 < self.saturation_current < float("inf") and 0 < self.scale < float("inf")):
            raise InputError(
                "a Shockley diode needs a positive saturation current and a positive scale, "
                f"got {self.saturation_current} A and {self.scale} V"
            )

    def current(self, voltage: Tensor) -> Tensor:
        """Return the exponential law."""
        return self.saturation_current * torch.expm1(voltage / self.scale)

    def content(self, voltage: Tensor) -> Tensor:
        r"""Return :math:`I_s [a (e^{w/a} - 1) - w]`."""
        return self.saturation_current * (self.scale * torch.expm1(voltage / self.scale) - voltage)

    def slope(self, voltage: Tensor) -> Tensor:
        r"""Return :math:`I_s e^{w/a}/a`."""
        return self.saturation_current / self.scale * torch.exp(voltage / self.scale)

    def solve(self, conductance: Tensor, current: Tensor) -> Tensor:
        """Return the voltage in closed form, to rounding."""
        stiff = conductance * self.scale
        offset = torch.log(self.saturation_current / stiff)
        level = (current + self.saturation_current) / stiff
        omega = wright_omega(offset + level)
        # Where the diode conducts, level and omega are large and nearly equal; where it blocks, log(omega) may be that of 0.
        conducts = omega > 1
        logarithm = torch.log(torch.where(conducts, omega, 1.0)) - offset
        return self.scale * torch.where(conducts, logarithm, level - omega)

    def project(self, voltage: Tensor) -> Tensor:
        """Return the voltage itself: there is no bound."""
        return voltage


Diode = IdealDiode | ShockleyDiode | MeasuredDiode
r"""Monotone elements :math:`I(w)` of forward voltage w, and so convex terms of the energy; another one is added here.

``ideal`` is whether it is a bound on the voltage and nothing else, so that the energy stays quadratic. ``current(voltage)`` is
:math:`I(w)` in ampere, 0 for an ideal diode, whose current is whatever the bound needs. ``content(voltage)`` is
:math:`\int_0^w I(w')\, dw'` in watt, the diode's part of the energy. ``slope(voltage)`` is the differential conductance in siemens,
infinite where an ideal diode conducts. ``solve(conductance, current)`` is the forward voltage at which :math:`g w + I(w) = i`, unique
as the left side rises: g is positive and broadcast against i, the current of a source and all neighbours into the diode's anode.
``project(voltage)`` is the nearest forward voltage that the diode allows.
"""


def wright_omega(argument: Tensor) -> Tensor:
    r"""Return Wright's :math:`\omega`, the solution of :math:`\omega + \ln\omega = z`, which is :math:`W(e^z)`.

    Parameters
    ----------
    argument : Tensor
        z, real; differentiable once.

    Returns
    -------
    Tensor
        Positive, to a few roundings relative to its size; 0 where it underflows.

    Notes
    -----
    Three steps of the fourth-order iteration of Fritsch, Shafer & Crowley (1973); two would do but for 1e-12 about z = -2.
    """
    with torch.no_grad():
        z = argument.detach()
        near = z - 1
        guess = torch.where(z < -2, torch.exp(z.clamp(max=0)), 1 + near / 2 + near.square() / 16)
        omega = torch.where(z > 1 + torch.pi, z - torch.log(z.clamp(min=1)), guess)
        tiny = torch.finfo(z.dtype).tiny
        for _ in range(3):
            safe = omega.clamp(min=tiny)
            rest = z - safe - torch.log(safe)
            scale = 1 + safe
            inner = scale * (scale + 2 * rest / 3)
            omega = safe * (1 + rest / scale * (inner - rest / 2) / (inner - rest))
        omega = torch.where(z < -50, torch.exp(z.clamp(max=0)), omega)  # log(omega) is -z to rounding, and the step only noise
    if not (torch.is_grad_enabled() and argument.requires_grad):
        return omega
    return omega + (argument - z) * (omega / (1 + omega))  # the same value, with the derivative omega / (1 + omega)
