"""What an effect of hardware is: a frozen setting and one hook, with draws of its own.

There is one kind of effect per hook, in the order in which a training step meets them: what circuits are built, what the energy sees of
the arrays and of the biases, what reaches the inputs, what nudges the outputs, what is read of the states, what becomes of the contrast,
what a write does. Effects act one after the other in the order of ``EFFECTS``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from contrastive_core.devices.conductance import Conductance
from contrastive_core.devices.write_law import WriteLaw
from contrastive_core.errors import InputError
from contrastive_core.network import Network
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Nudge


class Draws(NamedTuple):
    """Where an effect's randomness comes from.

    Attributes
    ----------
    fixed : torch.Generator
        In the same state at every call for one effect and one tensor: what is drawn from it was fixed when the device was made.
    fresh : torch.Generator
        New at every use of the device.
    octave : callable
        Maps k to a generator that is new at every 2^k-th use, and in the same state at all uses in between.
    """

    fixed: torch.Generator
    fresh: torch.Generator
    octave: Callable[[int], torch.Generator]


class Write(NamedTuple):
    """Pulses on their way to an array; every field may be changed by an effect.

    Attributes
    ----------
    level : Tensor of shape (1 or 2, ...)
        Normalised conductances before the write.
    request : Tensor of the same shape
        The change that was asked for, as a fraction of the range.
    pulses : Tensor of the same shape
        Number of pulses, of either sign; fractions where the number of states is not finite.
    noise : Tensor
        Pulses of the same polarity that come on top, of either sign and zero on average; 0 unless an effect adds them.
    scatter : Tensor
        What the level moves besides, whatever the write law; a fraction of the range, 0 unless an effect adds it.
    step : float
        Nominal size of a pulse, as a fraction of the range.
    step_up, step_down : Tensor
        Size of each device's own pulses; broadcast against ``level``.
    law : WriteLaw
        How far a pulse moves a device, depending on where it is in its own range.
    low, high : Tensor
        Each device's own range of levels, 0 and 1 unless an effect changes them; broadcast against ``level``.
    """

    level: Tensor
    request: Tensor
    pulses: Tensor
    noise: Tensor
    scatter: Tensor
    step: float
    step_up: Tensor
    step_down: Tensor
    law: WriteLaw
    low: Tensor
    high: Tensor

    def level_after(self) -> Tensor:
        """Return the levels that the pulses and their noise lead to, inside each device's own range."""
        up, span = self.pulses >= 0, self.high - self.low
        own = (self.level - self.low) / span
        step_up, step_down = self.step_up / span, self.step_down / span
        spread = self.noise * torch.where(up, step_up, -step_down) * self.law.size(own, up)
        after = (self.law.after(own, self.pulses, step_up, step_down) + spread + self.scatter / span).clamp(0, 1)
        return self.low + span * after


class Effect(ABC):  # noqa: B024 - its hooks are those of the kinds below
    """One way in which hardware differs from the ideal, with its parameters in the field's names."""


class CircuitEffect(Effect):
    """Changes what circuits are built, once, before anything is programmed."""

    @abstractmethod
    def built(self, network: Network, draws: Callable[[str], Draws]) -> Network:
        """Return the network that is built, with the parameters of ``network``; ``draws`` gives the streams of a tensor by its name."""


class ArrayEffect(Effect):
    """Changes what the energy sees of an array."""

    @abstractmethod
    def seen(self, conductance: Tensor, kind: Conductance, seconds: float, draws: Draws) -> Tensor:
        """Return the conductances that act.

        Parameters
        ----------
        conductance : Tensor of shape (1 or 2, ...)
            As they were programmed, or as the effect before left them; siemens.
        kind : Conductance
            Their range.
        seconds : float
            Since they were programmed.
        draws : Draws
            For this array.
        """


class BiasEffect(Effect):
    """Changes what acts on a unit besides its synapses."""

    @abstractmethod
    def seen(self, bias: Tensor, last: bool, draws: Draws) -> Tensor:
        """Return the biases that act, of the shape of ``bias``; ``last`` for those of the last layer."""


class InputEffect(Effect):
    """Changes what reaches the inputs."""

    @abstractmethod
    def driven(self, inputs: Tensor, draws: Draws) -> Tensor:
        """Return the inputs that are clamped, of shape (B, n_in)."""


class NudgeEffect(Effect):
    """Changes how the outputs are nudged."""

    @abstractmethod
    def nudged(self, nudge: Nudge, output: Tensor, draws: Draws) -> Nudge:
        """Return what the circuits make of a nudge.

        Parameters
        ----------
        nudge : Nudge
            As the rule asks for it.
        output : Tensor of shape (B, n_out)
            Of the shape and dtype of the outputs; its values mean nothing.
        draws : Draws
            The same for all nudges between two uses of the device.
        """


class ReadEffect(Effect):
    """Changes what is read of a layer's state."""

    @abstractmethod
    def read(self, values: Tensor, last: bool, draws: Draws) -> Tensor:
        """Return what the learning rule is told of states of shape (B, n); ``last`` for those of the last layer."""


class ContrastEffect(Effect):
    """Changes the contrast on its way to the write."""

    @abstractmethod
    def computed(self, gradient: Tensor, draws: Draws) -> Tensor:
        """Return the gradient that the circuit computes instead of ``gradient``."""


class WriteEffect(Effect):
    """Changes what a write does."""

    @abstractmethod
    def written(self, write: Write, kind: Conductance, draws: Draws) -> Write:
        """Return the write as it reaches the devices."""

    def programmed(self, level: Tensor, kind: Conductance, draws: Draws) -> Tensor:
        """Return the levels that devices are set to which are programmed, and verified, to ``level``, of any shape."""
        return level


def normal(shape: torch.Size, like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw standard normal numbers, of the dtype and on the device of ``like``."""
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(like)


def layered(network: Network, parts: str) -> Layered:
    """Return a network if it is a layered one; ``parts`` are what an effect needs of it.

    Raises
    ------
    InputError
        If it is another.
    """
    if not isinstance(network, Layered):
        raise InputError(f"{parts} belong to layered networks, and this is a {type(network).__name__}; leave the effect out")
    return network
