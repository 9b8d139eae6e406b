"""Tops of wells: no force acts there, and they are no equilibria."""

from __future__ import annotations

import math

import pytest
import torch

from contrastive_core.certificate import Status, Stop
from contrastive_core.costs import COSTS
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.dynamics.momentum import Momentum
from contrastive_core.dynamics.synchronous import Synchronous
from contrastive_core.phases import Nudge, Phase
from contrastive_core.relaxation.relax import relax
from contrastive_core.types import Batch, State
from eqprop.oscillator import Oscillators

INJECTION = 4e-4


def alone(bias: float, dtype: torch.dtype) -> Oscillators:
    """Two oscillators that only a reference phase and an injection act on."""
    network = Oscillators((2, 2), injection=INJECTION, gain=0.0, dtype=dtype)
    with torch.no_grad():
        network.bias(0).fill_(bias)
    return network


def nudge_of(kind: str, size: float, outputs: torch.Tensor) -> Nudge:
    """A nudge towards the first of two classes, frozen at given outputs if its name says so."""
    cost, batch = COSTS[kind.removeprefix("frozen ")](), Batch(torch.zeros(1, 2, dtype=outputs.dtype), torch.tensor([0]))
    return Nudge(cost, batch, size, cost.gradient(outputs, batch) if kind.startswith("frozen") else None)


def curvatures(network: Oscillators, state: State, phase: Phase) -> torch.Tensor:
    """Second derivatives of the nudged energy by each phase, of shape (n,), by automatic differentiation in float64."""
    network, phases = network.double(), state[-1].double().requires_grad_()
    clamped = network.clamp(torch.zeros(1, 2, dtype=torch.float64))
    energy = network.energy((phases,), clamped).sum()
    if isinstance(phase, Nudge):
        cost = phase.cost.value(phases.cos(), phase.batch) if phase.frozen is None else phase.frozen.double() * phases.cos()
        energy = energy + phase.strength * cost.sum()
    (slope,) = torch.autograd.grad(energy, phases, create_graph=True)
    return torch.stack([torch.autograd.grad(one, phases, retain_graph=True)[0][0, i] for i, one in enumerate(slope[0])])


# The curvature at a phase of 0 or pi is 2 K + beta (dC/do)(-cos) + h cos: every entry makes it negative for an oscillator at least.
TOPS = {
    "free": (None, 0.0, math.pi, 1e-2),
    "free at 0": (None, 0.0, 0.0, -1e-2),
    "squared-error": ("squared-error", 2e-3, math.pi, 0.0),
    "squared-error at 0": ("squared-error", 2e-3, 0.0, 0.0),
    "squared-error pushed": ("squared-error", -2e-3, 0.0, -1e-2),
    "cross-entropy": ("cross-entropy", 2.4e-3, math.pi, 0.0),
    "cross-entropy at 0": ("cross-entropy", 2.4e-3, 0.0, 0.0),
    "cross-entropy pushed": ("cross-entropy", -2.4e-3, 0.0, 0.0),
    "frozen squared-error": ("frozen squared-error", 2e-3, math.pi, 0.0),
    "frozen cross-entropy": ("frozen cross-entropy", 2.4e-3, 0.0, 0.0),
}
"""Cost that nudges, strength, phase of both oscillators at the start, and field of the reference phase."""


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dynamics", [BlockDescent(), Synchronous(), GradientFlow(100.0), Momentum()], ids=str)
@pytest.mark.parametrize("case", TOPS)
def test_an_oscillator_at_the_top_of_its_well_has_not_settled(case: str, dynamics: Dynamics, dtype: torch.dtype) -> None:
    """If this fails, a maximum of the nudged energy is certified as an equilibrium, because a cosine has no slope there."""
    kind, strength, start, bias = TOPS[case]
    network = alone(bias, dtype)
    state = (torch.full((1, 2), start, dtype=dtype),)
    phase = None if kind is None else nudge_of(kind, strength, state[0].cos())
    assert float(curvatures(alone(bias, dtype), state, phase).min()) < 0
    with torch.no_grad():
        found = relax(network.clamp(torch.zeros(1, 2, dtype=dtype)), state, dynamics, Stop(1e-3, 100), phase)
    if found.status.tolist() == [int(Status.CONVERGED)]:
        assert float(curvatures(network, found.state, phase).min()) > 0
    if isinstance(dynamics, (BlockDescent, Synchronous)):
        assert found.status.tolist() == [int(Status.CONVERGED)]


@pytest.mark.parametrize("strength", [2e-3, -2e-3])
@pytest.mark.parametrize("kind", ["squared-error", "frozen squared-error", "cross-entropy"])
def test_a_nudge_is_a_field_and_an_injection(kind: str, strength: float) -> None:
    """Wells that a nudge makes are found by their true energy: the lowest phase on a fine grid is where a unit ends."""
    network = alone(3e-3, torch.float64)
    state = (torch.tensor([[0.4, 2.0]], dtype=torch.float64),)
    phase = nudge_of(kind, strength, state[0].cos())
    with torch.no_grad():
        clamped = network.clamp(torch.zeros(1, 2, dtype=torch.float64))
        found = relax(clamped, state, BlockDescent(), Stop(1e-10, 500), phase).state[0]
        for unit in range(2):
            grid = found.repeat(2001, 1)
            grid[:, unit] = torch.linspace(-math.pi, math.pi, 2001, dtype=torch.float64)
            many = phase.batch._replace(labels=phase.batch.labels.expand(2001))
            cost = phase.cost.value(grid.cos(), many) if phase.frozen is None else (phase.frozen * grid.cos()).sum(1)
            nudged = network.energy((grid,), clamped._replace(drive=clamped.drive.expand(2001, -1))) + strength * cost
            distance = torch.remainder(grid[int(nudged.argmin()), unit] - found[0, unit] + math.pi, 2 * math.pi) - math.pi
            assert abs(float(distance)) < 2 * math.pi / 2000
