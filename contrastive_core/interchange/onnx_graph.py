r"""ONNX graphs of layered networks: the feedforward limit, or a fixed number of sweeps of the relaxation."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.expect import expect_whole
from contrastive_core.interchange.library import layered, library
from contrastive_core.networks.activation import Activation, Clipped, Logistic, Tanh
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.links import Convolution, Dense, Edge, Identity
from contrastive_core.networks.pooling import Average, Maximum, Unpooled

OPSET, IR_VERSION = 17, 8
"""Versions of the operators and of the format: those of 2022, which runtimes of today read."""

_POOLINGS = {Average: "AveragePool", Maximum: "MaxPool"}


def to_onnx(network: Layered, sweeps: int = 0) -> Any:
    r"""Return an ONNX graph of what a trained network computes.

    Without sweeps it is the feedforward limit :math:`s_l = \sigma_l(s_{l-1} W_l + b_l)`, to which the equilibrium tends as the layer energy
    scale :math:`\lambda` goes to 0. Each sweep sets :math:`s_l = \sigma_l(s_{l-1} W_l + b_l + \lambda s_{l+1} W_{l+1}^T)` from the first
    layer to the last, so that enough of them reach the equilibrium. The graph has no residual: nothing in it tells whether they do.

    Parameters
    ----------
    network : Layered
        Rows or pictures with convolutions, means, maxima and residual edges.
    sweeps : int
        Sweeps after the feedforward pass; rows of units only.

    Returns
    -------
    onnx.ModelProto
        Graph from ``inputs`` of shape (batch, n_in) or (batch, C, H, W) to ``outputs``, in the dtype of the parameters. It passes the
        check of ONNX; ``onnx.save(graph, file)`` writes it.

    Raises
    ------
    InputError
        If the library is missing, or the network has parts that the graph has no operators for.
    """
    expect_whole(sweeps, "sweeps", "0 is the feedforward limit", least=0)
    onnx = library("onnx")
    network = layered(network, "an ONNX graph")
    if sweeps and not network.is_dense:
        raise InputError("sweeps are written for rows of units only; leave them out for the feedforward limit")
    graph = _Graph(onnx, network, [], [])
    layers: list[str] = []
    for index in range(len(network.sizes)):
        drive = _drive(graph, index, layers)
        layers.append(graph.respond(drive, network.activations[index], f"layer_{index + 1}"))
    layers = _swept(graph, layers, sweeps)
    shape: tuple[int, ...] = network.architecture.shapes[-1]
    last = layers[-1]
    if network.has_readout:
        last = graph.flat(last, shape, "read")
        last = graph.node("Gemm", [last, graph.value("weight_readout"), graph.value("bias_readout")], "readout")
        shape = (network.weight_readout.shape[1],)
    graph.node("Identity", [last], "outputs")
    return graph.model(shape, sweeps)


class _Graph(NamedTuple):
    """A graph that grows."""

    onnx: Any
    network: Layered
    nodes: list[Any]
    values: list[Any]

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Add a node and return its name, which is that of its output too."""
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def value(self, name: str, tensor: Tensor | None = None) -> str:
        """Add a constant, a parameter of the network if no tensor is given, and return its name."""
        if name not in [value.name for value in self.values]:
            array = (self.network.get_parameter(name) if tensor is None else tensor).detach().cpu().numpy()
            self.values.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def number(self, name: str, number: float) -> str:
        """Add a number in the dtype of the parameters, and return its name."""
        return self.value(name, self.network.bias(0).new_tensor(number))

    def flat(self, below: str, shape: tuple[int, ...], name: str) -> str:
        """Return a layer as rows of units."""
        return below if len(shape) == 1 else self.node("Flatten", [below], f"{name}_rows", axis=1)

    def respond(self, drive: str, activation: Activation, name: str) -> str:
        """Add the activation of a layer, and return the layer's name."""
        if isinstance(activation, Tanh):
            return self.node("Tanh", [drive], name)
        if isinstance(activation, Logistic):
            if activation.middle:
                drive = self.node("Sub", [drive, self.number(f"{name}_middle", activation.middle)], f"{name}_centred")
            if activation.steepness != 1:
                drive = self.node("Mul", [drive, self.number(f"{name}_steepness", activation.steepness)], f"{name}_steep")
            return self.node("Sigmoid", [drive], name)
        if isinstance(activation, Clipped):
            if activation.analytic:
                return self.node("Identity", [drive], name)
            low, high = (self.number(f"{name}_{end}", getattr(activation, end)) for end in ("low", "high"))
            return self.node("Clip", [drive, low, high], name)
        raise InputError(f"an ONNX graph has no operator for the activation {activation!r}; export a network with one of ACTIVATIONS")

    def model(self, outputs: tuple[int, ...], sweeps: int) -> Any:
        """Return the whole model, checked by ONNX."""
        helper, network = self.onnx.helper, self.network
        kind = helper.np_dtype_to_tensor_dtype(network.bias(0).detach().cpu().numpy().dtype)
        ends = [
            helper.make_tensor_value_info(name, kind, ["batch", *shape])
            for name, shape in (("inputs", network.architecture.inputs), ("outputs", outputs))
        ]
        graph = helper.make_graph(self.nodes, "eqlab", ends[:1], ends[1:], self.values)
        made = helper.make_model(
            graph, producer_name="eqlab", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
        )  # fmt: skip
        kept = (
            "the feedforward limit; feedback is left out" if not sweeps else f"{sweeps} sweeps of the relaxation; no residual is computed"
        )
        helper.set_model_props(made, {"energy_scale": repr(network.energy_scale), "sweeps": str(sweeps), "kept": kept})
        self.onnx.checker.check_model(made, full_check=True)
        return made


def _drive(graph: _Graph, index: int, layers: list[str]) -> str:
    """Add what drives a layer from below, the bias included, and return its name."""
    network, name = graph.network, f"layer_{index + 1}"
    picture = len(network.architecture.shapes[index]) == 3
    bias = network.bias(index)
    drive = graph.value(f"bias_{index + 1}", bias[:, None, None] if picture else bias)
    for number, edge in enumerate(network.into[index]):
        below = "inputs" if edge.source < 0 else layers[edge.source]
        response = _response(graph, edge, below, f"{name}_from_{edge.source + 1}")
        drive = graph.node("Add", [response, drive], f"{name}_drive_{number + 1}")
    return drive


def _response(graph: _Graph, edge: Edge, below: str, name: str) -> str:
    """Add what an edge sends to the layer above, and return its name."""
    link = edge.link
    if isinstance(link, Identity):
        return below
    if isinstance(link, Dense):
        return graph.node("MatMul", [graph.flat(below, link.below, name), graph.value(edge.name)], name)
    if isinstance(link, Convolution) and isinstance(link.pooling, Unpooled | Average | Maximum):
        sides = {"strides": [link.stride] * 2, "pads": [link.padding] * 4}
        response = graph.node("Conv", [below, graph.value(edge.name)], name, **sides)
        if isinstance(link.pooling, Unpooled):
            return response
        size = [link.pooling.size] * 2
        return graph.node(_POOLINGS[type(link.pooling)], [response], f"{name}_pooled", kernel_shape=size, strides=size)
    raise InputError(
        "an ONNX graph is written for dense layers, convolutions with means (a) or maxima (p) and residual edges, "
        f"and layer {edge.target + 1} has another link; export a network without it"
    )


def _swept(graph: _Graph, layers: list[str], sweeps: int) -> list[str]:
    """Add sweeps with feedback, and return the names of the last layers."""
    network = graph.network
    for sweep in range(1, sweeps + 1):
        for index, activation in enumerate(network.activations):
            name = f"layer_{index + 1}_sweep_{sweep}"
            drive = "layer_1_drive_1"
            if index:
                drive = graph.node("Gemm", [layers[index - 1], f"weight_{index + 1}", f"bias_{index + 1}"], f"{name}_up")
            for edge in network.out_of[index]:
                above, scale = layers[edge.target], network.feedback(edge)
                if scale != 1:  # not by the attribute of the product, which is a number of 32 bits
                    above = graph.node("Mul", [above, graph.number("energy_scale", scale)], f"{name}_above")
                drive = graph.node("Gemm", [above, edge.name, drive], f"{name}_drive", transB=1)
            layers[index] = graph.respond(drive, activation, name)
    return layers
