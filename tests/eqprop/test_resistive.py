"""Resistive networks: the energy of the circuit, its minimum by a dense solver, what may be nudged, diodes, and the commands."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import oracles
import pytest
import torch
from circuits import AMPLIFIERS, SIZES, build, settled
from command_line import Eqlab
from scipy.optimize import lsq_linear
from systems import RULE_NAMES, build_rule, exact_settling, seeded

from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import InputError, ShapeError, UnstableNudgeError
from contrastive_core.networks.curvature import extreme_eigenvalues
from contrastive_core.phases import Nudge, Pull
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import State
from eqprop import NETWORKS as PHYSICAL
from eqprop.circuit import Parts
from eqprop.diodes import IdealDiode, ShockleyDiode
from eqprop.resistive import Resistive
from eqprop.stability import margin, margin_at_least
from experiments.setup.tables import NETWORKS

SHOCKLEY = ShockleyDiode(1e-6, 0.05)


def some_state(network: Resistive, scale: float = 0.3) -> State:
    with torch.no_grad():
        start = network.initial_state(network.clamp(torch.zeros(4, network.num_inputs)), seeded(5))
    return tuple(scale * layer for layer in start)


def test_the_curvature_of_a_circuit_is_told_without_a_graph_of_its_conductances() -> None:
    """Stiffness depends on parameters here: a warning of torch would stand among the results."""
    network, batch = build(SIZES)
    smallest, largest = extreme_eigenvalues(network.clamp(batch.inputs[:4]), some_state(network))
    assert 0 < smallest < largest


def edges(network: Resistive, sources: list[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The circuit branch by branch: rows r and offsets t with energy |r v - t|^2 / 2, and the weighted currents at nodes, bounds."""
    gain, ratio = network.parts.voltage_gain, network.parts.ratio
    starts = np.concatenate([[0], np.cumsum(network.sizes)])
    rows, offsets = [], []
    push = np.zeros(starts[-1])
    low, high = np.full(starts[-1], -np.inf), np.full(starts[-1], np.inf)
    for layer, size in enumerate(network.sizes):
        conductance = network.conductance(layer).detach().double().numpy()
        for j in range(size):
            push[starts[layer] + j] = ratio**layer * float(network.bias(layer).detach()[j])
            if layer + 1 < len(network.sizes):
                if j < (size + 1) // 2:
                    low[starts[layer] + j] = 0
                else:
                    high[starts[layer] + j] = 0
            for i in range(conductance.shape[0]):
                row, root = np.zeros(starts[-1]), math.sqrt(ratio**layer * conductance[i, j])
                row[starts[layer] + j] = root
                if layer:
                    row[starts[layer - 1] + i] = -root * gain
                rows.append(row)
                offsets.append(root * sources[i] if layer == 0 else 0.0)
    return np.array(rows), np.array(offsets), push, np.stack([low, high])


def doubled(network: Resistive, inputs: torch.Tensor) -> list[float]:
    values = [3.0 * float(x) for x in inputs]
    return [*values, *(-v for v in values), 0.5, -0.5]


@pytest.mark.parametrize("amplifier", AMPLIFIERS)
def test_energy_is_that_of_the_circuit_branch_by_branch(amplifier: str) -> None:
    """Forces and gradients could be consistent with one another and belong to another circuit."""
    network, batch = build(amplifier=amplifier)
    state = some_state(network)
    energy = network.energy(state, network.clamp(batch.inputs)).detach()
    for sample in range(4):
        rows, offsets, push, _ = edges(network, doubled(network, batch.inputs[sample]))
        v = torch.cat([layer[sample] for layer in state]).numpy()
        expected = 0.5 * np.square(rows @ v - offsets).sum() - push @ v
        assert float(energy[sample]) == pytest.approx(expected, abs=1e-12)  # some 100 terms of size 1, a few eps each


@pytest.mark.parametrize("diode", [IdealDiode(), SHOCKLEY])
@pytest.mark.parametrize("amplifier", AMPLIFIERS)
def test_forces_and_gradients_are_derivatives_of_the_energy(amplifier: str, diode: Any) -> None:
    """Every rule contrasts these; a wrong one would be learned from as if it were a gradient."""
    network, batch = build(amplifier=amplifier, diode=diode)
    state = tuple(layer.requires_grad_() for layer in some_state(network))
    energy = network.energy(state, network.clamp(batch.inputs))
    automatic = torch.autograd.grad(energy.sum(), state, retain_graph=True)
    for force, gradient in zip(network.force(state, network.clamp(batch.inputs)), automatic, strict=True):
        torch.testing.assert_close(force, -gradient, rtol=0, atol=1e-13)
    named = dict(network.named_parameters())
    exact = dict(zip(named, torch.autograd.grad(energy.mean(), list(named.values())), strict=True))
    clamped, values = network.clamp(batch.inputs), tuple(layer.detach() for layer in state)
    assert oracles.gradient_error(network.energy_gradient(values, clamped), exact) < 1e-14
    other = tuple(0.7 * layer.roll(1, 0) for layer in values)
    far = network.energy_gradient(other, clamped)
    contrast = {name: 2 * (value - far[name]) for name, value in network.energy_gradient(values, clamped).items()}
    assert oracles.gradient_error(network.energy_gradient(values, clamped, other, 2.0), contrast) < 1e-13


@pytest.mark.parametrize("nudge", [0.0, 0.4, -0.02])
@pytest.mark.parametrize("amplifier", AMPLIFIERS)
def test_block_descent_ends_where_a_dense_solver_of_bounded_least_squares_does(amplifier: str, nudge: float) -> None:
    """Layer by layer it must find the one operating point of the whole circuit, diodes included."""
    network, batch = build(amplifier=amplifier)
    strength = nudge * network.stiffness[-1]
    state = settled(network, batch, Nudge(SquaredError(), batch, strength) if nudge else None)
    blocked = 0
    for sample in range(4):
        rows, offsets, push, bounds = edges(network, doubled(network, batch.inputs[sample]))
        matrix, right = rows.T @ rows, rows.T @ offsets + push
        outputs = np.arange(len(right) - 3, len(right))
        matrix[outputs, outputs] += strength
        right[outputs] += strength * np.eye(3)[int(batch.labels[sample])]
        root = np.linalg.cholesky(matrix)
        expected = lsq_linear(root.T, np.linalg.solve(root, right), (bounds[0], bounds[1]), method="bvls", tol=1e-15).x
        found = torch.cat([layer[sample] for layer in state]).numpy()
        # Both end at a residual of some eps; the condition of the matrix is below 1e4.
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
        blocked += int((found[:11] == 0).sum())
    assert 0 < blocked < 44  # some diodes conduct and some do not, or the bounds were not tested


@pytest.mark.parametrize("diode", [IdealDiode(), SHOCKLEY])
def test_equilibrium_propagation_is_the_derivative_of_the_cost(diode: Any) -> None:
    """The gradient that a circuit measures on itself must be the one that finite differences of its operating point give."""
    network, batch = build(diode=diode)
    setting = Setting(SquaredError(), exact_settling(), strength=1e-4)
    estimate = build_rule("ep-centered", setting).estimate(network, batch).gradients
    cost = SquaredError()
    for name, parameter in network.named_parameters():
        direction = torch.randn(parameter.shape, generator=seeded(7), dtype=parameter.dtype)
        slope = oracles.slope_along(lambda: float(cost.value(settled(network, batch)[-1], batch).mean()), parameter, direction, 1e-4)
        # The centered bias is 1e-8 times third derivatives, and so is the difference quotient's error: 1e-6 is far above both.
        assert float((estimate[name] * direction).sum()) == pytest.approx(slope, rel=2e-5, abs=1e-9)


@pytest.mark.parametrize("name", RULE_NAMES)
def test_every_rule_runs_on_a_circuit(name: str) -> None:
    """A rule that knows what network it trains would not be a rule of the core."""
    network, batch = build()
    setting = Setting(SquaredError(), Settling(BlockDescent(), Stop(1e-12, 2000), Stop(1e-10, 2000)), strength=0.01, fraction=0.01)
    estimate = build_rule(name, setting).estimate(network, batch, generator=seeded(0))
    assert {key: value.shape for key, value in estimate.gradients.items()} == {k: p.shape for k, p in network.named_parameters()}
    exact = build_rule("implicit", setting).estimate(network, batch).gradients
    if name.startswith("ep-") or name in ("recurrent-backprop", "unrolled"):
        # Strength .01: the one-sided bias is some .01 times second derivatives of order 1.
        assert oracles.gradient_error(estimate.gradients, exact) < (0.1 if name.startswith("ep-") else 1e-8)


def test_outputs_may_be_pushed_as_far_as_the_schur_complement_allows() -> None:
    """Beyond it a negative phase runs away; a number reported there would be meaningless."""
    for amplifier in AMPLIFIERS:
        network, batch = build(amplifier=amplifier)
        rows, *_ = edges(network, doubled(network, batch.inputs[0]))
        matrix = rows.T @ rows
        hidden, outputs = slice(0, 11), slice(11, 14)
        schur = matrix[outputs, outputs] - matrix[outputs, hidden] @ np.linalg.solve(matrix[hidden, hidden], matrix[hidden, outputs])
        bound = float(np.linalg.eigvalsh(schur)[0])
        assert network.least_curvature() == pytest.approx(-bound, rel=1e-9)
        assert network.has_minimum(-0.999 * bound)
        assert not network.has_minimum(-1.001 * bound)
        # Necessary: the conductance of no single output is used up.
        assert bound <= network.stiffness[-1] * float(network.conductance(2).detach().sum(0).min())


def test_cheap_bound_of_the_margin_is_below_it() -> None:
    """Phases are let through on the cheap bound alone; above the margin it would let one through that diverges."""
    for seed in range(30):
        generator = seeded(seed)
        sizes = (5, 4, 6, 3)
        gain = float(1 + 3 * torch.rand((), generator=generator))
        network = Resistive(sizes, Parts(voltage_gain=gain), gain=3.0, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            totals, couplings = network._matrix()
            cheap, exact = margin_at_least(totals, couplings, gain), margin(totals, couplings)
        assert cheap <= exact + 1e-12
        assert cheap > -1e-12  # some: the amplifiers' own gains are a state that no current leaves downwards


def test_strength_beyond_the_bound_is_refused_with_the_bound() -> None:
    """A user has to know how far a circuit may be nudged, not only that this was too far."""
    network, batch = build(amplifier="none")
    bound = -network.least_curvature()
    setting = Setting(SquaredError(), Settling(), strength=1.01 * bound)
    with pytest.raises(UnstableNudgeError, match=f"no minimum .* nearer to 0 than {bound:.4g}"):
        build_rule("ep-centered", setting).estimate(network, batch)
    build_rule("ep-positive", setting).estimate(network, batch)


def test_compliance_is_the_inverse_of_the_nodes_conductance_or_zero_where_a_diode_holds_it() -> None:
    """The exact gradient leaves out the nodes that cannot move."""
    network, _ = build(amplifier="none")
    state = some_state(network)
    held = tuple(torch.where(torch.arange(layer.shape[1]) % 2 == 0, 0.0, layer) for layer in state[:-1])
    compliance = network.compliance((*held, state[-1]))
    total = network.conductance(0).sum(0) + network.conductance(1).sum(1)
    torch.testing.assert_close(compliance[0], torch.where(held[0] == 0, 0.0, 1 / total.detach()), rtol=1e-14, atol=0)
    assert bool((compliance[-1] > 0).all())


def test_constraint_moves_conductances_into_their_bounds_and_nothing_else() -> None:
    """A negative conductance is no resistor, and the energy may lose its minimum."""
    network = Resistive((2, 4, 2), Parts(bounds=((0.1, 1.0), (0.2, 3.0))), dtype=torch.float64)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.linspace(-5, 5, parameter.numel()).reshape(parameter.shape))
    network.constrain_()
    assert (float(network.conductance(0).detach().min()), float(network.conductance(0).detach().max())) == (0.1, 1.0)
    assert (float(network.conductance(1).detach().min()), float(network.conductance(1).detach().max())) == (0.2, 3.0)
    assert float(network.bias(0).detach().min()) == -5


def test_initial_conductances_are_half_of_a_uniform_draw() -> None:
    """Published learning rates belong to this start."""
    network = Resistive((400, 300, 10), Parts(rail=0), generator=seeded(0))
    values, bound = network.conductance(0).detach(), 1 / math.sqrt(800)
    assert float(values.max()) == pytest.approx(bound, rel=1e-3)
    share = float((values == 0).double().mean())
    assert abs(share - 0.5) < 4.5 * 0.5 / math.sqrt(values.numel())  # z = 4.5 of a binomial


def test_unconnected_node_stays_at_zero() -> None:
    """Training can cut a node off; a voltage of 0/0 would end the run."""
    network = Resistive((2, 2, 1), Parts(rail=0), gain=0.0, dtype=torch.float64)
    with torch.no_grad():
        clamped = network.clamp(torch.ones(1, 2))
        ended = relax(clamped, network.initial_state(clamped), BlockDescent(), Stop(None, 2))
    assert [float(layer.abs().max()) for layer in ended.state] == [0, 0]


def test_feedforward_pass_is_the_free_state_of_layers_that_are_not_loaded() -> None:
    """It is what backpropagation trains; with amplifiers that send no current back it is the equilibrium."""
    network, batch = build()
    parts = Parts(voltage_gain=4.0, current_gain=1e-13, input_gain=3.0, rail=0.5)
    buffered = Resistive(SIZES, parts, dtype=torch.float64)
    with torch.no_grad():
        for own, other in zip(buffered.parameters(), network.parameters(), strict=True):
            own.copy_(other)
        feed, free = network.feedforward(network.clamp(batch.inputs)), settled(buffered, batch)
    for one, other in zip(feed, free, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


ERRORS: dict[str, tuple[Any, type[Exception], list[str]]] = {
    "one layer": (lambda: Resistive((4,)), InputError, ["two or more", "(4,)"]),
    "bounds the wrong way round": (lambda: Parts(bounds=((2.0, 1.0),)), InputError, ["below the largest", "2 and 1 S", "exchange"]),
    "negative conductance": (lambda: Parts(bounds=((-1.0, 1.0),)), InputError, ["at least 0", "-1"]),
    "bounds of other layers": (lambda: Resistive((2, 2, 2), Parts(bounds=((0, 1),) * 3)), InputError, ["3 pairs", "2 layers"]),
    "no gain": (lambda: Parts(voltage_gain=0.0), InputError, ["voltage_gain", "positive", "0.0"]),
    "negative current gain": (lambda: Parts(current_gain=-1.0), InputError, ["current_gain", "-1.0"]),
    "negative rail": (lambda: Parts(rail=-1.0), InputError, ["rail", "-1.0", "leaves the rails out"]),
    "no saturation current": (lambda: ShockleyDiode(0.0), InputError, ["positive saturation current", "0.0 A"]),
    "inputs of another width": (lambda: Resistive((4, 2)).clamp(torch.zeros(3, 5)), ShapeError, ["(batch, 4)", "(3, 5)"]),
    "inputs with NaN": (lambda: Resistive((1, 2)).clamp(torch.tensor([[math.nan]])), InputError, ["NaN", "clean the data"]),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_say_what_was_wrong_and_what_to_do(case: str) -> None:
    """A wrong circuit must not become a wrong number."""
    make, kind, words = ERRORS[case]
    with pytest.raises(kind) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_commands_can_build_every_physical_network() -> None:
    """A network that is listed but that no command can train would not be tested by anyone."""
    assert set(PHYSICAL) <= set(NETWORKS)


def test_training_keeps_conductances_in_their_bounds_and_learns(eqlab: Eqlab, tmp_path: Path) -> None:
    """Written after the optimiser's step; a run whose circuit is not physical proves nothing."""
    from contrastive_core.files.checkpoint import load_checkpoint

    steps = ("--batch-size", 4, "--learning-rates", 0.006, "--epochs", 4, "--train-size", 400)
    result = eqlab("train", "--config", "drn-digits", *steps, "--out", tmp_path / "run", "--quiet", "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["network"] == "64-64-10"
    assert record["test_error"] < 0.5  # chance is .9
    tensors, _ = load_checkpoint(next((tmp_path / "run" / "checkpoints").glob("*")))
    for number, (low, high) in {1: (0.0016, 0.16), 2: (0.005, 0.5)}.items():
        values = tensors[f"parameter.conductance_{number}"]
        assert float(values.min()) == pytest.approx(low)
        assert float(values.max()) <= high * (1 + 1e-6)


def test_commands_refuse_what_is_no_circuit_and_warn_of_what_says_nothing(eqlab: Eqlab, tmp_path: Path) -> None:
    """A setting that is swallowed is reported in papers as if it had acted."""
    run = ("train", "--network", "resistive", "--hidden", 8, "--epochs", 1, "--train-size", 64, "--out", tmp_path / "run", "--quiet")
    cases = {
        ("--circuit-g-min", 2, "--circuit-g-max", 1): "below the largest",
        ("--readout",): "leave --readout out",
        ("--strength", 1e6): "no minimum at this nudging strength",
        ("--circuit-g-min", "0.1,0.2", "--circuit-g-max", "1,2,3"): "2 smallest and 3 largest",
    }
    for flags, words in cases.items():
        result = eqlab(*run, *flags)
        assert (result.exit_code, words in result.output) == (2, True), result.output
        assert not (tmp_path / "run").exists()
    assert "activation has no effect on a resistive network" in eqlab(*run, "--activation", "tanh").output


def test_pull_adds_a_current_and_a_conductance_to_the_outputs() -> None:
    """The nudged minimum of an output is the current with the pull's over the conductance with the pull's."""
    network, batch = build((2, 3), amplifier="none")
    clamped = network.clamp(batch.inputs[:, :2])
    state = network.initial_state(clamped)
    moved = network.minimiser(0, state, clamped, Pull(torch.full((4, 3), 0.25), 2.0))
    expected = (clamped.drive + 0.25) / (network.conductance(0).sum(0) + 2.0)
    torch.testing.assert_close(moved, expected, rtol=1e-14, atol=0)
