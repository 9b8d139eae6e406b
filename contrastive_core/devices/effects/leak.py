"""Leaking capacitors, and pairs of devices that can only grow and share what they hold."""

import math
from dataclasses import dataclass
from typing import final

import torch

from contrastive_core.devices.conductance import Conductance
from contrastive_core.devices.effect import Draws, Effect, Hooks, Write
from contrastive_core.errors import InputError


@final
@dataclass(frozen=True)
class Leak(Effect):
    r"""A capacitor that loses charge between writes: :math:`w \leftarrow w (1 - 1/\tau)` before each.

    A level falls towards that of weight 0: the reference of an offset pair, the smallest conductance otherwise. The lifetime is that
    of aihwkit; with writes T seconds apart and a time constant RC, :math:`1/\tau = 1 - e^{-T/RC}`.

    Attributes
    ----------
    lifetime : float
        Lifetime :math:`\tau` in writes, one per batch; at least 1, infinite without a leak.
    """

    lifetime: float = math.inf

    def __post_init__(self) -> None:
        if not self.lifetime >= 1:
            raise InputError(f"charge lasts for a lifetime of at least 1 write, got {self.lifetime}; leave the effect out for ever")

    @property
    def hooks(self) -> Hooks:
        """Act on writes."""
        return Hooks(write=self.written)

    def written(self, write: Write, kind: Conductance, draws: Draws) -> Write:
        """Return the write that finds the devices as the leak left them."""
        # Charge is lost between writes, so before the pulses of this one.
        zero = kind.level_of_zero
        return write._replace(level=zero + (write.level - zero) * (1 - 1 / self.lifetime))


@final
@dataclass(frozen=True)
class GrowingPair(Effect):
    """Differential pairs of devices that pulses can only potentiate, such as phase change memory, and that are refreshed.

    A weight grows by pulses on its first device and falls by pulses on its second. Where one of the two has passed a level, both are
    erased and their difference is written back before the next write, ideally and at no cost of pulses.

    Attributes
    ----------
    refresh_at : float
        Level from which a pair is refreshed, in (0, 1].
    """

    refresh_at: float = 0.75

    def __post_init__(self) -> None:
        if not 0 < self.refresh_at <= 1:
            raise InputError(f"pairs are refreshed at a level in (0, 1], got {self.refresh_at}")

    @property
    def hooks(self) -> Hooks:
        """Act on writes."""
        return Hooks(write=self.written)

    def written(self, write: Write, kind: Conductance, draws: Draws) -> Write:
        """Return the write in potentiating pulses only.

        Raises
        ------
        InputError
            If devices are not in pairs.
        """
        if len(write.level) != 2:
            raise InputError("only differential pairs can grow to both sides; set conductance.pairing=differential")
        full = write.level.amax(0, keepdim=True) > self.refresh_at
        # Both lose the smaller level: the weight is the difference, and stays.
        level = torch.where(full, write.level - write.level.amin(0, keepdim=True), write.level)
        # A weight falls by growth of its second device.
        change = (write.request[0] - write.request[1])[None]
        request = torch.cat((change.clamp(min=0), (-change).clamp(min=0)))
        return write._replace(level=level, request=request, pulses=request / write.step)
