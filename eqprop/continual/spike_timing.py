"""Equilibrium propagation in its spike-timing form: synapses add up a trace during the nudged phase, and store no free state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation
from contrastive_core.cost import Cost
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped, Contrast, Network
from contrastive_core.phases import SIDE_NAMES, Phase, Sides
from contrastive_core.relaxation.relax import require_finite
from contrastive_core.rule import Estimate, Rule, Setting, Settling, accept_parts, as_setting, presented
from contrastive_core.types import Gradients, Samples, State
from eqprop.continual.phase import nudged, phase_stop, relax_free, with_readout
from eqprop.continual.settings import NudgedSides, Pairing, SynapticPairing
from eqprop.continual.synapses import trace_of_step


@final
@typed("cost", "settling")
@dataclass(frozen=True)
class SpikeTiming(Rule):
    r"""The contrast of equilibrium propagation, gathered step by step while the nudged phase runs.

    .. math:: g_{ij} = -\frac{1}{\beta} \sum_t \left[\bar s_i(t)\, \Delta s_j(t) + \bar s_j(t)\, \Delta s_i(t)\right],
              \qquad \bar s(t) = \tfrac12 [s(t) + s(t+1)], \quad \Delta s(t) = s(t+1) - s(t).

    Each term is the change of :math:`s_i s_j` by one step, so that the sum is the contrast of both ends to rounding: a synapse needs the
    activities of the moment and their rates of change, and no memory of the free state. With activities before the step (left) the sum is
    off by the curvature of the path. The presynaptic activity alone (one-sided) is the trace of spike-timing-dependent plasticity,
    :math:`\dot W_{ij} \propto s_i \dot s_j`, and the contrast of a vector field: the half that the presynaptic unit's own change
    would add is missing.

    Bengio et al. (2017), "STDP-compatible approximation of backpropagation in an energy-based model", Neural Computation 29; Scellier &
    Bengio (2017), section on the relation to STDP (both recalled, not re-read; formulas verified numerically).

    Attributes
    ----------
    cost : Cost
        Cost to be lowered.
    settling : Settling
        Relaxation of the phases. Nudged phases take their sweeps in torch, because every one of them is seen.
    strength : float
        :math:`\beta` in units of the output layer's stiffness, positive.
    sides : Sides
        Nudged phases to run; each starts from the free state.
    frozen : bool
        Hold the nudging force of the free state instead of letting it follow the outputs.
    pairing : {"midpoint", "left", "one-sided"}
        Activities that are paired with the changes.
    """

    contrasts: ClassVar[bool] = True
    scale: ClassVar[str | None] = "strength"
    options: ClassVar[tuple[type, ...]] = (NudgedSides, SynapticPairing)

    cost: Cost
    settling: Settling
    strength: float = 0.2
    sides: Sides = Sides.CENTERED
    frozen: bool = False
    pairing: Pairing = "midpoint"

    def __post_init__(self) -> None:
        accept_parts(self)
        if not 0 < self.strength < float("inf"):
            raise InputError(f"strength must be positive, got {self.strength}; the rule's sides give the sign of the nudge")

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Relax free and nudged, and add up the traces of the nudged phases."""
        batch = presented(network, batch)
        signs, strength = self.sides.signs(generator), self.strength * network.stiffness[-1]
        start = relax_free(network, batch, self.cost, self.settling, [sign * strength for sign in signs], self.frozen, generator)
        clamped, free, nudges, noise = start
        ends, sums = {1: free, -1: free}, []
        for sign, nudge in zip(signs, nudges, strict=True):
            trace = SynapticTrace(network, clamped, self.pairing, 1 / (sign * strength))
            ends[sign] = traced(self.settling, clamped, free.state, nudge, self.strength, trace.visit, noise)
            require_finite(ends[sign], SIDE_NAMES[sign], network, self.cost)
            sums.append(trace.total)
        gradients = with_readout(sums, network, free.state, self.cost, batch)
        relaxations = {"free": free} | {SIDE_NAMES[sign]: ends[sign] for sign in signs}
        ended = Contrast(clamped._replace(network=network), ends[1].state, ends[-1].state, 1 / (strength * len(signs)))
        return Estimate(gradients, relaxations, ended)

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the free equilibrium."""
        with torch.no_grad():
            return self.settling.free_phase(network.clamp(inputs))


class SynapticTrace:
    """Sum of the traces of the steps between the states that are visited.

    Parameters
    ----------
    network : Network
        Network whose energy has the gradient.
    clamped : Clamped
        Network with its inputs held.
    pairing : {"midpoint", "left", "one-sided"}
        Form of the trace.
    factor : float
        Factor of every step.

    Attributes
    ----------
    total : Gradients
        Sum so far; zeros before the first step.
    """

    total: Gradients

    def __init__(self, network: Network, clamped: Clamped, pairing: Pairing, factor: float) -> None:
        self._network, self._clamped, self._pairing, self._factor = network, clamped, pairing, factor
        self._last: State | None = None
        self.total = {name: torch.zeros_like(parameter) for name, parameter in network.named_parameters()}

    def visit(self, state: State) -> None:
        """Add the step from the state before to this one; the first state of a trajectory adds nothing."""
        if self._last is not None:
            step = trace_of_step(self._network, self._clamped, self._last, state, self._pairing, self._factor)
            self.total = {name: self.total[name] + step[name] for name in self.total}
        self._last = state


def traced(
    settling: Settling,
    clamped: Clamped,
    free: State,
    nudge: Phase,
    unit: float,
    visit: Callable[[State], None],
    noise: torch.Generator | None,
) -> Relaxation:
    """Relax a nudged phase with fixed weights, and show every state of its trajectory, both ends included.

    Parameters
    ----------
    settling : Settling
        Dynamics, tolerance and budget.
    clamped : Clamped
        Network with its inputs held.
    free : State
        Start of the phase.
    nudge : Nudge
        Nudge that acts.
    unit : float
        Displacement of the outputs per unit of error, in which the tolerance is measured.
    visit : callable
        Called with every state in turn. Samples that have stopped do not move any more.
    noise : torch.Generator, optional
        Source of noise for noisy dynamics.
    """
    dynamics = settling.dynamics.reversed()

    def sweep(state: State, memory: Any, phase: Phase) -> tuple[State, Tensor, Any]:
        # Seen at the start of the next sweep: by then samples that have stopped are back where they stopped.
        visit(state)
        return dynamics.advance(state, memory, clamped, phase, noise)

    with torch.no_grad():
        ended = nudged(clamped, free, nudge, phase_stop(settling, clamped.network, unit), sweep)
        visit(ended.state)
    return ended


def build(setting: Setting) -> SpikeTiming:
    """Return the spike-timing form of EP."""
    setting = as_setting(setting)
    sides, pairing = Sides(setting.of(NudgedSides).sides), setting.of(SynapticPairing).pairing
    return SpikeTiming(setting.cost, setting.settling, setting.strength, sides, setting.frozen, pairing)
