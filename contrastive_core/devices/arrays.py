"""What happens to conductances after they were programmed: faults, drift and noise."""

from dataclasses import dataclass
from enum import Enum
from typing import final

import torch
from torch import Tensor

from contrastive_core.devices.conductance import Conductance
from contrastive_core.devices.effect import ArrayEffect, Draws, normal
from contrastive_core.errors import InputError


@final
@dataclass(frozen=True)
class StuckAt(ArrayEffect):
    """Devices that no write moves, drawn once.

    Attributes
    ----------
    p_sa0 : float
        Share stuck at the smallest conductance, the high-resistance state. The field uses both names for both ends.
    p_sa1 : float
        Share stuck at the largest conductance, the low-resistance state.
    """

    p_sa0: float = 0.05
    p_sa1: float = 0.05

    def __post_init__(self) -> None:
        if not (self.p_sa0 >= 0 and self.p_sa1 >= 0 and self.p_sa0 + self.p_sa1 <= 1):
            raise InputError(f"shares of stuck devices are not negative and add up to at most 1, got {self.p_sa0} and {self.p_sa1}")

    def seen(self, conductance: Tensor, kind: Conductance, seconds: float, draws: Draws) -> Tensor:
        """Return the conductances with the stuck ones at their ends."""
        lot = torch.rand(conductance.shape, generator=draws.fixed, dtype=torch.float64).to(conductance.device)
        low = torch.where(lot < self.p_sa0, kind.g_min, conductance)
        return torch.where(lot >= 1 - self.p_sa1, kind.g_max, low)


@final
@dataclass(frozen=True)
class Drift(ArrayEffect):
    r"""Retention: conductances fall as :math:`G(t) = G_0 (t/t_0)^{-\nu}` from :math:`t_0` on.

    Attributes
    ----------
    nu : float
        Mean exponent.
    nu_std : float
        Its spread between devices; exponents are cut off at 0.
    t0 : float
        Time of the reference read, in seconds.
    """

    nu: float = 0.05
    nu_std: float = 0.02
    t0: float = 20.0

    def __post_init__(self) -> None:
        if not (self.nu >= 0 and self.nu_std >= 0 and self.t0 > 0):
            raise InputError(f"drift needs nu >= 0, nu_std >= 0 and t0 > 0 seconds, got {self.nu}, {self.nu_std} and {self.t0}")

    def seen(self, conductance: Tensor, kind: Conductance, seconds: float, draws: Draws) -> Tensor:
        """Return the conductances after ``seconds``."""
        if seconds <= self.t0:
            return conductance
        nu = (self.nu + self.nu_std * normal(conductance.shape, conductance, draws.fixed)).clamp(min=0)
        return conductance * (seconds / self.t0) ** -nu


@final
@dataclass(frozen=True)
class ProgrammingError(ArrayEffect):
    r"""Conductances that missed their target when they were programmed, :math:`G + \sigma G_\max \xi`, drawn once and cut off at 0.

    For weights that were trained elsewhere and transferred.

    Attributes
    ----------
    sigma_prog : float
        :math:`\sigma`.
    """

    sigma_prog: float = 0.02

    def __post_init__(self) -> None:
        if not 0 <= self.sigma_prog < float("inf"):
            raise InputError(f"sigma_prog must not be negative, got {self.sigma_prog}; 0 is none")

    def seen(self, conductance: Tensor, kind: Conductance, seconds: float, draws: Draws) -> Tensor:
        """Return the conductances with their errors."""
        return (conductance + self.sigma_prog * kind.g_max * normal(conductance.shape, conductance, draws.fixed)).clamp(min=0)


class NoiseKind(Enum):
    """What the noise of a conductance is relative to: itself, or the top of the range."""

    RELATIVE = "rel"
    ABSOLUTE = "abs"


@final
@dataclass(frozen=True)
class ConductanceNoise(ArrayEffect):
    r"""Noise of the conductances, fresh whenever inputs are clamped and then the same in all phases.

    :math:`G (1 + \sigma\xi)` or :math:`G + \sigma G_\max \xi`, cut off at 0.

    Attributes
    ----------
    sigma_read : float
        :math:`\sigma`.
    kind : NoiseKind
        What it is relative to.
    """

    sigma_read: float = 0.01
    kind: NoiseKind = NoiseKind.RELATIVE

    def __post_init__(self) -> None:
        if not 0 <= self.sigma_read < float("inf"):
            raise InputError(f"sigma_read must not be negative, got {self.sigma_read}; 0 is none")

    def seen(self, conductance: Tensor, kind: Conductance, seconds: float, draws: Draws) -> Tensor:
        """Return noisy conductances."""
        scale = conductance if self.kind is NoiseKind.RELATIVE else kind.g_max
        return (conductance + self.sigma_read * scale * normal(conductance.shape, conductance, draws.fresh)).clamp(min=0)
