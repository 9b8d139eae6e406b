"""NIR graphs settle where the networks settle, and come back as the networks that they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import eqlab

nir = pytest.importorskip("nir", reason="nir is not installed")

NETWORKS: dict[str, Any] = {
    "one layer": lambda: eqlab.Layered((4, 3), output_activation="tanh", energy_scale=0.5),
    "readout": lambda: eqlab.Layered((4, 5, 3), activation="tanh", energy_scale=0.3, readout=2),
    "double": lambda: eqlab.Layered((4, 5, 4, 3), activation="hard-sigmoid", gain=0.4, dtype=torch.float64),
}


def moved(network: Any) -> Any:
    """Give the biases values too."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith("bias"):
                parameter.copy_(torch.linspace(-0.2, 0.5, len(parameter)))
    return network


def settle(graph: Any, inputs: np.ndarray) -> np.ndarray:
    """Oracle: follow the equations of NIR's documentation by explicit steps of 0.4 tau, with the activations that the metadata name."""
    units = {name: node for name, node in graph.nodes.items() if isinstance(node, nir.LI)}
    voltage = {name: np.zeros((len(inputs), len(node.tau))) for name, node in units.items()}

    def value(name: str) -> np.ndarray:
        if name in units:
            response = eqlab.ACTIVATIONS[units[name].metadata["activation"]].value
            return response(torch.from_numpy(voltage[name])).numpy()
        if name in graph.inputs:
            return inputs
        node, before = graph.nodes[name], sum(value(a) for a, b in graph.edges if b == name)
        return before if isinstance(node, nir.Output) else before @ node.weight.T + getattr(node, "bias", 0.0)

    for _ in range(500):
        moves = {}
        for name, node in units.items():
            current = sum(value(a) for a, b in graph.edges if b == name)
            moves[name] = 0.4 * (node.v_leak - voltage[name] + node.r * current)
        for name, move in moves.items():
            voltage[name] += move
        if max(np.abs(move).max() for move in moves.values()) < 1e-15:  # in units of tau
            break
    return value("output")


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_graph_settles_at_the_equilibrium_and_comes_back_as_the_network(kind: str, tmp_path: Path) -> None:
    """If this fails, neuromorphic hardware that runs the graph settles elsewhere, or a file comes back as another network."""
    network = moved(NETWORKS[kind]())
    nir.write(tmp_path / "network.nir", eqlab.to_nir(network, 0.02))
    graph = nir.read(tmp_path / "network.nir")
    back = eqlab.from_nir(graph)
    assert back.state_dict().keys() == network.state_dict().keys()
    for name, parameter in network.state_dict().items():
        torch.testing.assert_close(back.state_dict()[name], parameter, rtol=0, atol=0)
    assert (back.energy_scale, back.activations, back.sizes) == (network.energy_scale, network.activations, network.sizes)
    inputs = torch.rand(3, 4, generator=torch.Generator().manual_seed(1)).to(network.bias(0).dtype)
    clamped = back.clamp(inputs)
    double = back.bias(0).dtype == torch.float64
    free = eqlab.relax(
        clamped, back.initial_state(clamped), eqlab.BlockDescent(), eqlab.Stop(1e-13 if double else 1e-6, 1000), backend="torch"
    )
    # Explicit steps end below 1e-15, within 1e-14 of rest with a curvature near 1; float32 rounds at 1e-7.
    np.testing.assert_allclose(settle(graph, inputs.numpy()), back.output(free.state).detach(), rtol=0, atol=1e-12 if double else 2e-6)
    assert graph.nodes["layer_1"].tau[0] == pytest.approx(0.02)
    assert "no analogue activation" in graph.metadata["lost"]


def foreign(**changes: Any) -> Any:
    """A graph as other programs write them: no metadata, no feedback, resistances and leaks."""
    random = np.random.default_rng(0)
    nodes = {
        "in": nir.Input(np.array([3])),
        "w1": nir.Affine(random.normal(size=(4, 3)), random.normal(size=4)),
        "v1": nir.LI(tau=np.full(4, 0.1), r=np.full(4, 2.0), v_leak=np.full(4, 0.5)),
        "w2": nir.Linear(random.normal(size=(2, 4))),
        "v2": nir.CubaLI(tau_syn=np.full(2, 0.1), tau_mem=np.full(2, 0.2), r=np.full(2, 0.5), v_leak=np.zeros(2), w_in=np.full(2, 3.0)),
        "out": nir.Output(np.array([2])),
    }
    edges = [("in", "w1"), ("w1", "v1"), ("v1", "w2"), ("w2", "v2"), ("v2", "out")]
    return nir.NIRGraph(nodes | changes.pop("nodes", {}), edges + changes.pop("edges", []), metadata=changes)


def test_a_graph_without_feedback_is_the_feedforward_limit_of_a_network() -> None:
    """If this fails, resistances, leak voltages or weights of synapses of another program's graph are lost."""
    graph = foreign()
    network = eqlab.from_nir(graph, energy_scale=0.2, activation="tanh")
    inputs = np.random.default_rng(1).normal(size=(5, 3))
    first, second = graph.nodes["w1"], graph.nodes["w2"]
    hidden = np.tanh(0.5 + 2 * (inputs @ first.weight.T + first.bias))
    expected = np.tanh(0.5 * 3 * hidden @ second.weight.T)
    found = network.output(network.feedforward(network.clamp(inputs))).detach()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
    assert network.energy_scale == 0.2


def test_the_energy_scale_is_that_of_the_feedback() -> None:
    """If this fails, feedback of another strength than the weights say acts on the layers. Gains 2 and 1.5 stand before both ways."""
    weight = foreign().nodes["w2"].weight
    down = {"f2": nir.Linear(0.3 * 1.5 / 2 * weight.T)}
    network = eqlab.from_nir(foreign(nodes=down, edges=[("v2", "f2"), ("f2", "v1")]))
    assert network.energy_scale == pytest.approx(0.3, abs=1e-12)


REFUSED: dict[str, Any] = {
    "leave the argument out": lambda: eqlab.from_nir(eqlab.to_nir(NETWORKS["readout"]()), energy_scale=0.1),
    "give its ratio of feedback": lambda: eqlab.from_nir(foreign()),
    "no chain": lambda: eqlab.from_nir(foreign(nodes={"w3": nir.Linear(np.ones((4, 4)))}, edges=[("v1", "w3"), ("w3", "v1")])),
    "so that it has no energy": lambda: eqlab.from_nir(foreign(nodes={"f": nir.Linear(np.ones((4, 2)))}, edges=[("v2", "f"), ("f", "v1")])),
    "of the kind LIF": lambda: eqlab.from_nir(
        foreign(nodes={"v1": nir.LIF(tau=np.ones(4), r=np.ones(4), v_leak=np.zeros(4), v_threshold=np.ones(4))})
    ),
    "one Affine or Linear node each, and v1 and v2": lambda: eqlab.from_nir(
        nir.NIRGraph(foreign().nodes, [*foreign().edges, ("v1", "v2")], type_check=False)
    ),
    "0 lead into it and 1 out of it": lambda: eqlab.from_nir(
        nir.NIRGraph(foreign().nodes | {"w3": nir.Linear(np.ones((2, 3)))}, [*foreign().edges, ("w3", "v2")], type_check=False)
    ),
    "1 lead into it and 0 out of it": lambda: eqlab.from_nir(
        nir.NIRGraph(foreign().nodes | {"w3": nir.Linear(np.ones((2, 4)))}, [*foreign().edges, ("v1", "w3")], type_check=False)
    ),
    "not finite": lambda: eqlab.from_nir(foreign(nodes={"w2": nir.Linear(np.full((2, 4), np.nan))}), energy_scale=0.1),
    "has the activation 'sine'": lambda: eqlab.from_nir(foreign(), energy_scale=0.1, activation="sine"),
    "graph must be a NIRGraph": lambda: eqlab.from_nir("network.nir"),
    "export a convolutional network as ONNX": lambda: eqlab.to_nir(eqlab.Layered(eqlab.convolutional("2c3 2", (1, 4, 4)))),
    "export a network, without spikes": lambda: eqlab.to_nir(eqlab.spiking((4, 3, 2))),
    "time_constant must be positive": lambda: eqlab.to_nir(NETWORKS["readout"](), 0.0),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_has_no_meaning_on_the_other_side_is_refused(message: str) -> None:
    """If this fails, a graph that is no network at equilibrium is taken for one, or a part is lost without a word."""
    with pytest.raises(eqlab.InputError, match=message):
        REFUSED[message]()
