"""Contract of every dynamics: where it settles, what it leaves alone, and what its status and residual mean."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from oracles import number
from systems import (
    COST_NAMES,
    QUADRATIC,
    System,
    equal,
    flat,
    interior_state,
    largest_difference,
    make_cost,
    make_dynamics,
    make_system,
    seeded,
    settle,
)
from torch import Tensor

from contrastive_core.certificate import Status, Stop
from contrastive_core.costs import SAMPLE_COSTS
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics import DYNAMICS
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.dynamics.synchronous import Synchronous
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.phases import Hold, Nudge, Phase
from contrastive_core.types import Batch, State

ORDERS = ("forward", "backward", "even-odd", "odd-even")
SCALES = (1.0, 0.3)


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
