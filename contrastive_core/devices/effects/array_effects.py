"""Changes of conductances after they were programmed: faults, drift and noise."""

from dataclasses import dataclass
from enum import Enum
from typing import final

import torch
from torch import Tensor

from contrastive_core.devices.conductance import Conductance
from contrastive_core.devices.effect import Draws, Effect, Hooks, normal
from contrastive_core.devices.effects.flicker import flicker
from contrastive_core.devices.effects.phase_change import DriftModel, ProgrammingModel
from contrastive_core.errors import InputError


@final
@dataclass(frozen=True)
class StuckAt(Effect):
    """Devices that no write moves, drawn once.

    Attributes
    ----------
    p_sa0 : float
        Share stuck at the smallest conductance, the high-resistance state. The field uses both names for both ends.
    p_sa1 : float
        Share stuck at the largest conductance, the low-resistance state.
    """

    p_sa0: float = 0.0
    p_sa1: float = 0.0

    def __post_init__(self) -> None:
        if not (self.p_sa0 >= 0 and self.p_sa1 >= 0 and self.p_sa0 + self.p_sa1 <= 1):
            raise InputError(f"shares of stuck devices must be at least 0 and add up to at most 1, got {self.p_sa0} and {self.p_sa1}")

    @property
    def hooks(self) -> Hooks:
        """Act on the reading of arrays."""
        return Hooks(array=self.seen)

    def seen(self, conductance: Tensor, kind: Conductance, seconds: float, draws: Draws) -> Tensor:
        """Return the conductances with the stuck ones at their ends."""
        # One draw decides both ends: no device is stuck at two, and the shares do not disturb each other.
        lot = torch.rand(conductance.shape, generator=draws.fixed, dtype=torch.float64).to(conductance.device)
        low = torch.where(lot < self.p_sa0, kind.g_min, conductance)
        return torch.where(lot >= 1 - self.p_sa1, kind.g_max, low)


@final
@dataclass(frozen=True)
class Drift(Effect):
    r"""Retention: conductances fall as :math:`G(t) = G_0 (t/t_0)^{-\nu}` from :math:`t_0` on.

    Attributes
    ----------
    nu : float
        Mean exponent.
    nu_std : float
        Spread of the exponent between devices. Constant exponents are cut off at 0; of those of a material the absolute value is taken.
    t0 : float
        Time of the reference read, in seconds.
    nu_k : float
        Fall of the exponent per e-fold of conductance, :math:`\nu - \nu_k \ln(G_0/G_\max)` (Oh et al., 2019). Their
        reference conductance was not looked up; here it is the largest one.
    model : DriftModel
        Exponents that are all alike, or those measured on a material, which have a mean and a spread of their own.
    """

    nu: float = 0.0
    nu_std: float = 0.0
    t0: float = 20.0
    nu_k: float = 0.0
    model: DriftModel = DriftModel.CONSTANT

    def __post_init__(self) -> None:
        if not (self.nu >= 0 and self.nu_std >= 0 and self.t0 > 0 and self.nu_k >= 0):
            raise InputError(f"drift needs nu, nu_std and nu_k >= 0 and t0 > 0 seconds, got {self}")

    @property
    def hooks(self) -> Hooks:
        """Act on the reading of arrays."""
        return Hooks(array=self.seen)

    def seen(self, conductance: Tensor, kind: Conductance, seconds: float, draws: Draws) -> Tensor:
        """Return the conductances after ``seconds``."""
        # The power law starts at the reference read; before it conductances would grow.
        if seconds <= self.t0:
            return conductance
        # A conductance of 0 has no logarithm.
        share = (conductance / kind.g_max).clamp(min=1e-12)
        mean, spread = self.model.exponents(share, self.nu, self.nu_std)
        nu = mean - self.nu_k * share.log() + spread * normal(conductance.shape, conductance, draws.fixed)
        # A negative exponent, from the tail of the spread, would be growth. The model of PCM takes the absolute value, as its source does.
        falling = nu.clamp(min=0) if self.model is DriftModel.CONSTANT else nu.abs()
        return conductance * (seconds / self.t0) ** -falling


@final
@dataclass(frozen=True)
class ProgrammingError(Effect):
    r"""Conductances that missed their target when they were programmed, :math:`G + \sigma G_\max \xi`, drawn once.

    It describes weights that were trained elsewhere and transferred. Errors are cut off at the ends of the range.

    Attributes
    ----------
    sigma_prog : float
        :math:`\sigma`.
    model : ProgrammingModel
        One spread for all conductances, or :math:`\sigma` as measured on a material, which depends on the conductance.
    """

    sigma_prog: float = 0.0
    model: ProgrammingModel = ProgrammingModel.CONSTANT

    def __post_init__(self) -> None:
        if not 0 <= self.sigma_prog < float("inf"):
            raise InputError(f"sigma_prog must not be negative, got {self.sigma_prog}; use 0 for no errors")

    @property
    def hooks(self) -> Hooks:
        """Act on the reading of arrays."""
        return Hooks(array=self.seen)

    def seen(self, conductance: Tensor, kind: Conductance, seconds: float, draws: Draws) -> Tensor:
        """Return the conductances with their errors."""
        # A share of the largest conductance, not of the target: small ones miss it by as much.
        sigma = self.model.error(conductance / kind.g_max, self.sigma_prog)
        programmed = conductance + sigma * kind.g_max * normal(conductance.shape, conductance, draws.fixed)
        return programmed.clamp(kind.g_min, kind.g_max)


class NoiseKind(Enum):
    """Reference of the noise of a conductance, itself or the top of the range, and its correlation in time.

    Relative and absolute noise are drawn anew at every use. 1/f noise is relative and has most of its power at low frequencies.
    """

    RELATIVE = "rel"
    ABSOLUTE = "abs"
    FLICKER = "1/f"


@final
@dataclass(frozen=True)
class ConductanceNoise(Effect):
    r"""Noise of the conductances, fresh at every use of the device and then the same in all phases.

    :math:`G (1 + \sigma\xi)` or :math:`G + \sigma G_\max \xi`, cut off at 0. Time of 1/f noise is counted in uses of the device: batches
    and passes of a write.

    Attributes
    ----------
    sigma_read : float
        :math:`\sigma`.
    kind : NoiseKind
        Reference of the noise.
    octaves : int
        Number of octaves of frequency of 1/f noise, from half of the rate of use down; together they have the whole variance.
    """

    sigma_read: float = 0.0
    kind: NoiseKind = NoiseKind.RELATIVE
    octaves: int = 12

    def __post_init__(self) -> None:
        if not 0 <= self.sigma_read < float("inf"):
            raise InputError(f"sigma_read must not be negative, got {self.sigma_read}; use 0 for no errors")
        if not 1 <= self.octaves <= 48:
            raise InputError(f"the octaves of 1/f noise must be from 1 to 48, got {self.octaves}")

    @property
    def hooks(self) -> Hooks:
        """Act on the reading of arrays."""
        return Hooks(array=self.seen)

    def seen(self, conductance: Tensor, kind: Conductance, seconds: float, draws: Draws) -> Tensor:
        """Return noisy conductances."""
        scale = kind.g_max if self.kind is NoiseKind.ABSOLUTE else conductance
        if self.kind is NoiseKind.FLICKER:
            noise = flicker(conductance, draws, self.octaves)
        else:
            noise = normal(conductance.shape, conductance, draws.fresh)
        # Noise must not turn a small conductance into a source.
        return (conductance + self.sigma_read * scale * noise).clamp(min=0)
