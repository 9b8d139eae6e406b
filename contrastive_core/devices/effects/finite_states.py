"""Pulses for a requested change: finite states, trains of limited length, and schemes of sending."""

import math
from dataclasses import dataclass
from enum import Enum
from typing import final

import torch
from torch import Tensor

from contrastive_core.devices.conductance import Conductance
from contrastive_core.devices.effect import Draws, Effect, Hooks, Write
from contrastive_core.errors import InputError


class Rounding(Enum):
    """Rounding of a fraction of a pulse. Stochastic rounding is right on average, so that changes smaller than a step are not lost."""

    NEAREST = "nearest"
    STOCHASTIC = "stochastic"


@final
@dataclass(frozen=True)
class FiniteStates(Effect):
    r"""A device with finitely many conductances, equally spaced by :math:`\Delta G = R/(n - 1)`; requests are rounded to whole steps.

    Programmed levels are rounded to the nearest state. Steps that vary or depend on the level lead to levels between the states.

    Attributes
    ----------
    n_states : int, optional
        Number of states, at least 2; infinitely many if neither this nor ``bits`` is given.
    rounding : Rounding
        Rounding of the number of steps.
    bits : int, optional
        Bits b of :math:`2^b` states, which replace ``n_states``.
    """

    n_states: int | None = None
    rounding: Rounding = Rounding.NEAREST
    bits: int | None = None

    def __post_init__(self) -> None:
        if self.n_states is not None and self.n_states < 2:
            raise InputError(f"a device needs at least 2 states, got {self.n_states}; leave the effect out for infinitely many")
        if self.bits is not None and not 1 <= self.bits <= 32:
            raise InputError(f"the number of bits must be from 1 to 32, got {self.bits}; leave the effect out for infinitely many")

    @property
    def _steps(self) -> int | None:
        states = self.n_states if self.bits is None else 2**self.bits
        return None if states is None else states - 1

    @property
    def hooks(self) -> Hooks:
        """Act on writes and on programming."""
        return Hooks() if self._steps is None else Hooks(write=self.written, program=self.programmed)

    def programmed(self, level: Tensor, kind: Conductance, draws: Draws) -> Tensor:
        """Return the nearest states."""
        steps = self._steps
        return level if steps is None else (level * steps).round() / steps

    def written(self, write: Write, kind: Conductance, draws: Draws) -> Write:
        """Return the write in whole pulses of one state each."""
        steps = self._steps
        if steps is None:
            return write
        step = 1 / steps
        # Pulses are counted anew from the request, because the pulses so far assume steps of another size.
        exact = write.request / step
        if self.rounding is Rounding.STOCHASTIC:
            # Rounding x + u down, u uniform, rounds x up with the probability of its fraction.
            pulses = (exact + torch.rand(exact.shape, generator=draws.fresh, dtype=torch.float64).to(exact)).floor()
        else:
            pulses = exact.round()
        # Spreads between devices that were drawn before stay relative to the new step.
        ratio = step / write.step
        return write._replace(pulses=pulses, step=step, step_up=write.step_up * ratio, step_down=write.step_down * ratio)


class Scheme(Enum):
    """Choice of the pulses: as many as the contrast asks for, one with its sign (the Manhattan rule), or those of each phase.

    With two passes a circuit needs no memory for the first phase: it writes that one, and takes the other one back. The common part of
    both phases, many times their difference, then goes through the device twice. Bounds and steps that depend on the level do not
    give it all back, and a network does not learn: write the difference (net) wherever the circuit can hold it. The size of the common part
    against the change is known exactly for an optimiser without memory (:mod:`contrastive_core.devices.two_pass`).
    """

    NET = "net"
    SIGN = "sign"
    TWO_PASS = "two-pass"


@final
@dataclass(frozen=True)
class PulseTrain(Effect):
    """Limits of the pulses that a write may send.

    Attributes
    ----------
    scheme : Scheme
        Pulses to send: all that are asked for, one of their sign, or each phase on its own.
    desired_bl : int, optional
        Number of pulses in the longest train; None is any number.
    threshold : float
        Fraction of the range below which a request sends nothing.
    """

    scheme: Scheme = Scheme.NET
    desired_bl: int | None = None
    threshold: float = 0.0

    def __post_init__(self) -> None:
        if (self.desired_bl is not None and self.desired_bl < 1) or not self.threshold >= 0:
            raise InputError(f"a pulse train needs desired_bl >= 1 and threshold >= 0, got {self.desired_bl} and {self.threshold}")

    @property
    def hooks(self) -> Hooks:
        """Act on writes."""
        return Hooks(write=self.written, each_phase=self.scheme is Scheme.TWO_PASS)

    def written(self, write: Write, kind: Conductance, draws: Draws) -> Write:
        """Return the write with the pulses that are sent."""
        if self.scheme is Scheme.SIGN:
            sent = write.request.sign()
        else:
            longest = math.inf if self.desired_bl is None else self.desired_bl
            sent = write.pulses.round().clamp(-longest, longest)
        # The threshold looks at the request: rounding may have left no pulses to compare with.
        return write._replace(pulses=torch.where(write.request.abs() < self.threshold, torch.zeros_like(sent), sent))
