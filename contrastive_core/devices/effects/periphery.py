"""Circuits around the arrays: converters, reading, neurons, nudges, and the computation of the contrast."""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.costs.labels import targets
from contrastive_core.devices.effect import Draws, Effect, Hooks, normal
from contrastive_core.devices.effects.finite_states import Rounding
from contrastive_core.errors import InputError
from contrastive_core.phases import Nudge


def quantise(values: Tensor, bits: int | None, bound: float) -> Tensor:
    r"""Round to the levels of a converter, :math:`\Delta = 2B/(2^b - 2)` apart.

    :math:`\operatorname{clip}(\Delta\,\mathrm{round}(x/\Delta), -B, B)`:
    a mid-tread quantiser with a level at 0, the form of aihwkit's converters.

    Parameters
    ----------
    values : Tensor
        Values to round, of any shape.
    bits : int, optional
        Bits b, at least 2; None has no steps, only bounds.
    bound : float
        Largest magnitude :math:`B`.
    """
    if bits is None:
        return values.clamp(-bound, bound)
    # One level less than 2^b, so that their number is odd and the middle one is 0.
    step = 2 * bound / (2**bits - 2)
    rounded: Tensor = (step * (values / step).round()).clamp(-bound, bound)
    return rounded


def _check_converter(bits: int | None, bound: float) -> None:
    if (bits is not None and not 2 <= bits <= 32) or not 0 < bound < float("inf"):
        raise InputError(f"a converter needs 2 to 32 bits and a positive bound, got {bits} bits and bound {bound}")


@final
@dataclass(frozen=True)
class InputConverter(Effect):
    """A digital-to-analog converter before each input.

    Attributes
    ----------
    dac_bits : int, optional
        Bits of the converter, at least 2; None only cuts values off at the range.
    dac_range : float
        Largest magnitude; in the units of the inputs.
    """

    dac_bits: int | None = None
    dac_range: float = 1.0

    def __post_init__(self) -> None:
        _check_converter(self.dac_bits, self.dac_range)

    @property
    def hooks(self) -> Hooks:
        """Act on the inputs."""
        return Hooks(inputs=self.driven)

    def driven(self, inputs: Tensor, draws: Draws) -> Tensor:
        """Return the inputs rounded to the converter's levels."""
        return quantise(inputs, self.dac_bits, self.dac_range)


@final
@dataclass(frozen=True)
class StateConverter(Effect):
    """An analog-to-digital converter behind each unit.

    Attributes
    ----------
    adc_bits : int, optional
        Bits of the converter, at least 2; None only cuts values off at the range.
    adc_range : float
        Largest magnitude; in the units of the states.
    adc_rounding : Rounding
        Rounding to the nearest level, or at random to one of the two next to the value, which is right on average.
    adc_last_range : float, optional
        Largest magnitude in the last layer, whose states may be far smaller than those of the others; ``adc_range`` without.
    """

    adc_bits: int | None = None
    adc_range: float = 1.0
    adc_rounding: Rounding = Rounding.NEAREST
    adc_last_range: float | None = None

    def __post_init__(self) -> None:
        for bound in (self.adc_range, self._bound(True)):
            _check_converter(self.adc_bits, bound)

    def _bound(self, last: bool) -> float:
        return self.adc_last_range if last and self.adc_last_range is not None else self.adc_range

    @property
    def hooks(self) -> Hooks:
        """Act on the reading of states."""
        return Hooks(read=self.read)

    def read(self, values: Tensor, last: bool, draws: Draws) -> Tensor:
        """Return the states rounded to the converter's levels."""
        bound = self._bound(last)
        if self.adc_bits is not None and self.adc_rounding is Rounding.STOCHASTIC:
            # Rounding x + step (u - 1/2) to the nearest is rounding x at random, in proportion to the distances.
            step = 2 * bound / (2**self.adc_bits - 2)
            values = values + step * (torch.rand(values.shape, generator=draws.fresh, dtype=torch.float64).to(values) - 0.5)
        return quantise(values, self.adc_bits, bound)


@final
@dataclass(frozen=True)
class NodeNoise(Effect):
    r"""Noise on every reading of a unit, :math:`v + \sigma\xi/\sqrt{N}` for the mean of N readings.

    Attributes
    ----------
    sigma_v : float
        :math:`\sigma`, in the units of the states.
    reads : int
        Number N of readings.
    """

    sigma_v: float = 0.0
    reads: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.sigma_v < float("inf") or self.reads < 1:
            raise InputError(f"noise of a node needs sigma_v >= 0 and at least 1 reading, got {self.sigma_v} and {self.reads}")

    @property
    def hooks(self) -> Hooks:
        """Act on the reading of states."""
        return Hooks(read=self.read)

    def read(self, values: Tensor, last: bool, draws: Draws) -> Tensor:
        """Return noisy readings."""
        return values + normal(values.shape, values, draws.fresh) * (self.sigma_v / math.sqrt(self.reads))


@final
@dataclass(frozen=True)
class NudgeError(Effect):
    r"""Nudges that are stronger or weaker than the rule divides by, towards other targets, or of the wrong sign.

    The positive nudge is :math:`\beta (1 + \epsilon)(1 + \epsilon_\pm)`, the negative one :math:`-\beta (1 + \epsilon)`, both towards the
    target :math:`y + b_0`. Outputs that are held instead of nudged are held where they should be.

    Attributes
    ----------
    beta_gain_err : float
        :math:`\epsilon`, relative, above -1.
    beta_pm_mismatch : float
        :math:`\epsilon_\pm`, relative, above -1.
    beta_offset : float
        Offset :math:`b_0` of all outputs, in their units; for costs whose force is the distance to a target.
    nudge_sign_flip : float
        Probability that a batch is nudged with the opposite sign, in all its phases alike.
    """

    beta_gain_err: float = 0.0
    beta_pm_mismatch: float = 0.0
    beta_offset: float = 0.0
    nudge_sign_flip: float = 0.0

    def __post_init__(self) -> None:
        if not (-1 < self.beta_gain_err < float("inf") and -1 < self.beta_pm_mismatch < float("inf")):
            raise InputError(
                f"errors of a nudge are relative and above -1, got {self.beta_gain_err} and {self.beta_pm_mismatch}; 0 is none"
            )
        if not (math.isfinite(self.beta_offset) and 0 <= self.nudge_sign_flip <= 1):
            raise InputError(
                f"targets are off by a finite beta_offset, and nudge_sign_flip is a probability, got {self.beta_offset} and "
                f"{self.nudge_sign_flip}; 0 is none"
            )

    @property
    def hooks(self) -> Hooks:
        """Act on the nudges."""
        return Hooks(nudge=self.nudged)

    def nudged(self, nudge: Nudge, output: Tensor, draws: Draws) -> Nudge:
        """Return the nudge with its errors.

        Raises
        ------
        InputError
            If targets are off and the cost has none.
        """
        # All nudges of a use draw the same number: a batch is nudged the wrong way in all its phases, or in none.
        flipped = float(torch.rand((), generator=draws.fresh)) < self.nudge_sign_flip
        gain = (1 + self.beta_gain_err) * (1 + (self.beta_pm_mismatch if nudge.strength > 0 else 0.0))
        nudge = nudge._replace(strength=nudge.strength * (-gain if flipped else gain))
        if self.beta_offset == 0:
            return nudge
        if not (nudge.cost.one_hot and nudge.cost.curvature > 0):
            raise InputError("beta_offset moves the targets of a cost like the squared error, and this one has none; set it to 0")
        if nudge.frozen is not None:
            # The frozen force is c (o - y), so that moved targets change it by -c b.
            return nudge._replace(frozen=nudge.frozen - nudge.cost.curvature * self.beta_offset)
        return nudge._replace(batch=nudge.batch._replace(labels=targets(output, nudge.batch) + self.beta_offset))


@final
@dataclass(frozen=True)
class NeuronOffset(Effect):
    r"""Units that respond at a shifted drive, :math:`\rho(u - \sigma_o \xi)`, fixed: an unknown bias of each unit, and still an energy.

    Attributes
    ----------
    sigma_offset : float
        :math:`\sigma_o`, in the units of the drive: in a resistive network ampere, volt times a node's conductance to its neighbours.
    last : bool
        Whether the units of the last layer have offsets too.
    """

    sigma_offset: float = 0.0
    last: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.sigma_offset < float("inf"):
            raise InputError(f"sigma_offset must not be negative, got {self.sigma_offset}; 0 is none")

    @property
    def hooks(self) -> Hooks:
        """Act on the biases."""
        return Hooks(bias=self.seen)

    def seen(self, bias: Tensor, last: bool, draws: Draws) -> Tensor:
        """Return the biases less the offsets."""
        if last and not self.last:
            return bias
        return bias - self.sigma_offset * normal(bias.shape, bias, draws.fixed)


@final
@dataclass(frozen=True)
class RuleBias(Effect):
    r"""A learning circuit with errors of its own: :math:`(1 + \sigma_g a) g + \sigma_b b`, fixed per synapse.

    Attributes
    ----------
    sigma_rule_bias : float
        :math:`\sigma_b`, in the units of the gradient.
    rule_gain_sigma : float
        :math:`\sigma_g`, relative.
    comparator_threshold : float
        Contrasts smaller than this count as 0.
    """

    sigma_rule_bias: float = 0.0
    rule_gain_sigma: float = 0.0
    comparator_threshold: float = 0.0

    def __post_init__(self) -> None:
        if not (self.sigma_rule_bias >= 0 and self.rule_gain_sigma >= 0 and self.comparator_threshold >= 0):
            raise InputError(f"a learning circuit's errors are not negative, got {self}")

    @property
    def hooks(self) -> Hooks:
        """Act on the contrast."""
        return Hooks(contrast=self.computed)

    def computed(self, gradient: Tensor, draws: Draws) -> Tensor:
        """Return the contrast with the circuit's errors."""
        # Gain and bias come from one fixed stream in this order, so that each synapse keeps both.
        gain = 1 + self.rule_gain_sigma * normal(gradient.shape, gradient, draws.fixed)
        bias = self.sigma_rule_bias * normal(gradient.shape, gradient, draws.fixed)
        # The comparator sees the contrast before the errors of the circuit behind it.
        noticed = torch.where(gradient.abs() < self.comparator_threshold, torch.zeros_like(gradient), gradient)
        return gain * noticed + bias
