"""A device: its conductances, its write law, the effects that are switched on, and the seed of all draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from contrastive_core.devices import EFFECTS
from contrastive_core.devices.choices import named_choices
from contrastive_core.devices.conductance import Conductance, Pairing
from contrastive_core.devices.effect import Draws, Effect, Hooks, Write
from contrastive_core.devices.write_law import LinearStep, WriteLaw
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed

Hook = TypeVar("Hook")


class WriteResult(NamedTuple):
    """Result of a write.

    Attributes
    ----------
    level : Tensor of shape (1 or 2, ...)
        Normalised conductances after the write.
    pulses : Tensor of the same shape
        Pulses that were sent, of either sign.
    """

    level: Tensor
    pulses: Tensor


def _with_choices(effect: Effect) -> Effect:
    named: dict[str, Any] = dict(named_choices(effect))
    return replace(effect, **named) if named else effect  # type: ignore[type-var]


@typed()
@dataclass(frozen=True)
class Device:
    """Conductances, write law, effects and seed of the hardware that holds weights.

    Each effect draws from streams of its own, keyed by its name, the tensor and the use: switching one on leaves the draws of the
    others as they were, and a run goes on bit for bit from the count of uses.

    Attributes
    ----------
    conductance : Conductance
        Range of a device, and the weight that devices make.
    law : WriteLaw
        Change of a device by a pulse, depending on its level.
    step : float
        Size of a pulse, as a fraction of the range, where the number of states is not finite.
    step_up, step_down : float
        Sizes of a potentiating and a depressing pulse at the middle of the range, relative to ``step``.
    effects : tuple of Effect
        Effects, at most one of each type. They act in the order of ``EFFECTS``, whatever the order here. Their choices may be names,
        such as ``"stochastic"``.
    seconds : float
        Time between a write and the next use.
    seed : int
        Seed of all draws.
    """

    conductance: Conductance = field(default_factory=Conductance)
    law: WriteLaw = field(default_factory=LinearStep)
    step: float = 1e-3
    step_up: float = 1.0
    step_down: float = 1.0
    effects: tuple[Effect, ...] = ()
    seconds: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.step <= 1:
            raise InputError(f"a pulse moves a device by a fraction of its range in (0, 1], got step {self.step}")
        if not (self.step_down > 0 and self.step_up > 0):
            raise InputError(f"pulses are not empty, got step_up {self.step_up} and step_down {self.step_down} times the step")
        if not self.seconds >= 0:
            raise InputError(f"the time between a write and the next use is not negative, got {self.seconds} seconds")
        # Draws are keyed by the type of an effect: two of one type would draw the same numbers.
        names = [type(effect).__name__ for effect in self.effects]
        if len(set(names)) < len(names):
            raise InputError(f"a device has each effect at most once, got {', '.join(names)}")
        # Effects ask which member a choice is: a name would pass for none of them, without a word.
        object.__setattr__(self, "effects", tuple(map(_with_choices, self.effects)))

    def acting(self, stage: Callable[[Hooks], Hook | None]) -> list[tuple[Effect, Hook]]:
        """Return the effects that act at a stage, each with its hook, in the order in which they act."""
        chosen = [(effect, hook) for effect in self.effects if (hook := stage(effect.hooks)) is not None]
        if len(chosen) < 2:
            return chosen  # the table imports every effect, which a device of one can spare
        order = list(EFFECTS.values())
        return sorted(chosen, key=lambda pair: order.index(type(pair[0])))

    @property
    def writes_each_phase(self) -> bool:
        """Whether each phase of a contrast is written on its own, instead of their difference."""
        return any(effect.hooks.each_phase for effect in self.effects)

    def pulse(self) -> float:
        """Return the request that one pulse is sent for, as a fraction of the range."""
        # A request of the whole range: an effect that sizes pulses leaves its size in the write.
        one = torch.ones(2 if self.conductance.pairing is Pairing.DIFFERENTIAL else 1, 1, dtype=torch.float64)
        write = Write(one, one, one / self.step, 0 * one, 0 * one, self.step, one, one, self.law, 0 * one, one)
        for effect, written in self.acting(lambda hooks: hooks.write):
            write = written(write, self.conductance, self.draws(effect, "pulse", 0))
        return write.step

    def draws(self, effect: Effect, place: str, use: int) -> Draws:
        """Return the streams of an effect at a tensor, for one use of the device."""
        # Names, not positions: an effect or an array more must leave the draws of all others as they were.
        key = (crc32(type(effect).__name__.encode()), crc32(place.encode()))

        def octave(k: int) -> torch.Generator:
            # Shifted by k bits, the count of uses is equal for 2^k uses in a row.
            return _generator(self.seed, (*key, 2, k, use >> k))

        # The leading 0, 1 and 2 keep the three kinds of streams apart.
        return Draws(_generator(self.seed, (*key, 0)), _generator(self.seed, (*key, 1, use)), octave)

    def seen(self, level: Tensor, place: str, use: int) -> Tensor:
        """Return the normalised conductances that act, which noise may take out of [0, 1].

        Parameters
        ----------
        level : Tensor of shape (1 or 2, ...)
            Programmed levels.
        place : str
            Name of the tensor.
        use : int
            Count of uses.
        """
        effects = self.acting(lambda hooks: hooks.array)
        # Ideal levels stay bit for bit; siemens and back would round them.
        if not effects:
            return level
        conductance = self.conductance.siemens(level)
        for effect, seen in effects:
            conductance = seen(conductance, self.conductance, self.seconds, self.draws(effect, place, use))
        return self.conductance.normalised(conductance)

    def programmed(self, level: Tensor, place: str) -> Tensor:
        """Return the levels that devices reach when they are programmed to ``level``, of shape (1 or 2, ...)."""
        for effect, programmed in self.acting(lambda hooks: hooks.program):
            level = programmed(level, self.conductance, self.draws(effect, place, use=0))
        return level

    def write(self, level: Tensor, request: Tensor, place: str, use: int) -> WriteResult:
        """Change conductances as far as the device lets them.

        Parameters
        ----------
        level, request : Tensor of shape (1 or 2, ...)
            Present levels of the devices, and the changes asked for; fractions of the range.
        place : str
            Name of the tensor.
        use : int
            Count of uses.
        """
        # Tensors from here on, since effects give each device a step of its own.
        steps = level.new_tensor(self.step * self.step_up), level.new_tensor(self.step * self.step_down)
        ends = level.new_zeros(()), level.new_ones(())
        none = torch.zeros_like(request)
        write = Write(level, request, request / self.step, none, none, self.step, *steps, self.law, *ends)
        for effect, written in self.acting(lambda hooks: hooks.write):
            write = written(write, self.conductance, self.draws(effect, place, use))
        return WriteResult(write.level_after(), write.pulses)


def _generator(seed: int, key: tuple[int, ...]) -> torch.Generator:
    # SeedSequence mixes the key, so that neighbouring uses have unrelated streams.
    state = np.random.SeedSequence(seed, spawn_key=key).generate_state(2)
    return torch.Generator().manual_seed((int(state[0]) << 31) ^ int(state[1]))
