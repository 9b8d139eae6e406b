"""Resistors on a graph: the operating point by nodal analysis, exact gradients, coupled learning's law, and what may be nudged."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import oracles
import pytest
import torch
from systems import RULE_NAMES, build_rule, exact_settling, seeded
from torch import Tensor

from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.anderson import Anderson
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.errors import DivergenceError, InputError, ShapeError
from contrastive_core.phases import Sides
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch, State
from eqprop.lattice import Graph, square_lattice
from eqprop.resistor_graph import ResistorGraph
from eqprop.rule import EquilibriumPropagation
from hebbian.coupled import CoupledLearning


def build(outputs: tuple[int, ...] = (10, 5), dtype: torch.dtype = torch.float64) -> tuple[ResistorGraph, Batch]:
    """A lattice with a diagonal and a double edge, a rail, and targets."""
    edges = [*square_lattice(3, 4), (0, 5), (1, 2)]
    generator = seeded(2)
    network = ResistorGraph(Graph(12, edges, (0, 3, 8), outputs, ((11, 1.0),)), generator=generator, dtype=dtype)
    inputs = torch.randn((4, 3), generator=generator, dtype=dtype)
    return network, Batch(inputs, torch.randn((4, len(outputs)), generator=generator, dtype=dtype))


def settled(network: ResistorGraph, batch: Batch) -> State:
    with torch.no_grad():
        clamped = network.clamp(batch.inputs)
        return relax(clamped, network.initial_state(clamped), BlockDescent(), Stop(1e-14, 5000)).state


def node_voltages(network: ResistorGraph, batch: Batch, state: State) -> Tensor:
    """The voltages in the graph's own numbering, of shape (B, 12)."""
    graph = network.graph
    voltages = batch.inputs.new_zeros(len(batch.inputs), graph.num_nodes)
    voltages[:, list(graph.sources)] = batch.inputs
    voltages[:, graph.inner], voltages[:, list(graph.outputs)] = state
    for node, voltage in graph.rails:
        voltages[:, node] = voltage
    return voltages


def test_lattice_joins_every_node_to_its_neighbours_once() -> None:
    """Published tasks are on this graph."""
    edges = square_lattice(3, 4)
    assert len({frozenset(edge) for edge in edges}) == len(edges) == 3 * 3 + 2 * 4
    assert {abs(first - second) for first, second in edges} == {1, 4}
    assert (3, 4) not in edges  # the end of a row and the start of the next


@pytest.mark.parametrize("dynamics", [BlockDescent(), GradientFlow(0.1), Anderson()])
def test_every_dynamics_ends_at_the_operating_point_of_nodal_analysis(dynamics: Any) -> None:
    """Kirchhoff's laws, written out node by node, have one solution."""
    network, batch = build()
    with torch.no_grad():
        clamped = network.clamp(batch.inputs)
        found = relax(clamped, network.initial_state(clamped), dynamics, Stop(1e-13, 5000)).state
        direct = network.feedforward(clamped)
    graph, conductances = network.graph, network.conductance.detach().tolist()
    for sample, inputs in enumerate(batch.inputs.tolist()):
        fixed = dict(zip(graph.sources, inputs, strict=True)) | dict(graph.rails)
        matrix, right = np.zeros((12, 12)), np.zeros(12)
        for node in range(12):
            if node in fixed:
                matrix[node, node], right[node] = 1, fixed[node]
                continue
            for (first, second), g in zip(graph.edges, conductances, strict=True):
                if node in (first, second):
                    matrix[node, node] += g
                    matrix[node, second if node == first else first] -= g
        expected = np.linalg.solve(matrix, right)
        for state in (found, direct):
            # Residual 1e-13 over the softest mode of some .3 S, relative to conductances of 1 S.
            np.testing.assert_allclose(node_voltages(network, batch, state)[sample].numpy(), expected, rtol=0, atol=5e-12)


def test_force_and_energy_gradient_are_derivatives_of_the_dissipation() -> None:
    """Every rule contrasts these; a wrong one would be learned from as if it were a gradient."""
    network, batch = build()
    with torch.no_grad():
        start = network.initial_state(network.clamp(batch.inputs), seeded(5))
    state = tuple(layer.requires_grad_() for layer in start)
    energy = network.energy(state, network.clamp(batch.inputs))
    voltages = node_voltages(network, batch, tuple(layer.detach() for layer in state)).tolist()
    edges = list(zip(network.graph.edges, network.conductance.detach().tolist(), strict=True))
    for sample in range(4):
        dissipated = sum(0.5 * g * (voltages[sample][i] - voltages[sample][j]) ** 2 for (i, j), g in edges)
        assert float(energy[sample].detach()) == pytest.approx(dissipated, rel=1e-14, abs=0)
    automatic = torch.autograd.grad(energy.sum(), state, retain_graph=True)
    for force, gradient in zip(network.force(state, network.clamp(batch.inputs)), automatic, strict=True):
        torch.testing.assert_close(force, -gradient, rtol=0, atol=1e-13)
    exact = {"conductance": torch.autograd.grad(energy.mean(), network.conductance)[0]}
    clamped, values = network.clamp(batch.inputs), tuple(layer.detach() for layer in state)
    assert oracles.gradient_error(network.energy_gradient(values, clamped), exact) < 1e-14
    other = tuple(0.7 * layer.roll(1, 0) for layer in values)
    contrast = 2 * (exact["conductance"] - network.energy_gradient(other, clamped)["conductance"])
    assert oracles.gradient_error(network.energy_gradient(values, clamped, other, 2.0), {"conductance": contrast}) < 1e-13


def test_equilibrium_propagation_is_the_gradient_of_the_dense_solution_and_of_finite_differences() -> None:
    """Each resistor's own voltages must give the derivative of the cost at far outputs."""
    network, batch = build()
    setting = Setting(SquaredError(), exact_settling(), strength=1e-4)
    estimate = build_rule("ep-centered", setting).estimate(network, batch).gradients
    # Backprop differentiates the direct solution of the nodal equations.
    for name in ("backprop", "implicit"):
        exact = build_rule(name, setting).estimate(network, batch).gradients
        assert oracles.gradient_error(estimate, exact) < 1e-7  # beta² = 1e-8 times curvatures of order 1
    cost = SquaredError()
    for edge in range(0, 19, 3):
        direction = torch.zeros_like(network.conductance)
        direction[edge] = 1.0
        slope = oracles.slope_along(
            lambda: float(cost.value(settled(network, batch)[1], batch).mean()), network.conductance, direction, 1e-3
        )
        assert float(estimate["conductance"][edge]) == pytest.approx(slope, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("fraction", [1.0, 0.3, 0.01])
def test_coupled_learning_is_its_law_resistor_by_resistor(fraction: float) -> None:
    r"""The published rule: dG = (alpha / 2 eta) [(dv^F)² - (dv^C)²], from the voltages with the outputs held nearer to the targets."""
    network, batch = build()
    estimate = CoupledLearning(SquaredError(), exact_settling(), fraction, Sides.POSITIVE).estimate(network, batch)
    free, held = (node_voltages(network, batch, estimate.relaxations[phase].state) for phase in ("free", "positive"))
    outputs = list(network.graph.outputs)
    torch.testing.assert_close(held[:, outputs], free[:, outputs] + fraction * (batch.labels - free[:, outputs]), rtol=0, atol=1e-12)
    for edge, (i, j) in enumerate(network.graph.edges):
        law = float(((free[:, i] - free[:, j]).square() - (held[:, i] - held[:, j]).square()).mean()) / (2 * fraction)
        assert -float(estimate.gradients["conductance"][edge]) == pytest.approx(law, abs=1e-11 / fraction)


@pytest.mark.parametrize("strength", [1.0, 1e-3])
def test_coupled_learning_of_one_output_is_equilibrium_propagation_with_the_matched_nudge(strength: float) -> None:
    """A nudge beta moves an output seen through conductance h by eta = beta / (h + beta) of its error: the same circuit state."""
    network, batch = build((10,))
    seen = float(network.output_conductance().detach())
    nudged = EquilibriumPropagation(SquaredError(), exact_settling(), strength, Sides.POSITIVE).estimate(network, batch)
    fraction = strength / (seen + strength)
    held = CoupledLearning(SquaredError(), exact_settling(), fraction, Sides.POSITIVE).estimate(network, batch)
    for one, other in zip(nudged.relaxations["positive"].state, held.relaxations["positive"].state, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)
    scaled = {"conductance": (seen + strength) * nudged.gradients["conductance"]}
    assert oracles.gradient_error(held.gradients, scaled) < 1e-10 / strength  # rounding of the states over the nudge


def test_coupled_learning_of_two_outputs_tends_to_the_gradient_of_a_mixed_error() -> None:
    """It is no gradient of the cost: errors arrive multiplied by the conductance seen from the outputs."""
    network, batch = build()
    seen = network.output_conductance().detach()
    free = settled(network, batch)
    exact = oracles.dense_gradient(network, batch, free, SquaredError(), lambda error, schur: schur @ error)
    unmixed = oracles.dense_gradient(network, batch, free, SquaredError())
    held = CoupledLearning(SquaredError(), exact_settling(), 1e-4).estimate(network, batch).gradients
    assert oracles.gradient_error(held, exact) < 1e-7
    assert oracles.cosine(held, unmixed) < 0.999
    assert float(seen[0, 1]) < 0  # the outputs are joined through the circuit


@pytest.mark.parametrize("name", RULE_NAMES)
def test_every_rule_runs_on_a_graph_and_keeps_float32(name: str) -> None:
    """A rule that knows what network it trains would not be a rule of the core."""
    network, batch = build(dtype=torch.float32)
    setting = Setting(SquaredError(), Settling(BlockDescent(), Stop(1e-5, 500), Stop(1e-4, 500)), strength=0.1, fraction=0.1)
    gradients = build_rule(name, setting).estimate(network, batch, generator=seeded(0)).gradients
    assert {key: (value.shape, value.dtype) for key, value in gradients.items()} == {"conductance": ((19,), torch.float32)}


def test_lattice_learns_voltages_at_far_nodes_within_its_bounds() -> None:
    """The published task: outputs take wanted voltages for given sources; no processor computes a gradient."""
    graph = Graph(25, square_lattice(5, 5), (0, 4), (17, 22), ((20, 0.0),))
    network = ResistorGraph(graph, bounds=(0.05, 5.0), generator=seeded(0), dtype=torch.float64)
    batch = Batch(torch.tensor([[1.0, 0.4]]).double(), torch.tensor([[0.2, 0.35]]).double())
    rule = CoupledLearning(SquaredError(), Settling(BlockDescent(), Stop(1e-9, 500), Stop(1e-6, 500)), 0.1, Sides.POSITIVE)
    optimiser, costs = torch.optim.SGD(network.parameters(), 5.0), []
    for _ in range(90):
        estimate = rule.estimate(network, batch)
        costs.append(float(SquaredError().value(estimate.relaxations["free"].state[1], batch)))
        network.conductance.grad = estimate.gradients["conductance"]
        optimiser.step()
        network.constrain_()
    assert costs[-1] < 1e-3 * costs[0]
    assert (float(network.conductance.detach().min()) >= 0.05, float(network.conductance.detach().max()) <= 5.0) == (True, True)


def test_outputs_may_be_pushed_as_far_as_the_conductance_seen_from_them() -> None:
    """Beyond it a negative phase runs away, and the user has to know how far a circuit may be nudged."""
    network, batch = build()
    nodes = oracles.state_hessian(network, network.clamp(batch.inputs), settled(network, batch), 0).numpy()
    bound = float(
        np.linalg.eigvalsh(np.linalg.inv(np.linalg.inv(nodes)[-2:, -2:]))[0]
    )  # the block of the inverse is the Schur complement's
    assert network.least_curvature() == pytest.approx(-bound, rel=1e-10)
    assert (network.has_minimum(-0.999 * bound), network.has_minimum(-1.001 * bound)) == (True, False)
    with pytest.raises(DivergenceError, match=f"nearer to 0 than {bound:.4g}"):
        build_rule("ep-centered", Setting(SquaredError(), exact_settling(), strength=1.01 * bound)).estimate(network, batch)


LINE = square_lattice(1, 4)
ERRORS: dict[str, tuple[Any, type[Exception], list[str]]] = {
    "no such node": (lambda: Graph(4, [*LINE, (1, 7)], (0,), (3,)), InputError, ["no node 7", "0 to 3"]),
    "two roles": (lambda: Graph(4, LINE, (0,), (3,), ((0, 1.0),)), InputError, ["node 0 has two roles"]),
    "edge to itself": (lambda: Graph(4, [*LINE, (2, 2)], (0,), (3,)), InputError, ["node 2 to itself", "leave it out"]),
    "floating node": (lambda: Graph(5, LINE, (0,), (3,)), InputError, ["node 4 is connected to no source", "add an edge"]),
    "no inner node": (lambda: Graph(2, [(0, 1)], (0,), (1,)), InputError, ["one node beside"]),
    "conductance 0": (lambda: ResistorGraph(Graph(4, LINE, (0,), (3,)), bounds=(0.0, 1.0)), InputError, ["positive", "0 and 1 S"]),
    "initial range": (lambda: ResistorGraph(Graph(4, LINE, (0,), (3,)), initial=(2.0, 1.0)), InputError, ["2 and 1 S"]),
    "inputs of another width": (lambda: build()[0].clamp(torch.zeros(3, 5)), ShapeError, ["(batch, 3)", "(3, 5)"]),
    "inputs with NaN": (lambda: build()[0].clamp(torch.full((1, 3), math.nan)), InputError, ["NaN", "clean the data"]),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_say_what_was_wrong_and_what_to_do(case: str) -> None:
    """A wrong circuit must not become a wrong number."""
    make, kind, words = ERRORS[case]
    with pytest.raises(kind) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)
