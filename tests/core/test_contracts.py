"""What every network, activation, cost, dynamics and rule promises, for each entry of the tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import oracles
import pytest
import systems
import torch
from oracles import number
from systems import (
    LAYERED,
    QUADRATIC,
    RULE_NAMES,
    TIGHT,
    System,
    interior_state,
    make_cost,
    make_dynamics,
    make_system,
    seeded,
    settle,
)
from torch import Tensor

from contrastive_core.analysis.gradient_quality import bias_in_strength, compare_gradients
from contrastive_core.baselines import RULES as EXACT_RULES
from contrastive_core.baselines.implicit import Implicit
from contrastive_core.baselines.unrolled import Unrolled
from contrastive_core.certificate import Status, Stop
from contrastive_core.costs import COSTS, SAMPLE_COSTS
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics import DYNAMICS
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.dynamics.synchronous import Synchronous
from contrastive_core.errors import ConvergenceError, DivergenceError, EqlabError, InputError, ShapeError, UnknownNameError
from contrastive_core.networks import ACTIVATIONS, NETWORKS
from contrastive_core.networks.curvature import extreme_eigenvalues
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Hold, Nudge, Phase, Pull, Sides
from contrastive_core.registry import Table, unknown_name
from contrastive_core.relaxation.relax import relax, require_finite
from contrastive_core.rule import Setting, Settling
from contrastive_core.training.loop import Plan
from contrastive_core.training.optimisers import OPTIMISERS, SCHEDULES
from contrastive_core.training.optimisers.builders import layer_groups
from contrastive_core.types import Batch, State
from eqprop import RULES as EQPROP_RULES
from eqprop.rule import EquilibriumPropagation
from hebbian import RULES as HEBBIAN_RULES
from hebbian.coupled import CoupledLearning

ORDERS = ("forward", "backward", "even-odd", "odd-even")
SCALES = (1.0, 0.3)
COST_NAMES = [*SAMPLE_COSTS, "similarity"]
BOXES = {"hard-sigmoid": (0.0, 1.0), "clipped-relu": (0.0, 6.0), "linear": (-float("inf"), float("inf"))}


def flat(state: State) -> Tensor:
    return torch.cat([layer.detach() for layer in state], dim=1)


def largest_difference(first: State, second: State) -> float:
    return number((flat(first) - flat(second)).abs().max())


def equal(first: State, second: State) -> bool:
    return torch.equal(flat(first), flat(second))


def gradients_of(name: str, setting: Setting, system: System, seed: int = 1) -> dict[str, Tensor]:
    return systems.build_rule(name, setting).estimate(system.network, system.batch, generator=seeded(seed)).gradients


# Networks


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_energy_is_one_number_per_sample_and_samples_do_not_act_on_each_other(kind: str, activation: str, scale: float) -> None:
    """An energy summed or averaged over the batch would weigh every force by the batch size."""
    system = make_system(activation, kind=kind, energy_scale=scale)
    state = interior_state(system.network, 4, 1)
    energy = system.network.energy(state, system.clamped).detach()
    assert energy.shape == (4,)
    for row in range(4):
        alone = system.network.energy(tuple(s[row : row + 1] for s in state), system.network.clamp(system.batch.inputs[row : row + 1]))
        # Sums of 6 + 5 + 3 terms of size 1, in an order of BLAS's choice: a few tens of eps = 2e-16.
        assert abs(number(alone) - number(energy[row])) < 1e-13


@pytest.mark.parametrize("scale", SCALES)
def test_energy_of_the_smallest_network_is_the_formula_by_hand(scale: float) -> None:
    """All forces and gradients could be consistent with an energy that is not the published one; this fixes it by hand."""
    network = Layered((1, 1, 1), activation=ACTIVATIONS["tanh"], energy_scale=scale, dtype=torch.float64)
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), (0.5, -0.1, 2.0, 0.3), strict=True):
            parameter.fill_(value)
    h, o, x = torch.tensor([[0.4]]).double(), torch.tensor([[-1.2]]).double(), torch.tensor([[0.7]]).double()
    hidden_potential = h * torch.atanh(h) + 0.5 * torch.log(1 - h * h)
    expected = scale * (hidden_potential - h * (0.5 * x - 0.1)) + scale**2 * (o * o / 2 - o * (2.0 * h + 0.3))
    assert number(network.energy((h, o), network.clamp(x)) - expected) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("readout", [None, 2])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_force_is_minus_the_gradient_of_the_energy(kind: str, activation: str, scale: float, readout: int | None) -> None:
    """A force that is not a gradient settles where no theorem about equilibria holds."""
    system = make_system(activation, kind=kind, energy_scale=scale, readout=readout)
    network, clamped = system.network, system.clamped
    state = tuple(s.requires_grad_() for s in interior_state(network, 4, 2))
    automatic = torch.autograd.grad(network.energy(state, clamped).sum(), state)
    force = network.force(state, clamped)
    assert largest_difference(force, tuple(-g for g in automatic)) < 1e-13  # a few tens of eps on numbers of size 1
    for index, layer in enumerate(state):

        def energy(value: Tensor, index: int = index) -> Tensor:
            return network.energy((*state[:index], value, *state[index + 1 :]), clamped).sum()

        with torch.no_grad():
            # step 1e-5: truncation h² |G'''| / 6 ~ 1e-10 * 70 / 6 (the logistic's, at s = .55..0.69), rounding 1e-15 * 10 / 1e-5.
            difference = oracles.central_difference(energy, layer.detach(), 1e-5)
        assert number((force[index] + difference).abs().max()) < 5e-9


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_energy_gradient_is_the_mean_of_the_partial_derivatives(kind: str, activation: str, scale: float) -> None:
    """Every contrastive rule is a difference of these; a wrong one would be learned from as if it were a gradient."""
    system = make_system(activation, kind=kind, energy_scale=scale)
    network, state = system.network, interior_state(system.network, 4, 3)
    mean = network.energy(state, network.clamp(system.batch.inputs)).mean()
    automatic = dict(zip(dict(network.named_parameters()), torch.autograd.grad(mean, list(network.parameters())), strict=True))
    closed = network.energy_gradient(state, system.clamped)
    assert oracles.gradient_error(closed, automatic) < 1e-14  # sums of 4 products, a few eps each


@pytest.mark.parametrize("readout", [None, 2])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", NETWORKS)
def test_energy_gradient_of_a_contrast_is_the_difference_without_cancellation(kind: str, scale: float, readout: int | None) -> None:
    """Nudged states differ by beta; a difference of products would leave only the rounding of a small beta."""
    system = make_system("tanh", kind=kind, energy_scale=scale, readout=readout)
    network, clamped = system.network, system.clamped
    plus, direction = interior_state(network, 4, 4), interior_state(network, 4, 5)
    far = network.energy_gradient(direction, clamped)
    exact = {name: value - far[name] for name, value in network.energy_gradient(plus, clamped).items()}
    assert oracles.gradient_error(network.energy_gradient(plus, clamped, direction), exact) < 1e-14
    near = tuple(p - 1e-9 * d for p, d in zip(plus, direction, strict=True))
    slope, other = (
        network.energy_gradient(plus, clamped, near),
        network.energy_gradient(plus, clamped, tuple(2 * n - p for n, p in zip(near, plus, strict=True))),
    )
    # The products are bilinear: the contrast over two steps is twice that over one, to the second difference 1e-9 and to the
    # rounding eps / 1e-9 = 2e-7 of the states themselves.
    assert oracles.gradient_error(other, {name: 2 * value for name, value in slope.items()}) < 2e-6


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", LAYERED)
def test_minimiser_of_a_block_is_stationary(kind: str, activation: str, scale: float) -> None:
    """Block descent settles where these values agree; a wrong one settles at a point that is no equilibrium."""
    system = make_system(activation, kind=kind, energy_scale=scale)
    network, clamped, state = system.network, system.clamped, interior_state(system.network, 4, 6)
    for index in range(len(state)):
        moved = (*state[:index], network.minimiser(index, state, clamped).detach(), *state[index + 1 :])
        inside = network.compliance(moved)[index] > 0
        # A unit held by its bounds feels a force; every other one none. Rounding of u - sigma^-1(s): eps times a slope of at most 10.
        assert number(network.force(moved, clamped)[index][inside].abs().max()) < 1e-13
        assert bool(inside.any())


@pytest.mark.parametrize("pulled", [False, True])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("activation", QUADRATIC)
@pytest.mark.parametrize("kind", LAYERED)
def test_minimiser_of_a_quadratic_block_is_its_minimum_inside_the_box(kind: str, activation: str, scale: float, pulled: bool) -> None:
    """Only an exact minimum makes the energy a certificate of the relaxation."""
    system = make_system(activation, kind=kind, energy_scale=scale, output_activation=activation, gain=2.0)
    network, clamped, state = system.network, system.clamped, interior_state(system.network, 4, 7)
    last = len(state) - 1
    linear = torch.randn((4, 3), generator=seeded(8), dtype=torch.float64)
    for index in [last] if pulled else range(len(state)):
        pull = Pull(scale**3 * linear, 0.7 * scale**3) if pulled else None

        def total(value: Tensor, index: int = index, pull: Pull | None = pull) -> Tensor:
            energy = network.energy((*state[:index], value, *state[index + 1 :]), clamped)
            return energy if pull is None else energy + (0.5 * pull.curvature * value.square() - pull.linear * value).sum(1)

        best = network.minimiser(index, state, clamped, pull).detach()
        low, high = BOXES[activation]
        assert bool(((best >= low) & (best <= high)).all())
        for trial in range(20):
            other = network.activations[index].project(best + 0.3 * torch.randn(best.shape, generator=seeded(trial), dtype=best.dtype))
            # Convex and separable: no allowed point is lower, to the rounding of a sum of a few terms.
            assert number((total(best) - total(other)).max()) <= 1e-14


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", LAYERED)
def test_drive_of_the_inputs_is_computed_once_and_equals_the_product(kind: str, scale: float) -> None:
    """All phases share the drive; were it stale or scaled, every phase would see other inputs than the data."""
    system = make_system("tanh", kind=kind, energy_scale=scale)
    expected = system.batch.inputs @ system.network.weight(0) + system.network.bias(0)
    torch.testing.assert_close(system.clamped.drive, expected.detach(), rtol=0, atol=1e-14)


def test_last_layer_keeps_a_minimum_exactly_where_its_nudged_curvature_is_positive() -> None:
    """At beta <= -1 with squared error the nudged energy has no minimum: a number reported there would be meaningless."""
    for scale in (1.0, 0.5):
        linear = make_system(energy_scale=scale).network
        stiffness = scale**3
        assert linear.has_minimum(-0.99 * stiffness)
        assert not linear.has_minimum(-stiffness)
    assert make_system(output_activation="tanh").network.has_minimum(-5.0)


def test_layer_energy_scale_weakens_the_feedback_only() -> None:
    """The scale is the dial from a recurrent network to a feedforward one; it must not touch the forward drive."""
    full, weak = make_system("tanh").network, make_system("tanh", energy_scale=0.25).network
    state, inputs = interior_state(full, 4, 9), make_system().batch.inputs
    for index, activation in enumerate(full.activations):
        strong, feeble = (activation.inverse(n.minimiser(index, state, n.clamp(inputs))) for n in (full, weak))
        feedback = state[index + 1] @ full.weight(index + 1).T if index < 2 else torch.zeros_like(strong)
        torch.testing.assert_close(strong - feeble, 0.75 * feedback, rtol=0, atol=1e-14)


# Activations


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_the_functions_they_name(name: str) -> None:
    """All else could be consistent with another function than the one that a report names."""
    drive = torch.tensor([-8.0, -0.3, 0.2, 0.9, 1.5, 8.0], dtype=torch.float64)
    by_hand = {
        "hard-sigmoid": [0, 0, 0.2, 0.9, 1, 1],
        "clipped-relu": [0, 0, 0.2, 0.9, 1.5, 6],
        "linear": drive.tolist(),
        "tanh": [1 - 2 / (1 + math.exp(2 * u)) for u in drive.tolist()],
        "logistic": [1 / (1 + math.exp(-u)) for u in drive.tolist()],
    }
    assert ACTIVATIONS[name].value(drive).tolist() == pytest.approx(by_hand[name], abs=1e-15)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_of_the_potential_is_the_inverse_of_the_activation(name: str) -> None:
    """Otherwise the fixed points of the activation are not the stationary points of the energy."""
    activation = ACTIVATIONS[name]
    drive = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    value = activation.value(drive).requires_grad_()
    (slope,) = torch.autograd.grad(activation.potential(value).sum(), value)
    torch.testing.assert_close(slope, activation.inverse(value.detach()), rtol=0, atol=1e-14)
    torch.testing.assert_close(activation.inverse(value.detach()), drive, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_compliance_is_the_slope_of_the_activation(name: str) -> None:
    """The implicit gradient is scaled by it, and a unit at a bound must not carry any error backwards."""
    activation = ACTIVATIONS[name]
    drive = torch.tensor([-7.0, -3.0, -0.5, 0.2, 0.7, 3.0, 7.0], dtype=torch.float64).requires_grad_()
    value = activation.value(drive)
    (slope,) = torch.autograd.grad(value.sum(), drive)
    # 1 - s² loses digits near the bounds, absolutely not more than eps.
    torch.testing.assert_close(activation.slope(value.detach()), slope, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_potential_inverse_and_projection_stay_finite_and_inside_at_the_bounds(name: str) -> None:
    """A saturated unit must not turn the energy of its sample into NaN."""
    activation = ACTIVATIONS[name]
    extreme = activation.value(torch.tensor([-800.0, -40.0, 40.0, 800.0], dtype=torch.float64))
    assert bool(torch.isfinite(activation.potential(extreme)).all())
    assert bool(torch.isfinite(activation.inverse(extreme)).all())
    allowed = activation.project(torch.tensor([-9.0, 0.5, 9.0], dtype=torch.float64))
    assert torch.equal(activation.project(allowed), allowed)
    assert torch.equal(activation.project(extreme)[1:3].sort().values, activation.project(extreme)[1:3])
    assert number(allowed[1]) == 0.5


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_compliance_of_a_network_is_the_inverse_of_its_own_curvature(name: str, scale: float) -> None:
    """The exact gradient is preconditioned by it; wrong units of the energy scale would go unnoticed in a converged solve only."""
    system = make_system(name, energy_scale=scale)
    state = interior_state(system.network, 4, 10)
    for sample in range(4):
        curvature = torch.cat(
            [scale ** (i + 1) / a.slope(s[sample]) for i, (a, s) in enumerate(zip(system.network.activations, state, strict=True))]
        )
        diagonal = oracles.state_hessian(system.network, system.clamped, state, sample).diagonal()
        torch.testing.assert_close(diagonal, curvature, rtol=1e-12, atol=0)
        own = torch.cat([layer[sample] for layer in system.network.compliance(state)])
        torch.testing.assert_close(own, 1 / diagonal, rtol=1e-12, atol=0)


# Costs


@pytest.mark.parametrize("targets", ["classes", "rows"])
@pytest.mark.parametrize("name", COST_NAMES)
def test_gradient_of_a_cost_is_that_of_its_mean_times_the_batch_size(name: str, targets: str) -> None:
    """The nudge is this gradient: a factor of B or 2 here rescales beta and every estimate."""
    cost, output = make_cost(name), torch.randn((5, 3), generator=seeded(0), dtype=torch.float64)
    labels = torch.tensor([0, 2, 1, 1, 0])
    rows = torch.softmax(torch.randn((5, 3), generator=seeded(1), dtype=torch.float64), 1)
    batch = Batch(torch.zeros(5, 1), labels if targets == "classes" or cost.coupled else rows)
    value = cost.value(output, batch)
    assert value.shape == (() if cost.coupled else (5,))

    leaf = output.clone().requires_grad_()
    (automatic,) = torch.autograd.grad(cost.value(leaf, batch).mean(), leaf)
    torch.testing.assert_close(cost.gradient(output, batch), 5 * automatic, rtol=0, atol=1e-14)
    # Step 1e-5: truncation 1e-10 * C''' / 6 with C''' <= 6; rounding 1e-16 * 10 / 1e-5.
    difference = oracles.central_difference(lambda o: cost.value(o, batch).mean(), output, 1e-5)
    assert number((cost.gradient(output, batch) - 5 * difference).abs().max()) < 2e-9


@pytest.mark.parametrize("name", SAMPLE_COSTS)
def test_curvature_of_a_cost_is_its_hessian_where_it_claims_one(name: str) -> None:
    """The exact nudged update divides by 1 + beta c: a wrong c is a wrong minimum, and hides a missing one."""
    cost, batch = make_cost(name), Batch(torch.zeros(1, 1), torch.tensor([1]))
    output = torch.randn(3, generator=seeded(2), dtype=torch.float64)
    matrix = torch.autograd.functional.hessian(lambda o: cost.value(o[None], batch).sum(), output)
    identity = torch.eye(3, dtype=torch.float64)
    is_multiple = bool(torch.allclose(matrix, matrix[0, 0] * identity, rtol=0, atol=1e-12))
    assert is_multiple == (cost.curvature != 0)
    if cost.curvature:
        torch.testing.assert_close(matrix, cost.curvature * identity, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", SAMPLE_COSTS)
def test_costs_by_hand_and_their_decisions(name: str) -> None:
    """Test errors and costs in reports come from here; half a squared error is not a squared error."""
    cost = make_cost(name)
    output = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.5, -1.0]], dtype=torch.float64)
    batch = Batch(torch.zeros(2, 1), torch.tensor([1, 1]))
    exp = output.exp()
    by_hand = {
        "squared-error": torch.tensor([(1 + 1 + 9) / 2, (0 + 0.25 + 1) / 2], dtype=torch.float64),
        "cross-entropy": -(exp[:, 1] / exp.sum(1)).log(),
    }
    torch.testing.assert_close(cost.value(output, batch), by_hand[name], rtol=1e-14, atol=0)
    one_hot = batch._replace(labels=torch.nn.functional.one_hot(batch.labels, 3).double())
    assert torch.equal(cost.value(output, one_hot), cost.value(output, batch))
    for labels in (batch, one_hot):
        wrong = cost.errors(output, labels)
        assert wrong.dtype == torch.bool
        assert wrong.tolist() == [True, False]


# Dynamics and relaxation


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", DYNAMICS)
def test_every_dynamics_settles_at_the_same_equilibrium(name: str, activation: str, scale: float) -> None:
    """The equilibrium belongs to the energy, not to the way there; dynamics must be exchangeable in every comparison."""
    system = make_system(activation, energy_scale=scale)
    reference = settle(system, BlockDescent("forward"))
    answer = settle(system, make_dynamics(name, activation))
    assert answer.status.tolist() == [int(Status.CONVERGED)] * 4
    # Residual 1e-13 over a contraction of at worst .99 for the slow Euler steps.
    assert largest_difference(answer.state, reference.state) < 1e-11
    inside = flat(system.network.compliance(answer.state)) > 0
    force = flat(system.network.force(answer.state, system.clamped))
    stiffness = flat(tuple(torch.full_like(s, k) for s, k in zip(answer.state, system.network.stiffness, strict=True)))
    curvature = 1 / (stiffness * flat(system.network.compliance(answer.state)))[inside]
    assert number((force[inside] / stiffness[inside] / curvature).abs().max()) < 1e-11


@pytest.mark.parametrize("phase_name", ["free", "nudged", "pushed", "held"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("activation", QUADRATIC)
def test_energy_never_rises_under_block_descent(activation: str, order: str, phase_name: str) -> None:
    """Exact minimisation of block after block cannot raise F = E + beta C; a rise means a block is not at its minimum."""
    system = make_system(activation, gain=0.9, energy_scale=0.8, output_activation=activation)
    network, clamped, cost = system.network, system.clamped, SquaredError()
    strength = {"nudged": 0.7, "pushed": -0.7}.get(phase_name, 0.0) * network.stiffness[-1]
    state = network.project(tuple(torch.randn(4, n, generator=seeded(n), dtype=torch.float64) for n in network.sizes))
    phase: Phase = Nudge(cost, system.batch, strength) if strength else None
    if phase_name == "held":
        phase = Hold(state[-1])

    def total(at: State) -> Tensor:
        return network.energy(at, clamped) + strength * cost.value(network.output(at), system.batch)

    energies = [total(state)]
    for _ in range(12):
        state, _ = BlockDescent(order).step(state, clamped, phase)
        energies.append(total(state))
    rises = torch.stack([later - earlier for earlier, later in pairwise(energies)])
    assert number(rises.max()) <= 1e-14  # a sum of 14 terms of size 1
    assert number((energies[0] - energies[-1]).min()) > 0.01  # and it had somewhere to fall


@pytest.mark.parametrize("phase_name", ["free", "nudged"])
@pytest.mark.parametrize("cost_name", SAMPLE_COSTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_energy_falls_along_gradient_flow(activation: str, cost_name: str, phase_name: str) -> None:
    """Small Euler steps of minus the gradient lower F; a wrong sign of either force would raise it."""
    system = make_system(activation, energy_scale=0.5, gain=0.9)
    network, clamped, cost = system.network, system.clamped, make_cost(cost_name)
    strength = 0.8 * network.stiffness[-1] if phase_name == "nudged" else 0.0
    phase = Nudge(cost, system.batch, strength) if strength else None
    state = interior_state(network, 4, 11)

    def total(at: State) -> Tensor:
        return network.energy(at, clamped) + strength * cost.value(network.output(at), system.batch)

    # Euler lowers a convex function while step * curvature < 2; the steepest here is about 5 (logistic), and the step .02.
    for _ in range(60):
        before = total(state)
        state, _ = GradientFlow(0.02).step(state, clamped, phase)
        assert number((total(state) - before).max()) <= 1e-14


@pytest.mark.parametrize("cost_name", COST_NAMES)
@pytest.mark.parametrize("readout", [None, 3])
@pytest.mark.parametrize("name", DYNAMICS)
def test_nudged_equilibrium_is_stationary_in_the_total_energy(name: str, readout: int | None, cost_name: str) -> None:
    """EP contrasts stationary points of E + beta C; relaxing something else makes its estimate the gradient of something else."""
    system, cost = make_system("tanh", readout=readout, energy_scale=0.7), make_cost(cost_name)
    network, strength = system.network, 0.3 * 0.7**3
    answer = settle(system, make_dynamics(name), phase=Nudge(cost, system.batch, strength))
    state = tuple(s.clone().requires_grad_() for s in answer.state)
    clamped = system.clamped
    # For coupled rows the value is one number for the batch and the gradient B times its slope, so C enters times B.
    total = network.energy(state, clamped).sum() + 4 * strength * cost.value(network.output(state), system.batch).mean()
    slopes = torch.autograd.grad(total, state)
    assert max(number(slope.abs().max()) for slope in slopes) < 1e-11  # residual 1e-13, contraction at worst .99
    assert answer.status.tolist() == [int(Status.CONVERGED)] * 4


@pytest.mark.parametrize("name", DYNAMICS)
def test_frozen_nudge_is_a_constant_force(name: str) -> None:
    """The frozen nudge is what hardware injects; it must not follow the outputs."""
    system = make_system("tanh", energy_scale=0.5)
    network, constant = system.network, torch.randn((4, 3), generator=seeded(3), dtype=torch.float64)
    answer = settle(system, make_dynamics(name), phase=Nudge(SquaredError(), system.batch, -0.2, constant))
    state = tuple(s.clone().requires_grad_() for s in answer.state)
    slopes = torch.autograd.grad(network.energy(state, system.clamped).sum() - 0.2 * (constant * state[-1]).sum(), state)
    assert max(number(slope.abs().max()) for slope in slopes) < 1e-11


@pytest.mark.parametrize("name", DYNAMICS)
def test_held_outputs_do_not_move_and_the_rest_settles_around_them(name: str) -> None:
    """Coupled and contrastive Hebbian learning contrast states whose outputs are where they are held, exactly."""
    system = make_system("tanh")
    output = torch.randn((4, 3), generator=seeded(4), dtype=torch.float64)
    answer = settle(system, make_dynamics(name), phase=Hold(output))
    assert torch.equal(answer.state[-1], output)
    assert max(number(f.abs().max()) for f in system.network.force(answer.state, system.clamped)[:-1]) < 1e-11


@pytest.mark.parametrize("name", DYNAMICS)
def test_held_single_layer_has_nothing_to_settle(name: str) -> None:
    """Without hidden layers, holding the outputs leaves no free unit: an equilibrium at once, not a crash."""
    system = make_system(sizes=(5, 3))
    output = torch.zeros((4, 3), dtype=torch.float64)
    answer = settle(system, make_dynamics(name), phase=Hold(output))
    assert torch.equal(answer.state[0], output)
    assert answer.residual.tolist() == [0.0] * 4
    assert answer.steps.tolist() == [1] * 4


@pytest.mark.parametrize("name", DYNAMICS)
def test_inputs_state_and_phase_are_never_changed(name: str) -> None:
    """Phases start from the free state: a phase that wrote into it would contrast a state with itself."""
    system = make_system("tanh")
    network, clamped = system.network, system.clamped
    state = interior_state(network, 4, 12)
    kept = [t.clone() for t in (*state, *system.batch[:2], clamped.drive)]
    for phase in (None, Nudge(SquaredError(), system.batch, 0.1), Hold(torch.ones(4, 3).double())):
        settle(system, make_dynamics(name), Stop(1e-3, 50), phase, state)
    for before, after in zip(kept, (*state, *system.batch[:2], clamped.drive), strict=True):
        assert torch.equal(before, after)


@pytest.mark.parametrize("name", DYNAMICS)
def test_result_does_not_depend_on_the_budget_left(name: str) -> None:
    """A converged sample keeps the state of its last step, bit for bit, however long the others may go on."""
    system = make_system("tanh", batch_size=6)
    short, long = (settle(system, make_dynamics(name), Stop(1e-4, budget)) for budget in (400, 900))
    assert short.status.tolist() == [int(Status.CONVERGED)] * 6
    assert equal(short.state, long.state)
    assert torch.equal(short.steps, long.steps)
    assert torch.equal(short.residual, long.residual)
    # A budget that cuts some samples short leaves those that had finished before untouched.
    cut = settle(system, make_dynamics(name), Stop(1e-4, int(short.steps.min())))
    done = cut.status == int(Status.CONVERGED)
    assert bool(done.any())
    assert torch.equal(flat(cut.state)[done], flat(short.state)[done])


@pytest.mark.parametrize("name", DYNAMICS)
def test_result_does_not_depend_on_the_rest_of_the_batch(name: str) -> None:
    """Samples stop one by one: a slow neighbour must not settle a sample further, or the batch size becomes a hidden setting.

    To rounding only: BLAS picks another order of summation for another number of rows.
    """
    system = make_system("tanh", batch_size=6)
    loudness = torch.linspace(0.0, 5.0, 6, dtype=torch.float64)[:, None]  # louder inputs settle sooner: their units saturate
    system = System(system.network, system.batch._replace(inputs=loudness * system.batch.inputs))
    together = settle(system, make_dynamics(name), Stop(1e-5, 400))
    assert len(set(together.steps.tolist())) > 1  # some did stop before others
    for row in range(6):
        alone = System(system.network, Batch(*(t[row : row + 1] for t in system.batch[:2])))
        answer = settle(alone, make_dynamics(name), Stop(1e-5, 400))
        assert int(answer.steps) == int(together.steps[row])
        # Rounding of a step, 1e-15, adds up over at most 400 contracting ones.
        assert number((flat(answer.state)[0] - flat(together.state)[row]).abs().max()) < 1e-13


def test_coupled_rows_relax_and_stop_together() -> None:
    """Rows that act on each other are one system: one of them cannot be done while the others still move."""
    system, cost = make_system("tanh", batch_size=6), make_cost("similarity")
    free = settle(system, BlockDescent())
    joint = settle(system, BlockDescent("backward"), Stop(1e-6, 400), Nudge(cost, system.batch, 0.5), free.state)
    assert len(set(joint.steps.tolist())) == 1
    assert len(set(joint.residual.tolist())) == 1
    frozen = Nudge(cost, system.batch, 0.5, cost.gradient(free.state[-1], system.batch))
    assert len(set(settle(system, BlockDescent("backward"), Stop(1e-6, 400), frozen, free.state).steps.tolist())) > 1


@pytest.mark.parametrize(
    ("full", "small"),
    [(Synchronous(1.0), Synchronous(0.01)), (GradientFlow(1.0), GradientFlow(0.01)), (GradientFlow(0.5), GradientFlow(0.1))],
)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_residual_is_that_of_the_undamped_step(full: Any, small: Any, activation: str) -> None:
    """A residual taken after damping lets a smaller step pass for convergence (a known defect of published solvers)."""
    system = make_system(activation)
    state = interior_state(system.network, 4, 13)
    for phase in (None, Nudge(SquaredError(), system.batch, 0.3)):
        _, honest = full.step(state, system.clamped, phase)
        _, damped = small.step(state, system.clamped, phase)
        assert torch.equal(honest, damped)
        assert number(honest.min()) > 0.01
    unit_step, residual = (Synchronous(1.0) if isinstance(full, Synchronous) else GradientFlow(1.0)).step(state, system.clamped)
    assert torch.equal(residual, (flat(unit_step) - flat(state)).abs().amax(1))


@pytest.mark.parametrize("order", ORDERS)
def test_residual_of_block_descent_is_its_largest_change(order: str) -> None:
    """The certificate of a sweep is the change of the unit that moved most, sample by sample."""
    system = make_system("hard-sigmoid")
    state = interior_state(system.network, 4, 14)
    after, residual = BlockDescent(order).step(state, system.clamped)
    assert torch.equal(residual, (flat(after) - flat(state)).abs().amax(1))


def test_block_orders_visit_the_blocks_they_name() -> None:
    """The reversal theorem is about the order of the blocks; an order that is not the named one breaks it silently."""
    system = make_system("tanh", sizes=(5, 4, 4, 4, 3))
    network, clamped, state = system.network, system.clamped, interior_state(system.network, 4, 15)
    orders = {"forward": [[0], [1], [2], [3]], "backward": [[3], [2], [1], [0]], "even-odd": [[0, 2], [1, 3]], "odd-even": [[1, 3], [0, 2]]}
    opposites = {"forward": "backward", "backward": "forward", "even-odd": "odd-even", "odd-even": "even-odd"}
    for order, groups in orders.items():
        expected = list(state)
        for group in groups:
            moved = {index: network.minimiser(index, tuple(expected), clamped) for index in group}
            for index, value in moved.items():
                expected[index] = value
        assert equal(BlockDescent(order).step(state, clamped)[0], tuple(expected))
        assert BlockDescent(order).reversed() == BlockDescent(opposites[order])


@pytest.mark.parametrize("name", DYNAMICS)
def test_reversing_a_dynamics_twice_gives_it_back(name: str) -> None:
    """A third phase would otherwise run in an order nobody asked for."""
    dynamics = DYNAMICS[name]()
    assert dynamics.reversed().reversed() == dynamics


@pytest.mark.parametrize("name", DYNAMICS)
def test_without_tolerance_the_whole_budget_is_run_and_nothing_is_called_converged(name: str) -> None:
    """K steps asked for are K steps: the theorems count them."""
    answer = settle(make_system("tanh"), make_dynamics(name), Stop(None, 7))
    assert answer.steps.tolist() == [7] * 4
    assert answer.status.tolist() == [int(Status.BUDGET)] * 4


def test_status_says_which_samples_ran_out_of_steps() -> None:
    """An estimate from a state that is not settled looks like any other; only its certificate tells."""
    system = make_system("tanh", batch_size=6)
    full = settle(system, BlockDescent(), Stop(1e-4, 400))
    limit = int(full.steps.max()) - 1
    cut = settle(system, BlockDescent(), Stop(1e-4, limit))
    expected = [int(Status.BUDGET) if steps > limit else int(Status.CONVERGED) for steps in full.steps.tolist()]
    assert cut.status.tolist() == expected
    assert set(expected) == {int(Status.BUDGET), int(Status.CONVERGED)}
    assert bool(((cut.residual <= 1e-4) == (cut.status == int(Status.CONVERGED))).all())


@pytest.mark.parametrize("readout", [None, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_random_initial_state_is_seeded_allowed_and_settles_at_the_same_place(activation: str, readout: int | None) -> None:
    """With one minimum the start cannot matter; a start outside the bounds would be no state of the network."""
    system = make_system(activation, readout=readout)
    network, clamped = system.network, system.clamped
    first, again, other = (network.initial_state(clamped, seeded(seed)) for seed in (5, 5, 6))
    assert equal(first, again)
    assert not equal(first, other)
    assert equal(network.project(first), first)
    rest = network.initial_state(clamped)
    for layer, unit in zip(rest, network.activations, strict=True):
        assert torch.equal(layer, unit.value(torch.zeros_like(layer)))
    # Residual 1e-13 over a contraction of at worst .9.
    assert largest_difference(settle(system, BlockDescent(), start=first).state, settle(system, BlockDescent()).state) < 1e-12


# Rules


SETTING = Setting(SquaredError(), Settling(BlockDescent(), Stop(1e-8, 500), Stop(1e-8, 500)), strength=0.1, fraction=0.1)


@pytest.mark.parametrize("name", RULE_NAMES)
def test_estimate_has_a_gradient_for_every_parameter_and_changes_nothing(name: str) -> None:
    """Rules are compared on one network in turn: one that left a trace would bias the next."""
    system = make_system("tanh")
    parameters = dict(system.network.named_parameters())
    kept = [t.detach().clone() for t in (*parameters.values(), *system.batch[:2])]
    estimate = systems.build_rule(name, SETTING).estimate(system.network, system.batch, generator=seeded(0))
    assert list(estimate.gradients) == list(parameters)
    for key, gradient in estimate.gradients.items():
        assert gradient.shape == parameters[key].shape
        assert not gradient.requires_grad
    assert next(iter(estimate.relaxations)) == "free"
    assert not any(layer.requires_grad for phase in estimate.relaxations.values() for layer in phase.state)
    assert all(p.grad is None for p in parameters.values())
    for before, after in zip(kept, (*parameters.values(), *system.batch[:2]), strict=True):
        assert torch.equal(before, after)


@pytest.mark.parametrize("name", RULE_NAMES)
def test_estimate_is_the_mean_over_samples_in_any_order(name: str) -> None:
    """The gradient of a mean cost is the mean of one-sample gradients: no dependence on B, none on the order."""
    system = make_system("tanh", batch_size=5)
    whole = gradients_of(name, SETTING, system)
    shuffled = System(system.network, Batch(*(t[torch.tensor([3, 0, 4, 2, 1])] for t in system.batch[:2])))
    # Sums of 5 terms in another order, eps each, divided by 2 beta = .2.
    assert oracles.gradient_error(gradients_of(name, SETTING, shuffled), whole) < 1e-13
    alone = [gradients_of(name, SETTING, System(system.network, Batch(*(t[row : row + 1] for t in system.batch[:2])))) for row in range(5)]
    mean = {key: torch.stack([g[key] for g in alone]).mean(0) for key in whole}
    # As above, with another order of summation inside each product, over some tens of sweeps.
    assert oracles.gradient_error(mean, whole) < 1e-12


@pytest.mark.parametrize("name", RULE_NAMES)
def test_same_seed_gives_the_same_estimate_bit_for_bit(name: str) -> None:
    """Paired comparisons and resumed runs rest on it."""
    first, second = (gradients_of(name, SETTING, make_system("tanh"), seed=3) for _ in range(2))
    for key in first:
        assert torch.equal(first[key], second[key])


@pytest.mark.parametrize("name", RULE_NAMES)
def test_inference_is_the_free_phase_of_the_estimate(name: str) -> None:
    """Test errors are measured on what inference returns; it must be the state that the rule learns from."""
    system = make_system("tanh")
    rule = systems.build_rule(name, SETTING)
    free = rule.estimate(system.network, system.batch, generator=seeded(0)).relaxations["free"]
    # The unrolled pass runs with a graph, which a kernel cannot leave: the same arithmetic in another order of summation.
    for one, other in zip(rule.infer(system.network, system.batch.inputs).state, free.state, strict=True):
        assert float((one - other).abs().max()) < 1e-12


@pytest.mark.parametrize("kind", LAYERED)
@pytest.mark.parametrize("name", RULE_NAMES)
def test_float32_stays_float32(kind: str, name: str) -> None:
    """A silent promotion halves the speed; a silent demotion of float64 makes every exact test meaningless."""
    system = make_system("tanh", kind=kind, dtype=torch.float32)
    loose = Setting(SquaredError(), Settling(BlockDescent(), Stop(1e-5, 200), Stop(1e-4, 200)), strength=0.2)
    estimate = systems.build_rule(name, loose).estimate(system.network, system.batch, generator=seeded(0))
    assert {g.dtype for g in estimate.gradients.values()} == {torch.float32}
    assert {layer.dtype for phase in estimate.relaxations.values() for layer in phase.state} == {torch.float32}
    assert {phase.residual.dtype for phase in estimate.relaxations.values()} == {torch.float32}
    double = make_system("tanh", kind=kind)
    with torch.no_grad():
        for parameter, value in zip(double.network.parameters(), system.network.parameters(), strict=True):
            parameter.copy_(value)
    exact = systems.build_rule(name, loose).estimate(double.network, system.batch, generator=seeded(0))
    # float32's 6e-8 on states of size 1, over a contrast of size .1 to .4.
    assert oracles.gradient_error({k: g.double() for k, g in estimate.gradients.items()}, exact.gradients) < 1e-4


def test_random_sign_draws_both_one_sided_estimates_from_its_generator() -> None:
    """Unbiased to second order only if both signs come up equally often."""
    system = make_system("tanh")
    sided = {sign: gradients_of(f"ep-{sign}", SETTING, system) for sign in ("positive", "negative")}
    draws = [Sides.RANDOM.signs(generator)[0] for generator in [seeded(0)] for _ in range(400)]
    # 400 fair coins: mean 0, standard error .05; z = 4.5.
    assert abs(sum(draws) / 400) < 0.225
    seen = set()
    for seed in range(8):
        estimate = gradients_of("ep-random", SETTING, system, seed)
        seen |= {sign for sign, exact in sided.items() if all(torch.equal(estimate[key], exact[key]) for key in exact)}
    assert seen == {"positive", "negative"}


def test_second_tolerance_is_relative_to_the_contrast() -> None:
    """An absolute tolerance fit for the free phase leaves a nudged state unsettled, and training diverges late."""
    system = make_system("tanh", energy_scale=0.5)
    for name, unit in (("ep-centered", 0.05), ("coupled-centered", 0.02)):
        setting = Setting(SquaredError(), Settling(BlockDescent(), TIGHT, Stop(1e-3, 500)), strength=0.05, fraction=0.02)
        phases = systems.build_rule(name, setting).estimate(system.network, system.batch).relaxations
        for sign in ("positive", "negative"):
            # Stiffness of the last over the first layer: .5^3 / .5.
            assert number(phases[sign].residual.max()) <= 1e-3 * unit * 0.25
            assert phases[sign].status.tolist() == [int(Status.CONVERGED)] * 4


def test_tables_build_what_they_name() -> None:
    """The command line, reports and these tests reach everything through the tables."""
    assert len(RULE_NAMES) == len(set(RULE_NAMES))
    rules = {
        name: systems.build_rule(name, Setting(SquaredError(), strength=0.3, fraction=0.4, frozen=True, unroll=5)) for name in RULE_NAMES
    }
    for name, sides in {"positive": Sides.POSITIVE, "negative": Sides.NEGATIVE, "centered": Sides.CENTERED}.items():
        assert (rules[f"ep-{name}"].strength, rules[f"ep-{name}"].sides, rules[f"ep-{name}"].frozen) == (0.3, sides, True)
        assert (rules[f"coupled-{name}"].fraction, rules[f"coupled-{name}"].sides) == (0.4, sides)
    assert (rules["contrastive-hebbian"].fraction, rules["contrastive-hebbian"].sides) == (1.0, Sides.POSITIVE)
    assert rules["ep-random"].sides is Sides.RANDOM
    assert rules["unrolled"].truncation == 5


# Errors


def single_layer(value: float) -> Layered:
    """A linear chain 1-1-1 whose weights are ``value``: its curvature is [[1, -value], [-value, 1]]."""
    network = Layered((1, 1, 1), activation=ACTIVATIONS["linear"], dtype=torch.float64)
    with torch.no_grad():
        network.weight_1.fill_(value)
        network.weight_2.fill_(value)
    return network


def relax_with(stop: Stop = TIGHT, phase: Any = None, readout: int | None = None, start: Any = None) -> object:
    system = make_system("tanh", readout=readout)
    phase = phase(system) if callable(phase) else phase
    return settle(system, BlockDescent(), stop, phase, start)


def estimate_with(dense_units: int) -> object:
    batch = Batch(torch.ones(1, 1).double(), torch.ones(1, 1).double())
    return Implicit(SquaredError(), Settling(BlockDescent(), Stop(None, 3)), dense_units).estimate(single_layer(1.0), batch)


def exploding() -> None:
    network = single_layer(1e3)
    clamped = network.clamp(torch.ones(2, 1).double())
    with torch.no_grad():
        require_finite(relax(clamped, network.initial_state(clamped), BlockDescent(), Stop(1e-3, 400)), "free")


def nudge(strength: float) -> Callable[[System], Nudge]:
    return lambda system: Nudge(SquaredError(), system.batch, strength)


BAD: dict[str, tuple[Callable[[], object], type[EqlabError], list[str]]] = {
    "one layer size": (lambda: Layered((4,)), InputError, ["two or more positive", "(4,)"]),
    "layer of no units": (lambda: Layered((4, 0, 2)), InputError, ["positive", "(4, 0, 2)"]),
    "negative layer": (lambda: Layered((4, -3, 2)), InputError, ["positive", "-3"]),
    "readout of no units": (lambda: Layered((4, 2), readout=0), InputError, ["readout", "got 0", "leave it out"]),
    "energy scale 0": (lambda: Layered((4, 2), energy_scale=0.0), InputError, ["energy_scale", "(0, 1]", "0.0"]),
    "energy scale 2": (lambda: Layered((4, 2), energy_scale=2.0), InputError, ["energy_scale", "2.0"]),
    "energy scale NaN": (lambda: Layered((4, 2), energy_scale=float("nan")), InputError, ["energy_scale", "nan"]),
    "inputs of another width": (lambda: Layered((4, 2)).clamp(torch.zeros(3, 5)), ShapeError, ["(batch, 4)", "(3, 5)"]),
    "inputs without batch": (lambda: Layered((4, 2)).clamp(torch.zeros(4)), ShapeError, ["(batch, 4)", "(4,)"]),
    "inputs with NaN": (lambda: Layered((2, 2)).clamp(torch.tensor([[0.0, float("nan")]])), InputError, ["NaN", "clean the data"]),
    "inputs with infinity": (lambda: Layered((2, 2)).clamp(torch.tensor([[0.0, float("inf")]])), InputError, ["infinity"]),
    "label without unit": (
        lambda: SquaredError().value(torch.zeros(2, 3), Batch(torch.zeros(2, 1), torch.tensor([0, 3]))),
        InputError,
        ["0 to 3", "3 output units"],
    ),
    "negative label": (lambda: SquaredError().value(torch.zeros(1, 3), Batch(torch.zeros(1, 1), torch.tensor([-1]))), InputError, ["-1"]),
    "labels of another batch": (
        lambda: SquaredError().gradient(torch.zeros(2, 3), Batch(torch.zeros(2, 1), torch.tensor([0, 1, 2]))),
        ShapeError,
        ["3 labels", "2 outputs"],
    ),
    "targets of another width": (
        lambda: SquaredError().gradient(torch.zeros(2, 3), Batch(torch.zeros(2, 1), torch.zeros(2, 4))),
        ShapeError,
        ["(2, 4)", "(2, 3)"],
    ),
    "state of another shape": (lambda: relax_with(start=(torch.zeros(4, 6),)), ShapeError, ["(4, 6)", "[(4, 6), (4, 5), (4, 3)]"]),
    "budget 0": (lambda: relax_with(Stop(1e-3, 0)), InputError, ["budget of at least 1", "budget=0"]),
    "negative tolerance": (lambda: relax_with(Stop(-1.0, 5)), InputError, ["tolerance of at least 0", "-1.0"]),
    "tolerance NaN": (lambda: relax_with(Stop(float("nan"), 5)), InputError, ["tolerance", "nan"]),
    "strength 0": (lambda: relax_with(phase=nudge(0.0)), InputError, ["strength", "0.0", "phase=None"]),
    "strength infinite": (lambda: relax_with(phase=nudge(float("inf"))), InputError, ["strength", "inf"]),
    "strength NaN": (lambda: relax_with(phase=nudge(float("nan"))), InputError, ["strength", "nan"]),
    "held readout": (lambda: relax_with(phase=Hold(torch.zeros(4, 3)), readout=3), InputError, ["readout", "cannot be held", "nudge"]),
    "held output of another shape": (lambda: relax_with(phase=Hold(torch.zeros(4, 2))), ShapeError, ["(4, 2)", "(4, 3)"]),
    "step size 0": (lambda: GradientFlow(0.0), InputError, ["step_size", "0.0", "0.5"]),
    "damping 0": (lambda: Synchronous(0.0), InputError, ["damping", "(0, 1]", "0.0"]),
    "damping 1.5": (lambda: Synchronous(1.5), InputError, ["damping", "1.5"]),
    "EP strength 0": (lambda: EquilibriumPropagation(SquaredError(), Settling(), 0.0), InputError, ["strength", "positive", "sides"]),
    "EP strength -1": (lambda: EquilibriumPropagation(SquaredError(), Settling(), -1.0), InputError, ["strength", "-1.0"]),
    "EP strength NaN": (lambda: EquilibriumPropagation(SquaredError(), Settling(), float("nan")), InputError, ["strength", "nan"]),
    "coupled fraction 0": (lambda: CoupledLearning(SquaredError(), Settling(), 0.0), InputError, ["fraction", "positive", "sides"]),
    "coupled fraction inf": (lambda: CoupledLearning(SquaredError(), Settling(), float("inf")), InputError, ["fraction", "inf"]),
    "truncation 0": (lambda: Unrolled(SquaredError(), Settling(), 0), InputError, ["truncation", "0", "None"]),
    "random sign without generator": (lambda: Sides.RANDOM.signs(), InputError, ["generator", "manual_seed"]),
    "unknown rule": (
        lambda: EQPROP_RULES["ep-centred"],
        UnknownNameError,
        ["unknown rule 'ep-centred'", "did you mean 'ep-centered'?", "ep-random"],
    ),
    "unknown held rule": (
        lambda: HEBBIAN_RULES["coupled-centred"],
        UnknownNameError,
        ["did you mean 'coupled-centered'?", "contrastive-hebbian"],
    ),
    "unknown exact rule": (lambda: EXACT_RULES["implict"], UnknownNameError, ["did you mean 'implicit'?", "backprop"]),
    "unknown cost": (lambda: COSTS["squared_error"], UnknownNameError, ["unknown cost", "did you mean 'squared-error'?"]),
    "unknown network": (lambda: NETWORKS["layer"], UnknownNameError, ["unknown network", "did you mean 'layered'?"]),
    "unknown activation": (lambda: ACTIVATIONS["tan"], UnknownNameError, ["unknown activation", "did you mean 'tanh'?"]),
    "unknown dynamics": (lambda: DYNAMICS["evenodd"], UnknownNameError, ["unknown dynamics", "did you mean 'even-odd'?"]),
    "unknown optimiser": (lambda: OPTIMISERS["adamm"], UnknownNameError, ["unknown optimiser", "did you mean 'adam"]),
    "unknown schedule": (lambda: SCHEDULES["cosin"], UnknownNameError, ["unknown schedule", "did you mean 'cosine'?"]),
    "singular curvature, dense": (lambda: estimate_with(128), ConvergenceError, ["singular", "relax further"]),
    "singular curvature, Krylov": (lambda: estimate_with(0), ConvergenceError, ["MINRES", "nearly singular", "energy scale"]),
    "no curvature": (
        lambda: extreme_eigenvalues(make_system(sizes=(5, 2)).clamped, (torch.zeros(1, 2).double(),)),
        ConvergenceError,
        ["fewer than 3 units", "gain"],
    ),
    "states explode": (exploding, DivergenceError, ["2 of 2 samples", "free phase", "not finite within", "lower the learning rate"]),
    "gradients of two networks": (
        lambda: compare_gradients({"a": torch.ones(1)}, {"b": torch.ones(1)}),
        InputError,
        ["['a']", "['b']", "one network"],
    ),
    "one strength": (
        lambda: bias_in_strength(lambda strength: SETTING, Layered((2, 2)), Batch(torch.zeros(1, 2), torch.zeros(1)), {}, [0.1]),
        InputError,
        ["two or more positive strengths", "(0.1,)"],
    ),
    "learning rates for other layers": (
        lambda: layer_groups(Layered((4, 3, 2, 2)), (0.1, 0.2)),
        InputError,
        ["2 learning rates for 3 layers"],
    ),
    "learning rate 0": (lambda: layer_groups(Layered((4, 3, 2)), (0.1, 0.0)), InputError, ["positive", "(0.1, 0.0)"]),
    "no epochs": (lambda: Plan(epochs=0), InputError, ["at least 1 epoch", "got 0"]),
    "no batch": (lambda: Plan(batch_size=0), InputError, ["1 sample per batch", "and 0"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_a_message_that_says_what_to_do(case: str) -> None:
    """A setting that makes no sense must stop the run, not produce a number."""
    action, kind, parts = BAD[case]
    with pytest.raises(kind) as caught:
        action()
    assert [part for part in parts if part not in str(caught.value)] == []
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", systems.HOLDING_RULES)
def test_rules_that_hold_outputs_refuse_a_readout(name: str) -> None:
    """A readout's outputs are not units: holding them would silently hold something else."""
    with pytest.raises(InputError, match="readout outside the equilibrium and cannot be held"):
        gradients_of(name, SETTING, make_system("tanh", readout=3))


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("name", RULE_NAMES)
def test_every_rule_refuses_a_batch_without_samples(name: str, kind: str) -> None:
    """The mean cost of no samples is no number, and nor is its gradient."""
    rule = systems.build_rule(name, SETTING)
    for activation in ("tanh", "hard-sigmoid"):
        network, batch = make_system(activation, kind=kind)
        empty = batch._replace(inputs=batch.inputs[:0], labels=batch.labels[:0])
        with pytest.raises(ShapeError, match="present at least one"):
            rule.estimate(network, empty, generator=seeded(0))
        with pytest.raises(ShapeError, match="present at least one"):
            rule.infer(network, empty.inputs)


def test_names_without_a_likely_meaning_get_no_guess() -> None:
    """A wrong guess sends the user further astray than none."""
    message = str(unknown_name("cost", "zzz", ["alpha", "beta"]))
    assert message == "unknown cost 'zzz'; choose one of: alpha, beta"
    table: Table[object] = Table("thing", {"pi": "math:pi", "e": "math:e"})
    assert (list(table), len(table), "pi" in table, "tau" in table) == (["pi", "e"], 2, True, False)
    assert table["pi"] == pytest.approx(3.14159, abs=1e-5)
