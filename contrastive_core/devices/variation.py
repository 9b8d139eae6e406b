"""Variation: between devices, drawn once, and between cycles, drawn at every write."""

from dataclasses import dataclass
from typing import final

import torch

from contrastive_core.devices.conductance import Conductance
from contrastive_core.devices.effect import Draws, Write, WriteEffect, normal
from contrastive_core.errors import InputError


@final
@dataclass(frozen=True)
class DeviceToDevice(WriteEffect):
    r"""Steps that differ between devices, and between directions.

    As aihwkit's code has it, not its documentation, which says :math:`1 \pm u`:

    .. math:: s_p \leftarrow s_p (1 + \min(u, 0) + \sigma\xi + \sigma_u\xi'), \qquad
              s_d \leftarrow s_d (1 - \max(u, 0) + \sigma\xi - \sigma_u\xi').

    A step never changes its sign.

    Attributes
    ----------
    dw_min_dtod : float
        :math:`\sigma`, relative.
    up_down : float
        :math:`u`: above 0 depression is weaker, below 0 potentiation.
    up_down_dtod : float
        :math:`\sigma_u`.
    """

    dw_min_dtod: float = 0.3
    up_down: float = 0.0
    up_down_dtod: float = 0.0

    def __post_init__(self) -> None:
        if not (self.dw_min_dtod >= 0 and self.up_down_dtod >= 0 and -1 < self.up_down < 1):
            raise InputError(f"spreads are not negative and up_down lies between -1 and 1, got {self}")

    def written(self, write: Write, kind: Conductance, draws: Draws) -> Write:
        """Return the write with each device's own steps."""
        common = self.dw_min_dtod * normal(write.level.shape, write.level, draws.fixed)
        opposed = self.up_down_dtod * normal(write.level.shape, write.level, draws.fixed)
        up = (1 + min(self.up_down, 0.0) + common + opposed).clamp(min=0)
        down = (1 - max(self.up_down, 0.0) + common - opposed).clamp(min=0)
        return write._replace(step_up=write.step_up * up, step_down=write.step_down * down)


@final
@dataclass(frozen=True)
class CycleToCycle(WriteEffect):
    r"""Pulses of varying size: n pulses of size :math:`1 + \sigma\xi` each are worth :math:`n + \sigma \sqrt{|n|}\,\xi`.

    The noise has the law of the pulse's polarity even where it is larger than the pulse and moves the device the other way.

    Attributes
    ----------
    sigma_c2c : float
        :math:`\sigma`, relative to one pulse (``dw_min_std`` of aihwkit). NeuroSim's is relative to the range: divide it by the step.
    """

    sigma_c2c: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.sigma_c2c < float("inf"):
            raise InputError(f"sigma_c2c must not be negative, got {self.sigma_c2c}; 0 is none")

    def written(self, write: Write, kind: Conductance, draws: Draws) -> Write:
        """Return the write with noisy pulses."""
        noise = normal(write.pulses.shape, write.pulses, draws.fresh)
        return write._replace(noise=write.noise + self.sigma_c2c * torch.sqrt(write.pulses.abs()) * noise)
