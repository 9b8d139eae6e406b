"""ONNX graphs are the networks: ONNX's own evaluator computes what the network computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import eqlab

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

NETWORKS: dict[str, Any] = {
    "readout": lambda: eqlab.Layered((6, 5, 4), activation="tanh", readout=3),
    "double": lambda: eqlab.Layered((6, 5, 4), activation="clipped-relu", dtype=torch.float64),
    "pictures": lambda: eqlab.Layered(eqlab.convolutional("3c3+1 p2 4c3s2+1 a2 5", (2, 9, 8)), activation="steep-logistic"),
    "skip": lambda: eqlab.Layered(eqlab.convolutional("3c3+1>3 3c3+1 3c3+1 2c3", (2, 5, 5)), activation="logistic", picture_output=True),
}


def moved(network: Any) -> Any:
    """Give the biases values too."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network


def run(graph: Any, inputs: Tensor) -> Tensor:
    from onnx.reference import ReferenceEvaluator

    (found,) = ReferenceEvaluator(graph).run(None, {"inputs": inputs.numpy()})
    return torch.from_numpy(found)


def drawn(network: Any) -> Tensor:
    shape = network.architecture.inputs
    return torch.rand(7, *shape, generator=torch.Generator().manual_seed(1)).to(network.bias(0).dtype)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_graph_computes_the_feedforward_limit(kind: str) -> None:
    """If this fails, a runtime answers otherwise than the network that was trained: a missing bias, a pooling, a transposed weight."""
    network = moved(NETWORKS[kind]())
    inputs = drawn(network)
    expected = network.output(network.feedforward(network.clamp(inputs))).detach()
    graph = eqlab.to_onnx(network)
    # Sums of some tens of terms of size 1 in float32, at 1.2e-7 each.
    torch.testing.assert_close(run(graph, inputs), expected, rtol=0, atol=1e-14 if kind == "double" else 1e-6)
    assert onnx.load_from_string(graph.SerializeToString()).graph.output[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_sweeps_of_a_graph_reach_the_equilibrium() -> None:
    """If this fails, feedback has another sign, scale or transposition. The limit without sweeps is the control."""
    network = moved(eqlab.Layered((6, 5, 4, 3), activation="tanh", energy_scale=0.4, dtype=torch.float64))
    inputs = drawn(network)
    clamped = network.clamp(inputs)
    free = eqlab.relax(clamped, network.initial_state(clamped), eqlab.BlockDescent(), eqlab.Stop(1e-13, 1000), backend="torch")
    errors = [float((run(eqlab.to_onnx(network, sweeps), inputs) - free.state[-1].detach()).abs().max()) for sweeps in (0, 5, 60)]
    assert errors[0] > 1e-2
    assert errors[1] < errors[0] / 2
    assert errors[2] < 1e-12  # of a contraction by at least 1.6 a sweep: 1.6^-60 is 6e-13


@pytest.mark.parametrize(
    ("network", "sweeps", "message"),
    [
        (lambda: eqlab.Resistive((3, 2, 2)), 0, "export a network of the kinds layered and convolutional"),
        (lambda: eqlab.Layered(eqlab.convolutional("3c3 l2 2", (1, 6, 6))), 0, "layer 1 has another link"),
        (lambda: eqlab.Layered(eqlab.convolutional("3c3 2", (1, 6, 6))), 2, "rows of units only; leave them out"),
        (lambda: eqlab.Layered((3, 2)), -1, "sweeps must be a whole number"),
    ],
)
def test_what_a_graph_does_not_hold_is_refused(network: Any, sweeps: int, message: str) -> None:
    """If this fails, a file lacks a part of the network without a word."""
    with pytest.raises(eqlab.InputError, match=message):
        eqlab.to_onnx(network(), sweeps)
