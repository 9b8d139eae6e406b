"""Properties of every physical network: its energy, its constraints, the rules that it takes, and its learning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import oracles
import pytest
import torch
from click.testing import CliRunner
from systems import HOLDING_RULES, RULE_NAMES, System, build_rule, seeded, settle

from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.data.splits import Split, Splits
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import InputError
from contrastive_core.generators import generator_of
from contrastive_core.networks.layered import Layered
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch, State
from eqprop import NETWORKS as PHYSICAL
from eqprop.binary import BinaryWeights
from eqprop.ising import Ising
from eqprop.lattice import Graph, scattered
from eqprop.resistor_graph import ResistorGraph
from eqprop.spiking import SpikeCount
from experiments.cli import cli
from experiments.setup.devices import assemble
from experiments.setup.networks import draw_network, without_effect
from experiments.setup.options import LearningOptions
from experiments.setup.tables import NETWORKS

HELD = {"oscillator"}
"""Networks whose outputs are computed from their last layer, and not by units that could be held: rules that hold outputs refuse them."""


def build(kind: str, dtype: str = "float64") -> System:
    """Build a small network as a command does, with biases moved off 0, and a batch."""
    generator = seeded(3)
    part = Split(torch.rand((6, 5), generator=generator), torch.tensor([0, 1, 2, 2, 1, 0]))
    splits = Splits(part, part, part, 3, "test", "", (1, 1, 5))
    graph = {"rows": 5, "columns": 4, "links": 30, "input_gain": 2.0}
    options = LearningOptions.model_validate(
        {
            "network": kind,
            "hidden": (6,),
            "gain": 1.0,
            "dtype": dtype,
            "layers": "" if kind == "untied" else "2c3s2+1>3 3c1 3",  # whose layers see their neighbours alone
            "graph": graph,
            "circuit": {"input_gain": 3.0},
        }
    )
    network = draw_network(options, splits, generator_of(0, 0))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "bias" in name:
                parameter.uniform_(-0.2, 0.2, generator=generator)
    return System(network, Batch(part.inputs[:4].to(parameter.dtype), part.labels[:4]))


def states(system: System) -> tuple[State, State]:
    """Two states off every corner, where all energies are smooth."""
    dtype = next(system.network.parameters()).dtype
    shapes = [(len(system.batch.labels), *shape) for shape in system.network.shapes]
    draws = [[0.1 + 0.8 * torch.rand(shape, generator=seeded(seed), dtype=dtype) for shape in shapes] for seed in (5, 6)]
    return tuple(draws[0]), tuple(draws[1])


@pytest.mark.parametrize("kind", [kind for kind in NETWORKS if kind != "untied"])  # whose field has no energy
def test_force_and_contrast_are_derivatives_of_the_energy_of_every_network(kind: str) -> None:
    """A rule contrasts energies; a network whose force or gradient is of another energy learns something else."""
    system = build(kind)
    network, (plus, minus) = system.network, states(system)
    state = tuple(layer.requires_grad_() for layer in plus)
    energy = network.energy(state, network.clamp(system.batch.inputs))
    assert energy.shape == (4,)
    automatic = torch.autograd.grad(energy.sum(), state, retain_graph=True)
    for force, gradient in zip(network.force(state, network.clamp(system.batch.inputs)), automatic, strict=True):
        torch.testing.assert_close(force, -gradient, rtol=1e-12, atol=1e-12)  # sums of some hundred terms of size 1 to 10
    exact = dict(zip(dict(network.named_parameters()), torch.autograd.grad(energy.mean(), list(network.parameters())), strict=True))
    plus = tuple(layer.detach() for layer in plus)
    assert oracles.gradient_error(network.energy_gradient(plus, system.clamped), exact) < 1e-13
    other = network.energy_gradient(minus, system.clamped)
    difference = {name: 2.0 * (exact[name] - other[name]) for name in exact}
    assert oracles.gradient_error(network.energy_gradient(plus, system.clamped, minus, 2.0), difference) < 1e-12


@pytest.mark.parametrize("kind", NETWORKS)
def test_constraints_and_projections_of_every_network_leave_what_is_allowed(kind: str) -> None:
    """They are called after every step: one that moves what it has moved would drift."""
    system = build(kind)
    network, (state, _) = system.network, states(system)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=seeded(1), dtype=parameter.dtype))
    network.constrain_()
    once = [parameter.detach().clone() for parameter in network.parameters()]
    network.constrain_()
    assert all(torch.equal(one, other) for one, other in zip(once, network.parameters(), strict=True))
    for name, (low, high) in network.pieces.bounds.items():
        values = network.get_parameter(name).detach()
        assert low <= float(values.min()) <= float(values.max()) <= high
    projected = network.project(state)
    assert all(torch.equal(one, other) for one, other in zip(projected, network.project(projected), strict=True))


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_rule_runs_on_every_network_or_says_why_not(kind: str) -> None:
    """A rule that knows what network it trains would not be a rule of the core."""
    system = build(kind)
    names = list(dict(system.network.named_parameters()))
    settling = Settling(BlockDescent(), Stop(1e-12, 3000), Stop(1e-9, 3000))
    for rule in RULE_NAMES:
        setting = Setting(SquaredError(), settling, strength=0.05, fraction=0.05, frozen=kind == "ising")
        if kind in HELD and rule in HOLDING_RULES:
            with pytest.raises(InputError, match="computed from the last layer and cannot be held; use a nudge"):
                build_rule(rule, setting).estimate(system.network, system.batch, generator=seeded(0))
            continue
        gradients = build_rule(rule, setting).estimate(system.network, system.batch, generator=seeded(0)).gradients
        assert list(gradients) == names, rule
        assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients.values()), rule


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_network_runs_on_ideal_devices_and_answers_as_without(kind: str) -> None:
    """A substrate is studied on imperfect devices: perfect ones must change nothing."""
    system = build(kind)
    free = settle(system, BlockDescent(), Stop(1e-10, 2000)).state
    held = OnDevice(system.network, assemble("ideal", (), 0))
    assert held.levels()  # at least one array
    again = settle(System(held, system.batch), BlockDescent(), Stop(1e-10, 2000)).state
    for one, other in zip(free, again, strict=True):
        # Levels are weights over a range: a few roundings, times the inverse of the smallest curvature of some .1.
        torch.testing.assert_close(one, other, rtol=0, atol=1e-8)


def test_all_physical_networks_are_listed_and_others_options_are_said_to_have_no_effect() -> None:
    """A network that no command trains is tested by nobody; an option that is swallowed is reported as if it had acted."""
    assert set(PHYSICAL) == set(NETWORKS) - {"layered", "convolutional", "towers"}
    said = without_effect(LearningOptions.model_validate({"network": "spiking", "graph": {"rows": 9}, "activation": "tanh"}))
    assert said == ["activation has no effect on a spiking network", "graph-rows has no effect on a spiking network"]
    assert without_effect(LearningOptions.model_validate({"network": "resistor-graph", "graph": {"rows": 9}})) == []
    beside = LearningOptions.model_validate({"network": "untied", "hidden": (5,), "layers": "8c3 10"})  # as a varied network has both
    assert without_effect(beside) == ["--hidden has no effect with --layers, which name all layers"]
    assert "give --frozen" in without_effect(LearningOptions.model_validate({"network": "ising"}))[0]
    deep = CliRunner().invoke(cli, ["train", "--network", "ising", "--frozen", "--hidden", "5,5", "--train-size", "32"])
    assert (deep.exit_code, "one hidden layer, got 2" in deep.output) == (2, True), deep.output


def test_scattered_graph_has_what_was_asked_for_and_is_the_lattice_without_links() -> None:
    """A graph that is drawn must still be a circuit whose every node has a voltage."""
    graph = scattered((4, 5), 40, sources=6, outputs=3, rails=(1.0, -1.0), generator=seeded(0))
    assert (graph.num_nodes, len(graph.edges)) == (20, 15 + 16 + 40)
    assert (len(graph.sources), len(graph.outputs), [voltage for _, voltage in graph.rails]) == (6, 3, [1.0, -1.0])
    assert all(first != second for first, second in graph.edges)
    assert {node for edge in graph.edges[31:] for node in edge} == set(range(20))  # links reach every node: (18/20)^40 each not to
    again = scattered((4, 5), 40, sources=6, outputs=3, rails=(1.0, -1.0), generator=seeded(0))
    assert again == graph


def test_mirrored_sources_are_held_at_minus_the_inputs() -> None:
    """Averages weigh nothing negatively: without the mirror a graph cannot say no."""
    edges = [(0, 3), (1, 3), (2, 4), (3, 5), (4, 5), (0, 4)]
    network = ResistorGraph(Graph(6, edges, (0, 1), (5,), ((2, 1.0),)), input_gain=3.0, mirrored=True, dtype=torch.float64)
    plain = ResistorGraph(Graph(6, edges, (0, 1), (5,), ((2, 1.0),)), dtype=torch.float64)
    x = torch.tensor([[0.7], [-0.2]], dtype=torch.float64)
    one, other = network.clamp(x), plain.clamp(torch.cat([3 * x, -3 * x], 1))
    torch.testing.assert_close(one.drive, other.drive, rtol=0, atol=1e-15)
    state = (torch.rand((2, 2)).double(), torch.rand((2, 1)).double())
    torch.testing.assert_close(network.energy(state, one), plain.energy(state, other), rtol=1e-14, atol=0)


def test_votes_are_shares_of_spins_and_their_pull_is_the_derivative() -> None:
    """A nudge on an output must act on the spins that vote for it, and only on those."""
    network = Ising((3, 4, 6), voters=3, generator=seeded(0), dtype=torch.float64)
    output = torch.tensor([[1.0, 1, -1, -1, -1, -1]], dtype=torch.float64, requires_grad=True)
    shares = network.output((torch.ones(1, 4).double(), output))
    assert shares[0].tolist() == pytest.approx([2 / 3, 0.0])
    weights = torch.tensor([[0.3, -2.0]], dtype=torch.float64)
    (automatic,) = torch.autograd.grad((shares * weights).sum(), output)
    torch.testing.assert_close(network.pull_back((torch.ones(1, 4).double(), output), weights), automatic, rtol=1e-15, atol=0)


ERRORS: dict[str, tuple[Any, list[str]]] = {
    "no window": (lambda: SpikeCount(0), ["at least 1 step", "0"]),
    "binary zeros": (lambda: BinaryWeights(Layered((2, 2), gain=0.0)), ["layer 1", "all 0", "random"]),
    "binary readout": (lambda: BinaryWeights(Layered((2, 2), readout=2, generator=seeded(0))), ["leave the readout out"]),
    "full lattice": (
        lambda: scattered((2, 2), 0, sources=3, outputs=1, generator=seeded(0)),
        ["2 by 2 nodes", "3 sources", "more than 4 nodes"],
    ),
    "negative links": (lambda: scattered((3, 3), -1, sources=1, outputs=1, generator=seeded(0)), ["-1 links"]),
    "odd mirror": (
        lambda: ResistorGraph(Graph(4, [(0, 1), (1, 2), (2, 3)], (0,), (3,)), mirrored=True),
        ["1 sources", "even number"],
    ),
    "no input gain": (lambda: ResistorGraph(Graph(4, [(0, 1), (1, 2), (2, 3)], (0,), (3,)), input_gain=0.0), ["input_gain", "positive"]),
    "uneven voters": (lambda: Ising((2, 2, 5), voters=2), ["5 output spins", "2 voters"]),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_say_what_was_wrong_and_what_to_do(case: str) -> None:
    """A substrate that cannot be must not be simulated."""
    make, words = ERRORS[case]
    with pytest.raises(InputError) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("config", "flags", "most"),
    [
        ("spiking-digits", ("--hidden", 32, "--epochs", 3), 0.35),
        ("binary-digits", ("--hidden", 64, "--epochs", 3), 0.45),
        ("ising-digits", ("--hidden", 40, "--epochs", 3), 0.5),
        ("ising-anneal-digits", ("--hidden", 40, "--epochs", 5, "--batch-size", 8, "--anneal-sweeps", 30, "--anneal-reads", 2), 0.5),
        ("conv-mnist", ("--data", "digits", "--layers", "8c3+1 p2 16c3 10", "--learning-rates", 0.01, "--epochs", 3), 0.5),
        ("graph-digits", ("--rule", "coupled-positive", "--graph-links", 3000, "--epochs", 2), 0.6),
    ],
)
def test_shipped_configurations_learn(config: str, flags: tuple[object, ...], most: float, tmp_path: Path) -> None:
    """A configuration that is shipped is what users start from: smaller and shorter, it must still learn far from chance, .9."""
    arguments = ["train", "--config", config, *flags, "--train-size", 600, "--out", tmp_path / "run", "--quiet", "--json"]
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["test_error"] < most


def test_gradients_of_spins_say_that_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    """An exact gradient of 0 has no direction; a table of numbers about it would mislead."""
    arguments = ["gradients", "--network", "ising", "--hidden", "6", "--frozen", "--strength", "10", "--rules", "ep-positive"]
    result = CliRunner().invoke(cli, [*arguments, "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    assert "the exact gradient is 0" in result.stderr
