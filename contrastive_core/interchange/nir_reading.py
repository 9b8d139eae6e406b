"""Layered networks from NIR graphs: chains of leaky integrators with feedback through the transposed weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch

from contrastive_core.errors import InputError
from contrastive_core.expect import expect_number, shown
from contrastive_core.interchange.library import library
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.layered import Layered

_CLOSE = 1e-5
"""Largest deviation of feedback from a multiple of the forward weights, over the largest of them: some roundings of float32."""


class _Connection(NamedTuple):
    """Weights (n from, n to) from a layer or the input to a layer or the output, and the bias that comes with them."""

    source: str
    target: str
    weight: np.ndarray
    bias: np.ndarray


def from_nir(graph: Any, *, energy_scale: float | None = None, activation: str | None = None) -> Layered:
    """Return the layered network of a NIR graph.

    The graph is a chain of leaky integrators (LI or CubaLI) with Affine or Linear nodes between them, feedback through one and the same
    multiple of the transposed weights or none at all, and an Affine or Linear readout or none. Resistances and leak voltages go into the
    weights and biases. Time constants are left out, because they move no equilibrium.

    Parameters
    ----------
    graph : nir.NIRGraph
        Graph, such as that of ``nir.read(file)``.
    energy_scale : float, optional
        Ratio of feedback to forward coupling of a graph without feedback, which is the feedforward limit of the network.
    activation : str, optional
        Name in ``ACTIVATIONS`` for integrators whose metadata name none; without it they are linear, as NIR says.

    Raises
    ------
    InputError
        If the library is missing, the graph is no such chain, or an argument says what the graph says itself.
    """
    nir = library("nir")
    if not isinstance(graph, nir.NIRGraph):
        raise InputError(f"graph must be a NIRGraph, got {shown(graph)}; nir.read(file) returns one")
    layers = _layers(nir, graph)
    connections = _connections(nir, graph, layers)
    chain, forward, feedback = _chain(list(layers), connections)
    activations = [_activation(name, graph.nodes[name].metadata, activation) for name in chain]
    weights, has_readout = [one.weight for one in forward], len(forward) > len(chain)
    if len(set(activations if has_readout else activations[:-1])) > 1:
        raise InputError(f"hidden layers of a network have one activation, and those of this graph have {', '.join(activations)}")
    network = Layered(
        [len(weights[0]), *(weight.shape[1] for weight in weights[: len(chain)])],
        activation=activations[0],
        output_activation=activations[-1],
        energy_scale=_scale(graph.metadata, forward[1 : len(chain)], feedback, energy_scale),
        readout=weights[-1].shape[1] if has_readout else None,
        gain=0.0,
        dtype=torch.from_numpy(weights[0]).dtype,
    )
    suffixes = [*map(str, range(1, len(chain) + 1)), "readout"]
    with torch.no_grad():
        for suffix, one in zip(suffixes, forward, strict=False):
            _, leak = layers.get(one.target, (1.0, 0.0))
            network.get_parameter(f"weight_{suffix}").copy_(torch.from_numpy(one.weight))
            network.get_parameter(f"bias_{suffix}").copy_(torch.as_tensor(one.bias + leak))
    return network


def _layers(nir: Any, graph: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return gain and leak voltage of every integrator by name; refuse other nodes."""
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name, node in graph.nodes.items():
        if isinstance(node, nir.LI | nir.CubaLI):
            found[name] = (node.r * getattr(node, "w_in", 1), node.v_leak)
        elif not isinstance(node, nir.Affine | nir.Linear | nir.Input | nir.Output):
            raise InputError(
                f"the node {name} is of the kind {type(node).__name__}; give a graph of Affine, Linear, LI and CubaLI nodes, "
                "because a network at equilibrium is made of units without spikes"
            )
    if not found or len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise InputError("the graph needs one input, one output, and a leaky integrator (LI) at least between them")
    return found


def _connections(nir: Any, graph: Any, layers: dict[str, tuple[np.ndarray, np.ndarray]]) -> list[_Connection]:
    """Return the connections of the graph, each an Affine or Linear node, in units of the integrator that it drives."""
    passing = {name for name, node in graph.nodes.items() if isinstance(node, nir.Affine | nir.Linear)}
    plain = [(a, b) for a, b in graph.edges if a not in passing and (b not in passing and b not in graph.outputs)]
    chained = [(a, b) for a, b in graph.edges if a in passing and b in passing]
    for below, above in plain + chained:
        raise InputError(f"layers must be connected by one Affine or Linear node each, and {below} and {above} are not; put one there")
    found = []
    for name in passing:
        sources, targets = [a for a, b in graph.edges if b == name], [b for a, b in graph.edges if a == name]
        if (len(sources), len(targets)) != (1, 1):
            raise InputError(
                f"the node {name} must connect two layers, and {len(sources)} lead into it and {len(targets)} out of it; "
                "give each connection its own node"
            )
        (source,), (target,) = sources, targets
        gain, _ = layers.get(target, (1.0, 0.0))
        node = graph.nodes[name]
        dtype = np.float64 if node.weight.dtype == np.float64 else np.float32
        weight = (node.weight.T * gain).astype(dtype)
        bias = np.broadcast_to(getattr(node, "bias", 0.0) * gain, weight.shape[1]).astype(dtype)
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise InputError(f"the node {name} has weights or biases that are not finite; write the graph again")
        found.append(_Connection(source, target, weight, bias))
    return found


def _chain(layers: Sequence[str], connections: Sequence[_Connection]) -> tuple[list[str], list[_Connection], list[_Connection]]:
    """Return the integrators from the input up, the connections up, a readout at the end, and those down, in the order of the layers."""
    chain: list[str] = []
    forward: list[_Connection] = []
    ways = [one for one in connections if one.source not in layers]
    while len(ways) == 1:
        forward.append(ways[0])
        if ways[0].target not in layers:
            break
        chain.append(ways[0].target)
        ways = [one for one in connections if one.source == chain[-1] and one.target not in chain]
    rest = [one for one in connections if not any(one is other for other in forward)]
    down = {(above, below): index for index, (below, above) in enumerate(pairwise(chain))}
    if len(ways) > 1 or len(chain) < len(layers) or {(one.source, one.target) for one in rest} - down.keys():
        raise InputError("the layers of the graph are no chain in which each acts on its neighbours alone; give a layered network")
    if rest and (len(rest) != len(down) or len({one.target for one in rest}) != len(down)):
        raise InputError("the graph must have one feedback connection from every layer to the one below, or none at all")
    return chain, forward, sorted(rest, key=lambda one: down[one.source, one.target])


def _activation(name: str, metadata: dict[str, Any], given: str | None) -> str:
    stated = metadata.get("activation")
    if stated is not None and given is not None:
        raise InputError(f"the node {name} names its activation, {stated}; leave the argument out")
    if str(chosen := stated or given or "linear") not in ACTIVATIONS:
        raise InputError(f"the node {name} has the activation {chosen!r}; name one of: {', '.join(ACTIVATIONS)}")
    return str(chosen)


def _scale(metadata: dict[str, Any], forward: Sequence[_Connection], feedback: Sequence[_Connection], given: float | None) -> float:
    """Return the layer energy scale, which feedback has to agree with."""
    if not feedback:
        stated = metadata.get("energy_scale", given)
        if stated is None and forward:
            raise InputError(
                "the graph has no feedback, so that it is the feedforward limit of a network; "
                "give its ratio of feedback to forward coupling, such as energy_scale=0.1"
            )
        return expect_number(1.0 if stated is None else stated, "energy_scale", "it lies above 0 and is at most 1")
    if given is not None:
        raise InputError("the graph has feedback, which says its energy_scale; leave the argument out")
    up, down = (
        np.concatenate([weight.ravel() for weight in weights]) for weights in ([f.weight for f in forward], [f.weight.T for f in feedback])
    )
    measured = float(up @ down) / max(float(up @ up), 1e-300)
    scale = expect_number(metadata.get("energy_scale", measured), "energy_scale", "it lies above 0 and is at most 1")
    if any(one.bias.any() for one in feedback) or np.abs(down - scale * up).max() > _CLOSE * max(float(np.abs(up).max()), 1e-300):
        raise InputError(
            "the feedback of the graph is not one multiple of its transposed forward weights, so that it has no energy; "
            "tie the weights, or leave the feedback out"
        )
    return scale
