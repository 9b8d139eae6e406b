"""Variation: between devices, drawn once, and between cycles, drawn at every write."""

from dataclasses import dataclass
from enum import Enum
from typing import final

import torch
from torch import Tensor

from contrastive_core.devices.conductance import Conductance
from contrastive_core.devices.effect import Draws, Effect, Hooks, Write, normal
from contrastive_core.errors import InputError


class Spread(Enum):
    """Spread of steps between devices: normally about 1, or as the exponential of a normal number."""

    NORMAL = "normal"
    LOGNORMAL = "lognormal"


@final
@dataclass(frozen=True)
class DeviceToDevice(Effect):
    r"""Steps and bounds that differ between devices, and steps that differ between directions.

    The formula follows the code of aihwkit, not its documentation, which has :math:`1 \pm u`:

    .. math:: s_p \leftarrow s_p (1 + \min(u, 0) + \sigma\xi + \sigma_u\xi'), \qquad
              s_d \leftarrow s_d (1 - \max(u, 0) + \sigma\xi - \sigma_u\xi').

    A step never changes its sign. With a log-normal spread :math:`1 + \sigma\xi` is :math:`e^{\sigma\xi}`. Bounds are spread as their
    distance from the level of weight 0, and a device runs through its write law within its own. The step is that at the middle
    of each device's range, in aihwkit that at weight 0.

    Attributes
    ----------
    dw_min_dtod : float
        :math:`\sigma`, relative.
    up_down : float
        :math:`u`: above 0 depression is weaker, below 0 potentiation.
    up_down_dtod : float
        :math:`\sigma_u`.
    w_max_dtod, w_min_dtod : float
        Relative spreads of the upper and the lower bound. With a single conductance or a pair, weight 0 is the lower bound and stays.
    spread : Spread
        Distribution of the steps.
    """

    dw_min_dtod: float = 0.0
    up_down: float = 0.0
    up_down_dtod: float = 0.0
    w_max_dtod: float = 0.0
    w_min_dtod: float = 0.0
    spread: Spread = Spread.NORMAL

    def __post_init__(self) -> None:
        spreads = (self.dw_min_dtod, self.up_down_dtod, self.w_max_dtod, self.w_min_dtod)
        if not (all(0 <= spread < float("inf") for spread in spreads) and -1 < self.up_down < 1):
            raise InputError(f"spreads are not negative and up_down lies between -1 and 1, got {self}")

    @property
    def hooks(self) -> Hooks:
        """Act on writes and on programming."""
        return Hooks(write=self.written, program=self.programmed)

    def written(self, write: Write, kind: Conductance, draws: Draws) -> Write:
        """Return the write with each device's own steps and bounds."""
        common, opposed = self._steps(write.level, draws)
        size = common.exp() if self.spread is Spread.LOGNORMAL else 1 + common
        # A step below 0 would turn its pulses round.
        up = (size + min(self.up_down, 0.0) + opposed).clamp(min=0)
        down = (size - max(self.up_down, 0.0) - opposed).clamp(min=0)
        write = write._replace(step_up=write.step_up * up, step_down=write.step_down * down)
        if self.w_max_dtod == 0 and self.w_min_dtod == 0:
            return write
        low, high = self._bounds(write.level, kind, draws)
        return write._replace(low=low, high=high)

    def programmed(self, level: Tensor, kind: Conductance, draws: Draws) -> Tensor:
        """Return the levels within each device's own bounds."""
        if self.w_max_dtod == 0 and self.w_min_dtod == 0:
            return level
        self._steps(level, draws)  # which are drawn before the bounds
        low, high = self._bounds(level, kind, draws)
        return level.maximum(low).minimum(high)

    def _steps(self, level: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        common = self.dw_min_dtod * normal(level.shape, level, draws.fixed)
        return common, self.up_down_dtod * normal(level.shape, level, draws.fixed)

    def _bounds(self, level: Tensor, kind: Conductance, draws: Draws) -> tuple[Tensor, Tensor]:
        above, below = (1 + s * normal(level.shape, level, draws.fixed) for s in (self.w_max_dtod, self.w_min_dtod))
        zero, ground = kind.level_of_zero, -kind.g_min / kind.span
        return (zero - zero * below).clamp(min=ground, max=zero), (zero + (1 - zero) * above).clamp(min=zero + _NARROWEST)


_NARROWEST = 0.01
"""Smallest range above weight 0: a device that cannot be written at all would divide by it."""


class PulseNoise(Enum):
    """Reference of a pulse's noise: the pulse, or the range of the device."""

    PULSE = "pulse"
    RANGE = "range"


@final
@dataclass(frozen=True)
class CycleToCycle(Effect):
    r"""Pulses of varying size: n pulses of size :math:`1 + \sigma\xi` each are worth :math:`n + \sigma \sqrt{|n|}\,\xi`.

    The noise has the law of the pulse's polarity even where it is larger than the pulse and moves the device the other way. Relative to
    the range it is :math:`\sigma\sqrt{|n|}\,\xi` of the range, wherever the device is.

    Attributes
    ----------
    sigma_c2c : float
        :math:`\sigma`.
    relative_to : PulseNoise
        One pulse (``dw_min_std`` of aihwkit), or the range, as in NeuroSim.
    """

    sigma_c2c: float = 0.0
    relative_to: PulseNoise = PulseNoise.PULSE

    def __post_init__(self) -> None:
        if not 0 <= self.sigma_c2c < float("inf"):
            raise InputError(f"sigma_c2c must not be negative, got {self.sigma_c2c}; 0 is none")

    @property
    def hooks(self) -> Hooks:
        """Act on writes."""
        return Hooks(write=self.written)

    def written(self, write: Write, kind: Conductance, draws: Draws) -> Write:
        """Return the write with noisy pulses."""
        noise = normal(write.pulses.shape, write.pulses, draws.fresh)
        # Deviations of n pulses are independent, so that their sum grows with the root of n.
        spread = self.sigma_c2c * torch.sqrt(write.pulses.abs()) * noise
        if self.relative_to is PulseNoise.RANGE:
            return write._replace(scatter=write.scatter + spread)
        return write._replace(noise=write.noise + spread)
