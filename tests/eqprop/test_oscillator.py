"""Oscillators: the energy pair by pair, the dynamics of the machine, minima of blocks, gradients, and the command."""

from __future__ import annotations

import json
import math
from pathlib import Path

import oracles
import pytest
import torch
from click.testing import CliRunner
from systems import HOLDING_RULES, RULE_NAMES, build_rule, exact_settling, seeded
from torch import Tensor

from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.base import pull_of
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.errors import InputError
from contrastive_core.phases import Nudge
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Setting
from contrastive_core.types import Batch, State
from eqprop.oscillator import Oscillators
from experiments.cli import cli

SIZES = (4, 5, 4, 3)
INJECTIONS = (0.0, 0.3)
NUDGING_RULES = [name for name in RULE_NAMES if name not in HOLDING_RULES]


def build(injection: float = 0.0, dtype: torch.dtype = torch.float64, seed: int = 6) -> tuple[Oscillators, Batch]:
    """A network whose biases are random too, and a batch."""
    generator = seeded(seed)
    network = Oscillators(SIZES, injection=injection, input_gain=2.0, gain=1.0, generator=generator, dtype=dtype)
    for index in range(len(network.sizes)):
        network.bias(index).data.uniform_(0.3, 1.0, generator=generator)
    inputs = torch.rand((4, SIZES[0]), generator=generator, dtype=dtype)
    return network, Batch(inputs, torch.randint(SIZES[-1], (4,), generator=generator))


def some_state(network: Oscillators, batch: Batch, seed: int = 5) -> State:
    with torch.no_grad():
        return network.initial_state(network.clamp(batch.inputs), seeded(seed))


def pairs(network: Oscillators) -> list[tuple[int, int, float]]:
    """Every coupling as two oscillators, counted from the inputs on, and a strength."""
    starts, found = [0], []
    for size in SIZES[:-1]:
        starts.append(starts[-1] + size)
    for layer in range(len(network.sizes)):
        weight = network.weight(layer).detach()
        found += [(starts[layer] + i, starts[layer + 1] + j, float(w)) for i, row in enumerate(weight) for j, w in enumerate(row)]
    return found


def rows(network: Oscillators, batch: Batch, state: State) -> Tensor:
    return torch.cat([2.0 * batch.inputs, *state], dim=1)


@pytest.mark.parametrize("injection", INJECTIONS)
def test_energy_and_force_are_those_of_the_machine_pair_by_pair(injection: float) -> None:
    """They could be consistent with one another and belong to another machine."""
    network, batch = build(injection)
    state, biases = some_state(network, batch), torch.cat([network.bias(i).detach() for i in range(3)])
    energy = network.energy(state, network.clamp(batch.inputs)).detach()
    force = torch.cat(network.force(state, network.clamp(batch.inputs)), dim=1).detach()
    for sample, phases in enumerate(rows(network, batch, state).tolist()):
        free = list(zip(phases[4:], biases.tolist(), strict=True))
        expected = -sum(w * math.cos(phases[i] - phases[j]) for i, j, w in pairs(network))
        expected -= sum(h * math.cos(p) + 0.5 * injection * math.cos(2 * p) for p, h in free)
        assert float(energy[sample]) == pytest.approx(expected, abs=1e-13)  # 50 terms of size 1, a few eps each
        velocity = [-h * math.sin(p) - injection * math.sin(2 * p) for p, h in free]
        for i, j, w in pairs(network):
            velocity[j - 4] -= w * math.sin(phases[j] - phases[i])
            if i >= 4:
                velocity[i - 4] -= w * math.sin(phases[i] - phases[j])
        torch.testing.assert_close(force[sample], torch.tensor(velocity, dtype=torch.float64), rtol=0, atol=1e-13)


@pytest.mark.parametrize("injection", INJECTIONS)
def test_force_and_energy_gradient_are_derivatives_of_the_energy(injection: float) -> None:
    """Every rule contrasts these; a wrong one would be learned from as if it were a gradient."""
    network, batch = build(injection)
    state = tuple(layer.requires_grad_() for layer in some_state(network, batch))
    energy = network.energy(state, network.clamp(batch.inputs))
    automatic = torch.autograd.grad(energy.sum(), state, retain_graph=True)
    for force, gradient in zip(network.force(state, network.clamp(batch.inputs)), automatic, strict=True):
        torch.testing.assert_close(force, -gradient, rtol=0, atol=1e-13)
    named = dict(network.named_parameters())
    exact = dict(zip(named, torch.autograd.grad(energy.mean(), list(named.values())), strict=True))
    values = tuple(layer.detach() for layer in state)
    assert oracles.gradient_error(network.energy_gradient(values, network.clamp(batch.inputs)), exact) < 1e-14


def test_contrast_is_the_difference_of_gradients_without_cancellation() -> None:
    """Nudged phases differ by beta; a difference of cosines would leave only the rounding of a small beta."""
    network, batch = build()
    clamped, state, other = network.clamp(batch.inputs), some_state(network, batch), some_state(network, batch, 6)
    far = network.energy_gradient(other, clamped)
    exact = {name: 2 * (value - far[name]) for name, value in network.energy_gradient(state, clamped).items()}
    assert oracles.gradient_error(network.energy_gradient(state, clamped, other, 2.0), exact) < 1e-14
    near, twice = (tuple(s - step * o for s, o in zip(state, other, strict=True)) for step in (1e-9, 2e-9))
    once = {name: 2 * value for name, value in network.energy_gradient(state, clamped, near).items()}
    # As for layers: the second difference is 1e-9, the rounding of the phases eps / 1e-9 = 2e-7 of it.
    assert oracles.gradient_error(network.energy_gradient(state, clamped, twice), once) < 2e-6


def test_phases_along_the_field_are_the_lowest_and_at_the_nearest_turn() -> None:
    """Block descent is exact without injection; a jump by a whole turn would never let it settle."""
    network, batch = build()
    clamped = network.clamp(batch.inputs)
    state = tuple(layer + 2 * math.pi * 3 for layer in some_state(network, batch))
    for index in range(3):
        moved = network.minimiser(index, state, clamped).detach()
        assert float((moved - state[index]).abs().max()) <= math.pi * (1 + 1e-15)
        best = network.energy((*state[:index], moved, *state[index + 1 :]), clamped).detach()
        for unit in range(network.sizes[index]):
            for angle in torch.linspace(-3, 3, 13, dtype=torch.float64):
                other = moved.clone()
                other[:, unit] += angle
                assert bool((network.energy((*state[:index], other, *state[index + 1 :]), clamped) >= best - 1e-13).all())


@pytest.mark.parametrize(("injection", "pulled"), [(0.4, False), (0.0, True), (2.0, True)])
def test_steps_with_injection_or_pull_lower_the_energy_and_end_where_no_force_is_left(injection: float, pulled: bool) -> None:
    """A Newton step alone may climb, and the energy would be no certificate."""
    network, batch = build(injection)
    clamped, state = network.clamp(batch.inputs), some_state(network, batch)
    nudge = Nudge(SquaredError(), batch, 0.3)
    pull = pull_of(nudge, clamped, state) if pulled else None

    def energy(value: Tensor) -> Tensor:
        total = network.energy((*state[:2], value), clamped)
        return total + nudge.strength * nudge.cost.value(value.cos(), batch) if pulled else total

    value = state[2].clone()
    with torch.no_grad():
        for _ in range(60):
            new = network.minimiser(2, (*state[:2], value), clamped, pull)
            assert bool((energy(new) <= energy(value) + 1e-13).all())
            value = new
    value.requires_grad_()
    (slope,) = torch.autograd.grad(energy(value).sum(), value)
    assert float(slope.abs().max()) < 1e-13


@pytest.mark.parametrize("injection", INJECTIONS)
def test_gradient_flow_lowers_the_energy_and_ends_where_block_descent_stays(injection: float) -> None:
    """The machine's own dynamics and the fast one must agree on what an equilibrium is."""
    network, batch = build(injection)
    with torch.no_grad():
        clamped = network.clamp(batch.inputs)
        state = network.initial_state(clamped)
        energies = [network.energy(state, clamped)]
        for _ in range(40):
            state, _ = GradientFlow(0.1).step(state, clamped)
            energies.append(network.energy(state, clamped))
        assert bool((torch.stack(energies).diff(dim=0) < 0).all())
        ended = relax(clamped, state, GradientFlow(0.2), Stop(1e-12, 20_000))
        assert ended.status.tolist() == [0] * 4
        assert float(relax(clamped, ended.state, BlockDescent(), Stop(None, 1)).residual.max()) < 1e-10  # over the curvature, of order 1


def test_strong_injection_makes_spins_of_phases() -> None:
    """It is what makes such a machine an Ising machine."""
    network, batch = build(8.0)
    with torch.no_grad():
        clamped = network.clamp(batch.inputs)
        locked = relax(clamped, some_state(network, batch), BlockDescent(), Stop(1e-12, 2000)).state
        network.injection = 0.0
        loose = relax(clamped, some_state(network, batch), BlockDescent(), Stop(1e-12, 2000)).state
    # Force balance: K |sin 2 phi| is at most the field, here below 4, so that |sin phi| is below some 4 / (2 K).
    assert float(torch.cat(locked, 1).sin().abs().max()) < 0.26
    assert float(torch.cat(loose, 1).sin().abs().max()) > 0.5
    assert {float(v) for v in torch.cat(locked, 1).cos().sign().unique()} == {-1.0, 1.0}


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("injection", INJECTIONS)
def test_equilibrium_propagation_is_the_exact_gradient(injection: float, frozen: bool) -> None:
    """The outputs are cosines of what is nudged: a nudge that forgets their slope would teach something else."""
    network, batch = build(injection)
    setting = Setting(SquaredError(), exact_settling(), strength=1e-3, frozen=frozen)
    exact = build_rule("implicit", setting).estimate(network, batch).gradients
    estimate = build_rule("ep-centered", setting).estimate(network, batch).gradients
    assert oracles.cosine(estimate, exact) > 0.99999  # the centered bias is 1e-6 times third derivatives
    cost = SquaredError()

    def settled_cost() -> float:
        with torch.no_grad():
            return float(cost.value(network.output(build_rule("implicit", setting).infer(network, batch.inputs).state), batch).mean())

    for name, parameter in network.named_parameters():
        direction = torch.randn(parameter.shape, generator=seeded(7), dtype=parameter.dtype)
        slope = oracles.slope_along(settled_cost, parameter, direction, 3e-4)  # steps below the softest mode's, .25
        assert float((exact[name] * direction).sum()) == pytest.approx(slope, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", NUDGING_RULES)
def test_every_rule_that_nudges_runs_and_keeps_float32(name: str) -> None:
    """A rule that knows what network it trains would not be a rule of the core."""
    network, batch = build(0.2, dtype=torch.float32)
    setting = Setting(SquaredError(), strength=0.01)
    estimate = build_rule(name, setting).estimate(network, batch, generator=seeded(0))
    assert {key: (value.shape, value.dtype) for key, value in estimate.gradients.items()} == {
        key: (p.shape, torch.float32) for key, p in network.named_parameters()
    }


@pytest.mark.parametrize("name", HOLDING_RULES)
def test_rules_that_hold_outputs_are_refused(name: str) -> None:
    """A cosine has two phases: holding it would silently choose one."""
    network, batch = build()
    with pytest.raises(InputError, match="cannot be held; use a nudge"):
        build_rule(name, Setting(SquaredError())).estimate(network, batch)


ERRORS = {
    "one layer": (lambda: Oscillators((4,)), ["two or more", "(4,)"]),
    "negative injection": (lambda: Oscillators((4, 2), injection=-1.0), ["injection", "-1.0", "0 leaves"]),
    "infinite injection": (lambda: Oscillators((4, 2), injection=math.inf), ["injection", "inf"]),
    "no input gain": (lambda: Oscillators((4, 2), input_gain=0.0), ["input_gain", "positive", "0.0"]),
    "inputs with NaN": (lambda: Oscillators((1, 2)).clamp(torch.tensor([[math.nan]])), ["NaN", "clean the data"]),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_say_what_was_wrong_and_what_to_do(case: str) -> None:
    """A wrong machine must not become a wrong number."""
    make, words = ERRORS[case]
    with pytest.raises(InputError) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_command_trains_oscillators_and_says_what_has_no_effect(tmp_path: Path) -> None:
    """A listed network that no command can train would be tested by nobody."""
    run = ("train", "--network", "oscillator", "--hidden", "8", "--epochs", "1", "--train-size", "200", "--batch-size", "8")
    run = (*run, "--data", "two-moons")
    flags = ("--oscillator-injection", "0.05", "--activation", "tanh", "--quiet", "--json")
    result = CliRunner().invoke(cli, [*run, *flags, "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["network"] == "2-8-2"
    assert record["test_error"] < 0.3  # chance is .5
    assert "activation has no effect on an oscillator network" in result.stderr
    refused = CliRunner().invoke(cli, [*run, "--readout", "--out", str(tmp_path / "other")])
    assert (refused.exit_code, "leave --readout out" in refused.output) == (2, True)
