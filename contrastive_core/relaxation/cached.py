"""Layered networks that convolve nothing twice: their links keep what they computed from the tensors that they saw last.

A sweep of block descent needs the response of a link to the layer below twice: to drive the layer above, and to lead feedback through
the pooling. Neighbouring phases need it again. Layers are never written into, so that a tensor that is the same object has not moved.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any, TypeVar, cast, final

import torch
from torch import Tensor
from torch.nn import functional

from contrastive_core.kernels import PICTURES, PLACES
from contrastive_core.network import Clamped, Network
from contrastive_core.networks.activation import LINEAR, Activation, Clipped
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.links import Convolution, Edge, Link, channels_last, is_nothing
from contrastive_core.networks.pooling import UNPOOLED, Average, Maximum

T = TypeVar("T")

_SIDES = 3
"""States of which a link keeps what presses on it: the free one and those of two nudges, which the contrast needs together."""


@final
class Kept:
    """Results of a function for the tensors that it saw last.

    Parameters
    ----------
    room : int
        Number of results that are kept.
    """

    def __init__(self, room: int = 1) -> None:
        # Arguments are kept, too, so that no other tensor can take the place of one that is gone.
        self._known: deque[tuple[tuple[Any, ...], Any]] = deque(maxlen=room)

    def __call__(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return the result for these arguments, which are told apart by identity."""
        for known, result in self._known:
            if all(one is other for one, other in zip(known, arguments, strict=True)):
                return cast(T, result)
        result = function(*arguments)
        self._known.append((arguments, result))
        return result


@final
class CachedConvolution:
    """Convolution of weights that stay, for the phases of one batch; it stands for its link in a network.

    Average pooling is folded into the weights: a filter of width k before a mean over windows of width p is one of width k + p - 1 and
    stride p, with less than half of the multiplications.

    Parameters
    ----------
    link : Convolution
        Link that it stands for.
    weight : Tensor
        Weights of the link.

    Attributes
    ----------
    link : Convolution
        Link that computes, without the pooling that is folded into its weights.
    folded : int
        Width of the windows of that pooling; 1 if there is none.
    routed, turning : bool
        Whether feedback depends on the response, and on small changes of it.
    """

    def __init__(self, link: Convolution, weight: Tensor) -> None:
        self.folded = link.pooling.size if isinstance(link.pooling, Average) and link.stride == 1 else 1
        if size := self.folded - 1:
            weight = functional.avg_pool2d(functional.pad(weight, (size,) * 4), self.folded, 1)
            link = replace(link, kernel=link.kernel + size, stride=self.folded, pooling=UNPOOLED)
        self.link, self.routed, self.turning = link, link.routed, link.turning
        self._weight = channels_last(weight)  # else every call rearranges them
        self._responses, self._routes, self._drives = Kept(), Kept(), Kept()
        self._changes, self._spreads = Kept(), Kept(_SIDES)

    def _nothing(self, like: Tensor, rows: int) -> Tensor:
        """Return responses of 0 that take no memory."""
        return like.new_zeros(()).expand(rows, *self.link.response_shape)

    def _convolved(self, below: Tensor) -> Tensor:
        return self._nothing(below, len(below)) if is_nothing(below) else self.link.respond(below, self._weight)

    def respond(self, below: Tensor, weight: Tensor) -> Tensor:
        """Return the response before the pooling."""
        return self._responses(self._convolved, below)

    def up(self, below: Tensor, weight: Tensor, onto: Tensor) -> Tensor:
        """Return the pooled response, added to a bias of shape (C,) or to other drives."""
        return self._drives(self._driven, self.respond(below, weight), onto)

    def _driven(self, response: Tensor, onto: Tensor) -> Tensor:
        """Return the pooled response, added to others; the routes of a maximum come with it, and are kept."""
        bias = onto[:, None, None] if onto.dim() == 1 else onto
        if is_nothing(response):
            return (bias + response.new_zeros(1)).expand(len(response), *self.link.above)
        if onto.dim() == 1 and isinstance(self.link.pooling, Maximum):
            drive, route = PICTURES[f"{place_of(response)} pooled"](response, onto, self.link.pooling.size)
            self._routes(lambda _: route, response)
            return cast(Tensor, drive)
        return self.link.pooling.value(response) + bias

    def route(self, response: Tensor) -> Tensor | None:
        """Return what feedback needs of the response; None if it needs nothing."""
        return self._routes(self._routed, response)

    def _routed(self, response: Tensor) -> Tensor | None:
        if not is_nothing(response):
            return self.link.route(response)
        route = self.link.route(response[:1])  # of one sample that stands for all
        return None if route is None else route.expand(len(response), *route.shape[1:])

    def pressed(self, above: Tensor, route: Tensor | None) -> Tensor:
        """Return the units above, led back through the pooling."""
        if is_nothing(above):
            return self._nothing(above, len(above))
        return above if self.link.pooling is UNPOOLED else self._spreads(self._spread, above, route)

    def _spread(self, above: Tensor, route: Tensor) -> Tensor:
        if not isinstance(self.link.pooling, Maximum):
            return self.link.pressed(above, route)
        size, shape = self.link.pooling.size, self.link.response_shape[1:]
        return cast(Tensor, PICTURES[f"{place_of(above)} unpooled"](above, route, size, shape))

    def down(self, pressed: Tensor, weight: Tensor, onto: Tensor, scale: float) -> Tensor:
        """Return the feedback times a scale, added to other drives of the layer below."""
        return onto if is_nothing(pressed) else self.link.down(pressed, self._weight, None if is_nothing(onto) else onto, scale, write=True)

    def difference(
        self, response: Tensor | None, route: Tensor | None, change: Tensor, weight: Tensor, scale: float
    ) -> tuple[Tensor, Tensor | None]:
        """Return the change of the drive, and that of the route, by a change of the layer below, both over the scale of the change."""
        if is_nothing(change):
            return change.new_zeros(()).expand(len(change), *self.link.above), None
        convolved = self._changes(self.link.respond, change, self._weight)
        return self.link.pooling.difference(response, route, convolved, scale)  # type: ignore[arg-type]

    def gradient(self, below: Tensor, pressed: Tensor, onto: Tensor | None = None, scale: float = 1.0) -> Tensor:
        """Return the sum over samples of the products of both sides times a scale, shaped as the weights, added to ``onto``."""
        if self.folded == 1:
            return self.link.gradient(below, pressed, onto, scale)
        found = functional.avg_pool2d(self.link.gradient(below, pressed), self.folded, 1)  # the transpose of the folding
        return found if onto is None else torch.add(onto, found, alpha=scale)


def is_convolutional(network: Network) -> bool:
    """Whether a network is a layered one with convolutions, so that it can be cached."""
    if type(network) is not Layered or network.is_dense:  # the common case, asked in every batch
        return False
    return any(type(edge.link) is Convolution for edge in network.architecture.edges)


def place_of(like: Tensor) -> str:
    """Say whose elementwise steps a tensor takes: "cuda" for our kernels on its device, "cpu" for torch's functions, which go anywhere."""
    return "cuda" if like.is_cuda and not PLACES["cuda"].missing() else "cpu"


def cached(network: Layered) -> Layered:
    """Return the same network for the phases of one batch; its parameters may not change meanwhile.

    Parameters
    ----------
    network : Layered
        Network, which may be cached already.
    """
    if any(isinstance(edge.link, CachedConvolution) for edges in network.into for edge in edges):
        return network

    def kept(edge: Edge) -> Edge:
        link = edge.link
        return (
            edge._replace(link=cast(Link, CachedConvolution(link, network.weight_of(edge).detach()))) if type(link) is Convolution else edge
        )

    def moved(activation: Activation) -> Activation:
        # Drives of clipped units are only asked for where they are pressed on their bounds, and most passes of memory go into that.
        return replace(activation, at_once=PICTURES["cpu moved"]) if type(activation) is Clipped and activation != LINEAR else activation

    twin, edges = copy(network), tuple(map(kept, network.architecture.edges))
    if network.bias(0).is_cpu and not PLACES["numba"].missing():
        # Not the last layer, whose nudge asks for settled drives.
        twin.activations = (*map(moved, network.activations[:-1]), network.activations[-1])
    twin.into, twin.out_of = (
        tuple(tuple(edge for edge in edges if edge[end] == index) for index in range(len(network.sizes))) for end in (1, 0)
    )
    return twin


def cached_clamped(clamped: Clamped) -> Clamped:
    """Return a network with its inputs held, which keeps what it convolves."""
    return clamped._replace(network=cached(cast(Layered, clamped.network)))
