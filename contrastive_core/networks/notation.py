"""Notation of layers, such as ``32c5 p2 64c5 p2 10``, and the architecture that it stands for on inputs of a shape."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.networks.architecture import Architecture
from contrastive_core.networks.links import Convolution, Dense, Edge, Identity, Link
from contrastive_core.networks.memory import Memories
from contrastive_core.networks.pooling import POOLINGS, TEMPERED, UNPOOLED, Pooling
from contrastive_core.networks.towers import Shape

_FILTERS = r"c(?P<kernel>\d+)(?:s(?P<stride>\d+))?(?:\+(?P<padding>\d+))?"
_NUMBER = r"\d+(?:\.\d+)?"
_MEMORIES = rf"m(?P<patterns>\d+)(?:@(?P<sharpness>-?{_NUMBER}))?"
_LAYER = re.compile(rf"(?P<units>\d+)(?:{_FILTERS})?(?:{_MEMORIES})?(?P<skips>(?:>\d+)*)")
_POOLING = re.compile(rf"(?P<kind>[{''.join(POOLINGS)}])(?P<size>\d+)(?:@(?P<temperature>{_NUMBER}))?")

_FORMS = (
    "write 32c3 for 32 channels by filters of 3 x 3, 32c3s2+1 with stride 2 and padding 1, p2 for a pooling, 10 for a row of 10 units, "
    "64m16 for one of 64 units with 16 memories"
)


class _Layer(NamedTuple):
    """One layer as it is written: units or channels, filters unless it is a row, pooling, the layers that it also drives, and memories."""

    text: str
    units: int
    kernel: int
    stride: int
    padding: int
    pooling: Pooling
    skips: tuple[int, ...]
    memories: tuple[tuple[int, float], ...]


@typed()
def convolutional(layers: str, inputs: Sequence[int]) -> Architecture:
    """Return the architecture that a notation stands for.

    A number is a row of units that sees all units of the layer below. ``32c5`` is 32 channels by filters of 5 x 5, without padding;
    ``s2`` after it is a stride of 2, ``+1`` a padding of 1. A pooling of the layer before it is ``p2`` (maximum of 2 x 2), ``a2``
    (average), ``l2`` (log-sum-exp) or ``w2`` (softmax-weighted), the last two with a temperature as in ``l2@0.5``. ``>4`` after a layer
    is a residual edge to layer 4: a copy where shapes are equal, else weights of their own, filters of 1 x 1 between pictures.
    ``64m16`` is a row of 64 units with 16 memories, ``64m16@4`` with memories of sharpness 4.

    Parameters
    ----------
    layers : str
        Layers from the inputs up, with spaces between them.
    inputs : sequence of int
        Channels, height and width of the inputs, or their number.

    Raises
    ------
    InputError
        If the notation is none, or a layer does not fit onto the one below. The message names the layer.
    """
    if len(inputs) not in (1, 3) or min(inputs) < 1:
        raise InputError(f"inputs must be channels, height and width, or their number, all positive, got {tuple(inputs)}")
    read, below = _read(layers), tuple(int(size) for size in inputs)
    links: list[Link] = []
    for number, layer in enumerate(read, start=1):
        links.append(_link(layer, below, f"layer {number}, {layer.text}"))
        below = links[-1].above
    shapes = tuple(link.above for link in links)
    edges: list[Edge] = []
    for index, link in enumerate(links):
        edges.append(Edge(index - 1, index, link, f"weight_{index + 1}"))
        for source in (source for source, layer in enumerate(read) if index + 1 in layer.skips):
            skip = _skip(shapes, source, index)
            name = "" if type(skip) is Identity else f"weight_skip_{source + 1}_{index + 1}"
            edges.append(Edge(source, index, skip, name))
    memories = (Memories(index, layer.units, *one) for index, layer in enumerate(read) for one in layer.memories)
    return Architecture(tuple(int(size) for size in inputs), shapes, tuple(edges), tuple(memories))


def _read(text: str) -> list[_Layer]:
    """Return the layers as they are written."""
    layers: list[_Layer] = []
    for token in text.split():
        if found := _LAYER.fullmatch(token):
            units, kernel, stride, padding = (int(found[name] or 0) for name in ("units", "kernel", "stride", "padding"))
            stride = stride if found["stride"] else 1
            if not units or not stride or (found["kernel"] and not kernel):
                raise InputError(f"numbers of channels and units, kernels and strides are positive, got {token!r} in the layers")
            skips = tuple(int(number) for number in found["skips"].split(">")[1:])
            layers.append(_Layer(token, units, kernel, stride, padding, UNPOOLED, skips, _memories(token, found)))
        elif found := _POOLING.fullmatch(token):
            if not layers or not layers[-1].kernel or layers[-1].pooling.size > 1:
                raise InputError(f"a pooling belongs to the convolution before it, and {token!r} has none; {_FORMS}")
            layers[-1] = layers[-1]._replace(text=f"{layers[-1].text} {token}", pooling=_pooling(token, found))
        else:
            advice = "memories follow the units of their layer, and inputs have none; " if token.startswith("m") else ""
            raise InputError(f"{token!r} is no layer; {advice}{_FORMS}")
    if not layers:
        raise InputError(f"a network needs at least one layer, got {text!r}; {_FORMS}")
    for number, layer in enumerate(layers, start=1):
        for target in layer.skips:
            if not number + 1 < target <= len(layers):
                raise InputError(
                    f"layer {number}, {layer.text}: a residual edge leads at least two layers up, and the layers are 1 to {len(layers)}, "
                    f"got >{target}"
                )
    return layers


def _memories(token: str, found: re.Match[str]) -> tuple[tuple[int, float], ...]:
    """Return the number and the sharpness of a layer's memories, if it has any."""
    if not found["patterns"]:
        return ()
    if found["kernel"]:
        raise InputError(f"memories belong to rows of units, and {token!r} is a picture; give them to a row, as in 64m16")
    patterns, sharpness = int(found["patterns"]), float(found["sharpness"] or 1.0)
    if patterns < 1 or sharpness <= 0:
        raise InputError(f"memories are at least 1 and their sharpness is positive, got {token!r}; 64m16@4 has 16 of sharpness 4")
    return ((patterns, sharpness),)


def _pooling(token: str, found: re.Match[str]) -> Pooling:
    """Return the pooling of a token."""
    kind, size, temperature = found["kind"], int(found["size"]), float(found["temperature"] or 1.0)
    if found["temperature"] and kind not in TEMPERED:
        raise InputError(f"{token!r} has no temperature; only {' and '.join(sorted(TEMPERED))} have one, as in l2@0.5")
    if size < 2 or temperature == 0:
        raise InputError(f"windows of a pooling are at least 2 x 2, and temperatures positive, got {token!r}")
    return POOLINGS[kind](size, temperature)


def _link(layer: _Layer, below: Shape, name: str) -> Link:
    """Return the link from the layer below to a layer."""
    if not layer.kernel:
        return Dense(below, (layer.units,))
    if len(below) != 3:
        raise InputError(
            f"{name}: filters see pictures, and below is a row of {below[0]} units; "
            "put convolutions before rows, and take data that are pictures"
        )
    link = Convolution(below, layer.units, layer.kernel, layer.stride, layer.padding, layer.pooling)
    if min(link.response_shape) < 1:
        raise InputError(
            f"{name}: a filter of {layer.kernel} does not fit into pictures of {_written(below)}; take a smaller one, or padding"
        )
    if min(link.above) < 1:
        raise InputError(
            f"{name}: a window of {layer.pooling.size} does not fit into pictures of {_written(link.response_shape)}; take a smaller one"
        )
    return link


def _skip(shapes: Sequence[Shape], source: int, target: int) -> Link:
    """Return the link of a residual edge."""
    below, above = shapes[source], shapes[target]
    if below == above:
        return Identity(below)
    if len(above) == 1:
        return Dense(below, above)
    if len(below) == 3:
        stride = -(-below[1] // above[1])
        link = Convolution(below, above[0], 1, stride)
        if link.above == above:
            return link
    raise InputError(
        f"the residual edge from layer {source + 1} to {target + 1}: no filter of 1 x 1 leads from {_written(below)} to {_written(above)}"
    )


def _written(shape: Shape) -> str:
    """Return a shape as people write it."""
    return f"{prod(shape)} units" if len(shape) == 1 else f"{shape[1]} x {shape[2]} in {shape[0]} channel{'s' if shape[0] > 1 else ''}"
