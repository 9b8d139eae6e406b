"""Effects of hardware: frozen settings with hooks into the stages of a training step, and draws of their own.

Effects act one after the other in the order of ``EFFECTS``. An effect that acts at a stage says so by its :class:`Hooks`; nothing else
has to know it.
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
    """Sources of an effect's randomness.

    Attributes
    ----------
    fixed : torch.Generator
        Generator in the same state at every call for one effect and one tensor: its draws were fixed when the device was made.
    fresh : torch.Generator
        Generator that is new at every use of the device.
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
        Additional pulses with the law of the same polarity, of either sign and zero on average; 0 unless an effect adds them.
    scatter : Tensor
        Further change of the level, whatever the write law; a fraction of the range, 0 unless an effect adds it.
    step : float
        Nominal size of a pulse, as a fraction of the range.
    step_up, step_down : Tensor
        Size of each device's own pulses; broadcast against ``level``.
    law : WriteLaw
        Change of a device by a pulse, depending on its level within its own range.
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
        # The law knows a range from 0 to 1, so levels and steps are measured in each device's own range.
        up, span = self.pulses >= 0, self.high - self.low
        own = (self.level - self.low) / span
        step_up, step_down = self.step_up / span, self.step_down / span
        # Noise has the step and law of the polarity even where it is larger than the pulses and turns them round.
        spread = self.noise * torch.where(up, step_up, -step_down) * self.law.size(own, up)
        # Cut off at the device's own ends: no pulse moves it beyond.
        after = (self.law.after(own, self.pulses, step_up, step_down) + spread + self.scatter / span).clamp(0, 1)
        return self.low + span * after


class Hooks(NamedTuple):
    """Stages of a training step at which an effect acts, in their order; None where it does not act.

    Every hook takes the thing that it changes first and the effect's own :class:`Draws` last, and returns the changed thing.

    Attributes
    ----------
    circuit : callable, optional
        Maps the network, once before anything is programmed, to the one that is built with its parameters. Its second argument gives
        the draws of a tensor by the tensor's name.
    array : callable, optional
        Maps programmed conductances, of shape (1 or 2, ...) in siemens, to those that act. Further arguments are their range and the
        seconds since they were programmed.
    bias : callable, optional
        Maps a bias to the one that acts. The second argument is whether it belongs to the last layer.
    inputs : callable, optional
        Maps inputs of shape (B, n_in) to those that are clamped.
    nudge : callable, optional
        Maps the nudge that a rule asks for to the one that acts. The second argument has the shape and dtype of the outputs, and no
        meaningful values. All nudges of one use have the same draws.
    read : callable, optional
        Maps a layer's states, of shape (B, n), to those that the learning rule is told. The second argument is whether the layer is
        the last one.
    contrast : callable, optional
        Maps a gradient to the one that the circuit computes.
    write : callable, optional
        Maps a write to the one that reaches the devices. The second argument is their range.
    program : callable, optional
        Maps levels of any shape to those that devices reach when they are programmed and verified. The second argument is their range.
    each_phase : bool
        Whether each phase of a contrast is written on its own, instead of their difference.
    """

    circuit: Callable[[Network, Callable[[str], Draws]], Network] | None = None
    array: Callable[[Tensor, Conductance, float, Draws], Tensor] | None = None
    bias: Callable[[Tensor, bool, Draws], Tensor] | None = None
    inputs: Callable[[Tensor, Draws], Tensor] | None = None
    nudge: Callable[[Nudge, Tensor, Draws], Nudge] | None = None
    read: Callable[[Tensor, bool, Draws], Tensor] | None = None
    contrast: Callable[[Tensor, Draws], Tensor] | None = None
    write: Callable[[Write, Conductance, Draws], Write] | None = None
    program: Callable[[Tensor, Conductance, Draws], Tensor] | None = None
    each_phase: bool = False


class Effect(ABC):
    """Difference of hardware from the ideal; subclasses are frozen dataclasses whose parameters have the names of the field.

    Defaults are neutral: a setting that is not given adds no imperfection. Only settings that an effect cannot do without, such as the
    range of a converter or the time of a reference read, have another value.
    """

    @property
    @abstractmethod
    def hooks(self) -> Hooks:
        """Return the stages at which the effect acts."""


def normal(shape: torch.Size, like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw standard normal numbers, of the dtype and on the device of ``like``."""
    # Always drawn in float64, so that the dtype of a network does not change its draws.
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(like)


def layered(network: Network, parts: str) -> Layered:
    """Return a network if it is a layered one, whose ``parts`` an effect needs.

    Raises
    ------
    InputError
        If it is another kind of network.
    """
    if not isinstance(network, Layered):
        raise InputError(f"{parts} belong to layered networks, and this is a {type(network).__name__}; leave the effect out")
    return network
