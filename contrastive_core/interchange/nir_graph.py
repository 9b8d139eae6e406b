r"""NIR graphs of layered networks: leaky integrators that excite each other through the same weights both ways."""

from __future__ import annotations

from typing import Any

import numpy as np

from contrastive_core.errors import InputError
from contrastive_core.expect import expect_number
from contrastive_core.interchange.library import layered, library
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.activation import Activation
from contrastive_core.networks.layered import Layered

LOST = (
    "NIR has no analogue activation: a unit's value is activation(v) of its leaky integrator, named in the metadata of its node, and a "
    "reader that leaves it out has linear units. The energy and the learning rule are left out too."
)
"""Sentence in the metadata of every graph."""


def to_nir(network: Layered, time_constant: float = 0.01) -> Any:
    r"""Return a NIR graph of a network of rows: how it settles.

    Layer l is a leaky integrator :math:`\tau \dot{v}_l = -v_l + s_{l-1} W_l + b_l + \lambda s_{l+1} W_{l+1}^T` with
    :math:`s_l = \sigma_l(v_l)`, at rest where the energy is stationary. Nodes are ``layer_l`` (LI), ``weight_l`` (Affine, from below) and
    ``feedback_l`` (Linear, :math:`\lambda W_l^T` from layer l to the layer below), and ``readout`` (Affine) if there is one.

    Parameters
    ----------
    network : Layered
        Network of rows of units.
    time_constant : float
        :math:`\tau` of all units, in second; it moves no equilibrium.

    Returns
    -------
    nir.NIRGraph
        Graph, with what NIR does not hold in the metadata; ``nir.write(file, graph)`` writes it.

    Raises
    ------
    InputError
        If the library is missing, the network has other parts than rows and weights, or a number is not positive.
    """
    nir, network = library("nir"), layered(network, "a NIR graph")
    if not network.is_dense:
        raise InputError(
            "a NIR graph is written for rows of units, because NIR has no transposed convolution for the feedback; "
            "export a convolutional network as ONNX"
        )
    if expect_number(time_constant, "time_constant", "it is in second") <= 0:
        raise InputError(f"time_constant must be positive, got {time_constant}; it is in second")
    nodes: dict[str, Any] = {"input": nir.Input(np.array([network.num_inputs]))}
    edges: list[tuple[str, str]] = []
    for number, (size, activation) in enumerate(zip(network.sizes, network.activations, strict=True), start=1):
        weight, bias = (network.get_parameter(f"{name}_{number}").detach().cpu().numpy() for name in ("weight", "bias"))
        below = "input" if number == 1 else f"layer_{number - 1}"
        nodes[f"weight_{number}"] = nir.Affine(weight.T.copy(), bias)
        ones = np.ones(size, dtype=weight.dtype)
        metadata = {"activation": _name_of(activation)}
        nodes[f"layer_{number}"] = nir.LI(tau=time_constant * ones, r=ones, v_leak=0 * ones, metadata=metadata)
        edges += [(below, f"weight_{number}"), (f"weight_{number}", f"layer_{number}")]
        if number > 1:
            nodes[f"feedback_{number}"] = nir.Linear((network.energy_scale * weight).astype(weight.dtype))
            edges += [(f"layer_{number}", f"feedback_{number}"), (f"feedback_{number}", below)]
    last, outputs = f"layer_{len(network.sizes)}", network.sizes[-1]
    if network.has_readout:
        weight, bias = (network.get_parameter(f"{name}_readout").detach().cpu().numpy() for name in ("weight", "bias"))
        nodes["readout"] = nir.Affine(weight.T.copy(), bias)
        edges.append((last, "readout"))
        last, outputs = "readout", len(bias)
    nodes["output"] = nir.Output(np.array([outputs]))
    return nir.NIRGraph(nodes, [*edges, (last, "output")], metadata={"energy_scale": network.energy_scale, "lost": LOST})


def _name_of(activation: Activation) -> str:
    found = next((name for name in ACTIVATIONS if ACTIVATIONS[name] == activation), None)
    if found is None:
        raise InputError(
            f"a NIR graph names the activation of a layer, and {activation!r} has no name; "
            f"export a network, without spikes, that has one of: {', '.join(ACTIVATIONS)}"
        )
    return found
