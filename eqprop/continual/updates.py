"""Equilibrium propagation with continual weight updates: weights move in every sweep of the nudged phase."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Status
from contrastive_core.cost import Cost
from contrastive_core.errors import DivergenceError, InputError
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped, Network
from contrastive_core.phases import SIDE_NAMES, Phase, Sides
from contrastive_core.relaxation.relax import require_finite
from contrastive_core.rule import Estimate, Rule, Setting, Settling, accept_parts, as_setting, presented
from contrastive_core.training.optimisers.builders import layer_groups
from contrastive_core.types import Gradients, Samples, State
from eqprop.continual.phase import nudged, phase_stop, relax_free, with_readout
from eqprop.continual.settings import NudgedSides, UpdateRate

_RUNAWAY = 10.0
"""Growth of the residual over a phase that is no settling any more."""
_FITTING = 0.05
"""Share of the bound beyond which weights answer a step of the state by a larger one."""


@final
@typed("cost", "settling")
@dataclass(frozen=True)
class ContinualPropagation(Rule):
    r"""EP whose weights move while the nudged phase runs, each sweep with the weights that the one before has left.

    .. math:: s_{t+1} = T_\beta(s_t; \theta_t), \qquad
              \theta_{t+1} = \theta_t - \frac{\eta}{\beta} [\partial_\theta E(s_{t+1}; \theta_t) - \partial_\theta E(s_t; \theta_t)]

    The estimate is :math:`(\theta_0 - \theta_K) / \eta`, which is the contrast of EP at the same :math:`\beta` and number of sweeps up to
    an error of first order in :math:`\eta`. The network itself is not changed: plain SGD with the rates :math:`\eta` then puts it where the
    phase ended, and any other optimiser takes the estimate for a gradient and makes a step of its own from :math:`\theta_0`. A batch
    moves one set of weights, so that its samples act on each other and stop together.

    Two sides run one after the other, and the second starts again from the free state and :math:`\theta_0`; otherwise it would contrast
    two networks. The estimate is the mean of both.

    A step of the state moves the weights, and these move the state by up to :math:`\eta (1 + \langle |s|^2 \rangle)/\beta` times as far,
    with the mean square activity of the layer that drives it: a rate near :math:`\beta / (1 + \langle |s|^2 \rangle)` runs away. Without
    rates a twentieth of that is taken, with the largest layer of the batch.

    A certificate says how far the last sweep moved the state at the weights of that sweep. It does not say that the state is an
    equilibrium of :math:`\theta_0`, and is none of how near the estimate is to that of EP.

    Ernoult et al. (2020), "Equilibrium propagation with continual weight updates", with settings read in the authors' public code.

    Attributes
    ----------
    cost : Cost
        Cost to be lowered.
    settling : Settling
        Relaxation of the phases. Nudged phases take their sweeps in torch.
    strength : float
        :math:`\beta` in units of the output layer's stiffness, positive.
    sides : Sides
        Nudged phases to run.
    frozen : bool
        Hold the nudging force of the free state instead of letting it follow the outputs.
    rates : tuple of float, optional
        :math:`\eta`, one for all layers or one per layer from the input side; None for one that fits each batch.
    """

    contrasts: ClassVar[bool] = False
    scale: ClassVar[str | None] = "strength"
    options: ClassVar[tuple[type, ...]] = (NudgedSides, UpdateRate)

    cost: Cost
    settling: Settling
    strength: float = 0.2
    sides: Sides = Sides.CENTERED
    frozen: bool = False
    rates: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        accept_parts(self)
        if not 0 < self.strength < float("inf"):
            raise InputError(f"strength must be positive, got {self.strength}; the rule's sides give the sign of the nudge")
        if self.rates is not None and not all(0 < rate < float("inf") for rate in self.rates):
            raise InputError(f"update rates must be positive, got {self.rates}; rates near 0 give equilibrium propagation")

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Relax free, and nudged with moving weights.

        Raises
        ------
        DivergenceError
            If a phase runs away, as it does if the rate is too large.
        """
        batch = presented(network, batch)
        signs, strength = self.sides.signs(generator), self.strength * network.stiffness[-1]
        start = relax_free(network, batch, self.cost, self.settling, [sign * strength for sign in signs], self.frozen, generator)
        stop = phase_stop(self.settling, start.clamped.network, self.strength)
        fitting = fitting_rate(batch.inputs, start.free.state, strength)
        rates = self.rates or (fitting,)
        moving = MovingWeights(network, batch.inputs, rates)
        relaxations, sums = {"free": start.free}, []
        for sign, nudge in zip(signs, start.nudges, strict=True):
            moving.restore()
            first: list[Tensor] = []

            def sweep(state: State, memory: Any, phase: Phase, sign: int = sign, first: list[Tensor] = first) -> tuple[State, Tensor, Any]:
                clamped = moving.clamped()
                moved, residual, memory = self.settling.dynamics.reversed().advance(state, memory, clamped, phase, start.noise)
                first.append(residual.max()) if not first else None
                moving.learn(clamped, state, moved, 1 / (sign * strength))
                return moved, residual, memory

            with torch.no_grad():
                ended = nudged(start.clamped, start.free.state, nudge, stop, sweep, together=True)
            self._require_settling(ended, first, SIDE_NAMES[sign], network, rates, fitting)
            relaxations[SIDE_NAMES[sign]] = ended
            sums.append(moving.total)
        return Estimate(with_readout(sums, network, start.free.state, self.cost, batch), relaxations)

    def _require_settling(
        self, ended: Relaxation, first: Sequence[Tensor], name: str, network: Network, rates: tuple[float, ...], fitting: float
    ) -> None:
        """Raise an error if the weights drove the phase away instead of letting it settle."""
        if not first:  # refused before the first sweep: not the fault of the rate
            require_finite(ended, name, network, self.cost)
        lost, grown = int(ended.status.max()) == int(Status.DIVERGED), float(ended.residual.max()) / max(float(first[0]), 1e-30)
        if lost or grown > _RUNAWAY:
            what = "states were not finite" if lost else f"the last sweep moved the state {grown:.0f} times as far as the first"
            told, advice = ",".join(f"{one:g}" for one in rates), "" if self.rates is None else f" to about {fitting:.1g}"
            raise DivergenceError(
                f"the weights ran away in the {name} phase of continual learning, whose update rate is {told}: {what}; lower the update "
                f"rate{advice}, or raise the strength"
            )

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the free equilibrium."""
        with torch.no_grad():
            return self.settling.free_phase(network.clamp(inputs))


def fitting_rate(inputs: Tensor, free: State, strength: float) -> float:
    r"""Return an update rate at which the weights hardly drive the state: :math:`0.05\,\beta / (1 + \max_l \langle |s_l|^2 \rangle)`.

    Parameters
    ----------
    inputs : Tensor of shape (B, ...)
        Inputs of the batch.
    free : State
        Its free state.
    strength : float
        :math:`\beta` in units of the energy, positive.
    """
    activity = max(float(layer.flatten(1).square().sum(1).mean()) for layer in (inputs, *free))
    return _FITTING * strength / (1 + activity)


class MovingWeights:
    """Copy of a network whose weights move during a phase.

    Parameters
    ----------
    network : Network
        Network; not modified.
    inputs : Tensor of shape (B, n_in)
        Inputs of the batch.
    rates : tuple of float
        Rates at which weights move, one for all layers or one per layer.

    Attributes
    ----------
    total : Gradients
        Sum of the contrasts of all sweeps since the weights were restored: what they moved by, over minus the rate.
    """

    total: Gradients

    def __init__(self, network: Network, inputs: Tensor, rates: tuple[float, ...]) -> None:
        groups = layer_groups(network, rates)
        rate_of = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
        self._inputs, self._twin = inputs, deepcopy(network)
        self._origin = {name: (parameter.detach(), rate_of[id(parameter)]) for name, parameter in network.named_parameters()}
        self.restore()

    def restore(self) -> None:
        """Put the weights back to where they started."""
        self.total = {name: torch.zeros_like(origin) for name, (origin, _) in self._origin.items()}
        self._move()

    def clamped(self) -> Clamped:
        """Return the network with its present weights and the inputs held."""
        return self._twin.clamp(self._inputs)

    def learn(self, clamped: Clamped, before: State, after: State, factor: float) -> None:
        """Move the weights along the contrast of two states, times a factor."""
        step = self._twin.energy_gradient(after, clamped, before, factor)
        self.total = {name: self.total[name] + step[name] for name in self.total}
        self._move()

    def _move(self) -> None:
        # From the start each time, so that a weight's roundings do not add up, and bounds cut only what is beyond them now.
        bounds = self._twin.pieces.bounds
        with torch.no_grad():
            for name, parameter in self._twin.named_parameters():
                origin, rate = self._origin[name]
                parameter.copy_(origin - rate * self.total[name])
                if name in bounds:
                    parameter.clamp_(*bounds[name])


def build(setting: Setting) -> ContinualPropagation:
    """Return EP with continual weight updates."""
    setting = as_setting(setting)
    sides, rates = Sides(setting.of(NudgedSides).sides), setting.of(UpdateRate).update_rate
    return ContinualPropagation(setting.cost, setting.settling, setting.strength, sides, setting.frozen, rates)
