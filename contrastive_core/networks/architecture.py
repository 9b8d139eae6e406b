"""Architecture of a layered network: the shapes of its layers, and the links between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from contrastive_core.errors import InputError, ShapeError
from contrastive_core.guards.memory import require_memory
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.activation import Activation
from contrastive_core.networks.initial import initial_weight, layer_sizes
from contrastive_core.networks.input_checks import as_inputs
from contrastive_core.networks.links import Convolution, Dense, Edge, Identity, channels_last
from contrastive_core.networks.memory import Memories
from contrastive_core.networks.pooling import Maximum
from contrastive_core.networks.smooth_pooling import LogSumExp
from contrastive_core.networks.towers import Part, Shape
from contrastive_core.types import State, as_tensor

TOWERS = ("first", "second")
"""Names of the towers of :func:`towers`, which their weights have too."""

_FAR_BELOW = -1e3
"""Drive at which a unit has its smallest value, or is clearly negative."""


class Architecture(NamedTuple):
    """Layers and links.

    Attributes
    ----------
    inputs : tuple of int
        Shape of the inputs of a sample: (n,), or (C, H, W) for pictures.
    shapes : tuple of tuple of int
        Shape of each free layer of a sample, input side first.
    edges : tuple of Edge
        Links, ordered by the layer above; that from the layer just below comes first.
    memories : tuple of Memories
        Memories of the layers that have any.
    """

    inputs: Shape
    shapes: tuple[Shape, ...]
    edges: tuple[Edge, ...]
    memories: tuple[Memories, ...] = ()

    @property
    def is_dense(self) -> bool:
        """Whether all layers are rows of units that see all units of their neighbours: the networks that kernels know."""
        if self.memories:
            return False
        return all(type(edge.link) is Dense and len(edge.link.below) == 1 and edge.target == edge.source + 1 for edge in self.edges)

    @property
    def skips(self) -> tuple[tuple[int, int], ...]:
        """Pairs of free layers with a residual edge, below and above."""
        return tuple((edge.source, edge.target) for edge in self.edges if edge.target > edge.source + 1)

    @property
    def reads(self) -> dict[str, int]:
        """Number of places at which each parameter of filters is read in a sweep, by name."""
        filters = ((edge.name, edge.link) for edge in self.edges)
        return {name: prod(link.response_shape[1:]) for name, link in filters if isinstance(link, Convolution)}

    def forms(self) -> dict[str, Any]:
        """Return the pieces of a network that follow from its architecture; made once, because every phase asks for the pieces."""
        return {"shapes": self.shapes, "skips": self.skips, "reads": self.reads}

    def into(self) -> tuple[tuple[Edge, ...], ...]:
        """Return the links that drive each free layer."""
        return tuple(tuple(edge for edge in self.edges if edge.target == index) for index in range(len(self.shapes)))

    def out_of(self) -> tuple[tuple[Edge, ...], ...]:
        """Return the links by which each free layer drives others."""
        return tuple(tuple(edge for edge in self.edges if edge.source == index) for index in range(len(self.shapes)))

    def remembered(self) -> tuple[tuple[Memories, ...], ...]:
        """Return the memories of each free layer."""
        return tuple(tuple(memory for memory in self.memories if memory.layer == index) for index in range(len(self.shapes)))

    def require_settling(self, activations: Sequence[Activation], any_shape: bool) -> None:
        """Refuse units with which block descent may raise the energy, and outputs that are pictures.

        Through a maximum the energy is concave in the layer below as long as the units above are not negative; feedback at the present
        state then minimises an upper bound of it, and no sweep raises it. With units of both signs it may rise for ever.

        Parameters
        ----------
        activations : sequence of Activation
            Activation of each free layer.
        any_shape : bool
            Whether the last layer may be a picture, because the outputs are read from it, or torch layers take it.

        Raises
        ------
        InputError
            If a pooled maximum drives units that can be negative, or the outputs are a picture.
        """
        for edge in self.edges:
            pooled = isinstance(edge.link, Convolution) and isinstance(edge.link.pooling, Maximum | LogSumExp)
            if pooled and float(activations[edge.target].value(torch.tensor(_FAR_BELOW))) < 0:
                raise InputError(
                    f"layer {edge.target + 1} pools maxima, and its units can be negative, so that sweeps may raise the energy; "
                    "take average pooling, or units of at least 0 such as hard-sigmoid"
                )
        if not any_shape and len(self.shapes[-1]) > 1:
            raise InputError("the outputs are a row of units, and the last layer is a picture; end with their number, or take a readout")

    def parameters(self, gain: float, generator: torch.Generator, dtype: torch.dtype) -> Iterator[tuple[str, nn.Parameter]]:
        """Draw the weights of each link and the patterns of each memory, by name, and return them with the biases, which are 0.

        Parameters
        ----------
        gain, generator, dtype
            Same as in :func:`~contrastive_core.networks.initial.initial_weight`.

        Raises
        ------
        InputError
            If the weights alone need more than the memory of the machine; nothing is drawn then.
        """
        self._require_memory(dtype)
        for index, (edges, memories) in enumerate(zip(self.into(), self.remembered(), strict=True)):
            for _, _, link, name in edges:
                if not isinstance(link, Identity):
                    yield name, initial_weight(link.weight_shape, link.fan_in, gain, generator, dtype)
            for memory in memories:
                yield memory.name, initial_weight((memory.units, memory.patterns), memory.units, gain, generator, dtype)
            yield f"bias_{index + 1}", nn.Parameter(torch.zeros(self.shapes[index][0], dtype=dtype))

    def _require_memory(self, dtype: torch.dtype) -> None:
        links = [edge.link for edges in self.into() for edge in edges if not isinstance(edge.link, Identity)]
        numbers = sum(prod(link.weight_shape) for link in links) + sum(memory.units * memory.patterns for memory in self.memories)
        require_memory(numbers * dtype.itemsize, f"a network of {numbers:.2g} weights needs for them", "take fewer units")

    def first_drives(self, like: Tensor, generator: torch.Generator | None) -> State:
        """Return standard normal drives of all layers from a generator; without one, 0 for one unit of each.

        Parameters
        ----------
        like : Tensor
            Drive of the first layer, for the number of samples, the dtype and the device.
        generator : torch.Generator, optional
            Source of the drives.
        """
        if generator is None:
            return tuple(like.new_zeros((1,) * (1 + len(shape))) for shape in self.shapes)
        shapes = [(len(like), *shape) for shape in self.shapes]
        drawn = [torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device) for shape in shapes]
        return tuple(channels_last(drive) if drive.dim() == 4 else drive for drive in drawn)

    def held(self, inputs: Tensor, dtype: torch.dtype) -> Tensor:
        """Return inputs as they are clamped: in the network's dtype, and pictures with channels last in memory.

        Parameters
        ----------
        inputs : Tensor, ndarray or nested sequence of numbers
            Inputs of shape (B, n_in), or (B, C, H, W) for pictures.
        dtype : torch.dtype
            Dtype of the parameters.

        Raises
        ------
        ShapeError
            If the shape is another one.
        InputError
            If a value is complex, not finite, or infinite in the network's dtype.
        """
        if len(self.inputs) == 1:
            return as_inputs(inputs, self.inputs[0], dtype)
        inputs = as_tensor(inputs, "inputs")
        if inputs.dim() == 4:
            if tuple(inputs.shape[1:]) != self.inputs:
                raise ShapeError(f"inputs must have shape (batch, {', '.join(map(str, self.inputs))}), got {tuple(inputs.shape)}")
            inputs = inputs.flatten(1)
        return channels_last(as_inputs(inputs, prod(self.inputs), dtype).reshape(-1, *self.inputs))


def described(activations: Sequence[Activation], outputs: int | None) -> str:
    """Return the names of the activations of layers, that of the last one if it is another, and the outputs of a readout, if any."""
    names, readout = list(dict.fromkeys(_name_of(one) for one in activations)), "" if outputs is None else f", readout of {outputs}"
    return f"activation {names[0]}" + (f", outputs {names[-1]}" if len(names) > 1 else "") + readout


def _name_of(activation: Activation) -> str:
    """Return the name of an activation; the expression of one that is not listed."""
    return next((name for name in ACTIVATIONS if ACTIVATIONS[name] == activation), repr(activation))


def chain(sizes: Sequence[int]) -> Architecture:
    """Return the architecture of rows of units, each of which sees all units of its neighbours.

    Parameters
    ----------
    sizes : sequence of int
        Units of each layer, inputs first.

    Raises
    ------
    InputError
        If there are not at least two positive whole numbers.
    """
    sizes = layer_sizes(sizes)
    links = (Dense((below,), (above,)) for below, above in pairwise(sizes))
    edges = tuple(Edge(index - 1, index, link, f"weight_{index + 1}") for index, link in enumerate(links))
    return Architecture((sizes[0],), tuple((size,) for size in sizes[1:]), edges)


def towers(first: Sequence[int], second: Sequence[int]) -> Architecture:
    """Return the architecture of two towers, whose energies add and share no weight.

    A row of inputs has those of the first tower, then those of the second, and so has every layer. The outputs are those of both. Weights
    of layer l are named ``weight_first_l`` and ``weight_second_l``; the biases of both are ``bias_l``.

    Parameters
    ----------
    first, second : sequence of int
        Units of each layer of a tower, inputs first.

    Raises
    ------
    InputError
        If the towers have different numbers of layers.
    """
    sizes = [layer_sizes(given) for given in (first, second)]
    if len(sizes[0]) != len(sizes[1]):
        raise InputError(f"towers have as many layers as each other, got {sizes[0]} and {sizes[1]}; give both the same depth")
    shapes = [(one + other,) for one, other in zip(*sizes, strict=True)]
    edges = []
    for index, ((below, above), (low, high)) in enumerate(zip(pairwise(shapes), pairwise(range(len(shapes))), strict=True)):
        for number, name in enumerate(TOWERS):
            sender, receiver = (
                (number * sizes[0][layer], sizes[0][layer] + number * sizes[1][layer]) for layer in (low, high)
            )  # the second tower stands behind the first
            edges.append(Edge(index - 1, index, Part(below, above, sender, receiver), f"weight_{name}_{index + 1}"))
    return Architecture(shapes[0], tuple(shapes[1:]), tuple(edges))
