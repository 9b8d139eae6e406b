"""Equilibrium propagation of networks in a heat bath: contrasts of two stationary distributions, the covariance in one, and exact sums."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from torch import Tensor

from contrastive_core.certificate import Deferred, Relaxation
from contrastive_core.cost import Cost
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.errors import InputError
from contrastive_core.gradients import direct_gradient
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped, Contrast, Network
from contrastive_core.phases import PHASE_NAMES, Nudge, Phase, Sides
from contrastive_core.rule import Estimate, Rule, Setting, Settling, accept_parts, as_setting, presented
from contrastive_core.types import Batch, Gradients, Samples, State
from eqprop.settings import Thermal
from eqprop.thermal.chains import (
    BathRecord,
    certificate,
    contrast_of_chains,
    covariance_of_chains,
    mean_and_error,
    mean_state,
    replicated,
    run_chains,
    temperature_of,
)
from eqprop.thermal.exact import slope


@final
@typed("cost", "settling")
@dataclass(frozen=True)
class ThermalPropagation(Rule):
    r"""The gradient as a contrast of averages over two stationary distributions :math:`p_\beta \propto e^{-(E + \beta C)/T}`.

    .. math:: \frac{\mathrm{E}_\beta[\partial_\theta E] - \mathrm{E}_{-\beta}[\partial_\theta E]}{2\beta}
              = \partial_\theta \mathrm{E}_0[C] + O(\beta^2),
              \qquad \frac{\mathrm{E}_\beta[\partial_\theta E] - \mathrm{E}_0[\partial_\theta E]}{\beta}
              = \partial_\theta \frac{A_\beta - A_0}{\beta},

    with the free energies :math:`A_\beta = -T \log Z_\beta`. The centered form estimates the gradient of the expected cost; the
    positive one is at any strength exact for the difference of free energies, whose limit :math:`\beta \to 0` is the same cost. Averages
    are over time and replicas. Both phases start from the end of the free phase, and with common draws use the same random numbers, so
    that their difference has less variance than either.

    Scellier & Bengio (2017), appendix on the stochastic framework; Massar & Mognetti (2024), "Equilibrium propagation: the quantum and
    the thermal cases", arXiv:2405.08467; finite strengths in Litman (2025), "Equilibrium propagation without limits",
    arXiv:2511.22024. The abstracts were read; the formulas are derived and verified by enumeration.

    Attributes
    ----------
    cost : Cost
        Cost whose mean is to be lowered.
    settling : Settling
        Heat bath, and the sweeps of the free and of the other phases.
    strength : float
        :math:`\beta` in units of the output layer's stiffness, positive.
    sides : Sides
        CENTERED for the slope of the expected cost, POSITIVE for the difference of free energies.
    thermal : Thermal
        Replicas, burn-in, and whether phases share their draws.
    """

    contrasts: ClassVar[bool] = True
    averages: ClassVar[bool] = True
    scale: ClassVar[str | None] = "strength"
    options: ClassVar[tuple[type, ...]] = (Thermal,)

    cost: Cost
    settling: Settling
    strength: float = 0.2
    sides: Sides = Sides.CENTERED
    thermal: Thermal = field(default_factory=Thermal)

    def __post_init__(self) -> None:
        accept_parts(self)
        if not 0 < self.strength < float("inf"):
            raise InputError(f"strength must be positive, got {self.strength}; the rule's sides give the sign of the nudge")
        if self.sides not in (Sides.CENTERED, Sides.POSITIVE):
            raise InputError(f"a contrast of distributions is centered or positive, got {self.sides.value}")

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Average free and nudged, and contrast."""
        batch = presented(network, batch)
        temperature_of(self.settling.dynamics)
        bath = _Bath(network, batch, self.cost, self.settling, self.thermal)
        seeds = [int(torch.randint(2**31, (), generator=self.settling.noise(generator))) for _ in range(3)]
        free = bath.run(None, bath.rest(), seeds[0])
        strength, signs = self.strength * network.stiffness[-1], self.sides.signs()
        others = (seeds[1], seeds[1] if self.thermal.common_draws else seeds[2])
        pair = [
            bath.run(Nudge(self.cost, bath.batch, sign * strength) if sign else None, free.last, seed, nudged=True)
            for sign, seed in zip((1, -1 if len(signs) == 2 else 0), others, strict=True)
        ]
        factor = 1 / (strength * len(signs))
        gradients, errors = mean_and_error(contrast_of_chains(network, batch, pair[0], pair[1], factor))
        gradients = bath.with_direct(gradients, free)
        shown = [free, *pair[: len(signs)]]
        ends = [tuple(layer.flatten(0, 2) for layer in one.states) for one in pair]
        with torch.no_grad():
            clamped = network.clamp(bath.batch.inputs.repeat(len(pair[0].costs), 1))
        contrast = Contrast(clamped._replace(network=network), ends[0], ends[1], factor)
        return Estimate(gradients, Deferred(PHASE_NAMES[signs], lambda: [certificate(one) for one in shown]), contrast, errors)

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the average of the free state over time and replicas."""
        return _inferred(network, inputs, self.cost, self.settling, self.thermal)


@final
@typed("cost", "settling")
@dataclass(frozen=True)
class ThermalCovariance(Rule):
    r"""The gradient as a covariance in the free distribution alone: no nudge, and no bias.

    .. math:: \partial_\theta \mathrm{E}_0[C] = -\mathrm{Cov}_0(\partial_\theta E, C)/T + \mathrm{E}_0[\partial_\theta C].

    Every connection correlates its own :math:`\partial_\theta E` with a cost that is told to all of them: a rule of three factors.
    Fluctuations of the cost by other units are noise to it, so that it needs more samples in larger networks.

    Massar & Mognetti (2024), arXiv:2405.08467, whose abstract was read; the formula is verified by enumeration.

    Attributes
    ----------
    cost : Cost
        Cost whose mean is to be lowered.
    settling : Settling
        Heat bath, and the sweeps of the free phase.
    thermal : Thermal
        Replicas and burn-in.
    """

    averages: ClassVar[bool] = True
    options: ClassVar[tuple[type, ...]] = (Thermal,)

    cost: Cost
    settling: Settling
    thermal: Thermal = field(default_factory=Thermal)

    def __post_init__(self) -> None:
        accept_parts(self)

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Average in the free phase, and correlate with the cost."""
        batch = presented(network, batch)
        temperature = temperature_of(self.settling.dynamics)
        bath = _Bath(network, batch, self.cost, self.settling, self.thermal)
        seed = int(torch.randint(2**31, (), generator=self.settling.noise(generator)))
        free = bath.run(None, bath.rest(), seed)
        told = bath.as_read(free)
        gradients, errors = mean_and_error(covariance_of_chains(network, batch, told, temperature, _groups(self.thermal.replicas)))
        if isinstance(network, OnDevice):
            gradients = network.computed(gradients)
        return Estimate(bath.with_direct(gradients, told), Deferred(("free",), lambda: [certificate(free)]), None, errors)

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the average of the free state over time and replicas."""
        return _inferred(network, inputs, self.cost, self.settling, self.thermal)


@final
@typed("cost", "settling")
@dataclass(frozen=True)
class ExactThermal(Rule):
    """The exact gradient of the expected cost at a temperature, as the reference of sampled ones.

    It sums over all states of at most 20 spins, integrates over a single unit, or uses the Gaussian law of linear networks
    (:mod:`eqprop.thermal.exact`). Its relaxations are sampled, for outputs are read from them.

    Attributes
    ----------
    cost : Cost
        Cost whose mean is to be lowered.
    settling : Settling
        Heat bath, and the sweeps of the free phase.
    thermal : Thermal
        Replicas and burn-in of the sampled states.
    """

    averages: ClassVar[bool] = True
    options: ClassVar[tuple[type, ...]] = (Thermal,)

    cost: Cost
    settling: Settling
    thermal: Thermal = field(default_factory=Thermal)

    def __post_init__(self) -> None:
        accept_parts(self)

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Sum, and sample the free state."""
        batch = presented(network, batch)
        gradients = slope(network, batch, self.cost, temperature_of(self.settling.dynamics))
        return Estimate(gradients, {"free": self.infer(network, batch.inputs)})

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the average of the free state over time and replicas."""
        return _inferred(network, inputs, self.cost, self.settling, self.thermal)


class _Bath:
    """Chains of all replicas of a batch."""

    def __init__(self, network: Network, batch: Batch, cost: Cost, settling: Settling, thermal: Thermal) -> None:
        if cost.coupled:
            raise InputError("a stationary distribution is that of one sample, and an objective couples the rows; take a cost of samples")
        self.network, self.cost, self.settling, self.thermal = network, cost, settling, thermal
        self.batch = replicated(batch, thermal.replicas)
        with torch.no_grad():
            self.clamped: Clamped = network.clamp(self.batch.inputs)

    def rest(self) -> State:
        return self.network.initial_state(self.clamped)

    def run(self, phase: Phase, start: State, seed: int, *, nudged: bool = False) -> BathRecord:
        stop = self.settling.second if nudged else self.settling.free
        dropped = int(self.thermal.burn_in * stop.budget)
        sweeps = (dropped, stop.budget - dropped)
        applied = self.network.applied(phase)
        with torch.no_grad():
            dynamics = self.settling.dynamics
            return run_chains(self.clamped, start, dynamics, applied, self.batch, self.cost, sweeps, self.thermal.replicas, seed)

    def as_read(self, chains: BathRecord) -> BathRecord:
        """Return a record as the circuits of a device read it, costs of the outputs that are read included; without a device itself."""
        if not isinstance(self.network, OnDevice):
            return chains
        rows = self.network.read(tuple(layer.flatten(0, 2) for layer in chains.states), "free")
        with torch.no_grad():
            costs = self.cost.value(self.network.output(rows), self._samples_of(chains))
        states = tuple(layer.reshape(like.shape) for layer, like in zip(rows, chains.states, strict=True))
        return chains._replace(states=states, costs=costs.reshape(chains.costs.shape))

    def with_direct(self, gradients: Gradients, free: BathRecord) -> Gradients:
        """Add the mean of the cost's own gradient over the free record, from which a readout learns."""
        rows = tuple(layer.flatten(0, 2) for layer in free.states)
        for name, value in direct_gradient(self.network, rows, self.cost, self._samples_of(free)).items():
            gradients[name] = gradients[name] + value
        return gradients

    def _samples_of(self, chains: BathRecord) -> Batch:
        """Return the sample of each recorded state, of which a cost sees the label alone."""
        labels = self.batch.labels.repeat(len(chains.costs), *(1,) * (self.batch.labels.dim() - 1))
        return Batch(self.batch.inputs[:1].expand(len(labels), -1), labels)


def _groups(replicas: int) -> int:
    """Return the number of equal groups of replicas from which an error is estimated, at most 16."""
    return next((count for count in range(min(replicas, 16), 1, -1) if replicas % count == 0), 1)


def _inferred(network: Network, inputs: Tensor, cost: Cost, settling: Settling, thermal: Thermal) -> Relaxation:
    temperature_of(settling.dynamics)
    # The record wants a cost, and outputs do not depend on it: any label will do.
    bath = _Bath(network, Batch(inputs, torch.zeros(len(inputs), dtype=torch.int64)), cost, settling, thermal)
    free = bath.run(None, bath.rest(), 0)
    return certificate(free)._replace(state=mean_state(free))


def _of(setting: Setting) -> tuple[Cost, Settling, Thermal]:
    return setting.cost, setting.settling, setting.of(Thermal)


def centered(setting: Setting) -> Rule:
    """Return the centered contrast of expectations."""
    setting = as_setting(setting)
    cost, settling, thermal = _of(setting)
    return ThermalPropagation(cost, settling, setting.strength, Sides.CENTERED, thermal)


def free_energy(setting: Setting) -> Rule:
    """Return the nudged minus the free expectation, the gradient of a difference of free energies."""
    setting = as_setting(setting)
    cost, settling, thermal = _of(setting)
    return ThermalPropagation(cost, settling, setting.strength, Sides.POSITIVE, thermal)


def covariance(setting: Setting) -> Rule:
    """Return the covariance of the free distribution."""
    return ThermalCovariance(*_of(as_setting(setting)))


def exact(setting: Setting) -> Rule:
    """Return the exact slope of the expected cost."""
    return ExactThermal(*_of(as_setting(setting)))
