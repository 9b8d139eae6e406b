"""A layered network whose layers may be displaced by complex amounts from a real free state."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.network import Network
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.links import Convolution, Edge, Identity, Weighted, as_picture
from contrastive_core.types import Gradients


@final
class ByParts:
    """Link for complex layers: real and imaginary parts pass its real weights side by side, as one batch of twice the size.

    Parameters
    ----------
    link : Weighted
        Link that it stands for.

    Attributes
    ----------
    routed, turning : bool
        Whether feedback depends on the response, and whether by degrees.
    """

    def __init__(self, link: Weighted) -> None:
        self.link, self.routed, self.turning = link, link.routed, link.turning

    def respond(self, below: Tensor, weight: Tensor) -> Tensor:
        """Return the response before the pooling."""
        return by_parts(lambda parts: self.link.respond(parts, weight), below)

    def up(self, below: Tensor, weight: Tensor, onto: Tensor) -> Tensor:
        """Return the drive by a real layer below, added to others."""
        return self.link.up(below, weight, onto)

    def route(self, response: Tensor) -> Tensor | None:
        """Return what feedback needs of a real response."""
        return self.link.route(response)

    def pressed(self, above: Tensor, route: Tensor | None) -> Tensor:
        """Return the units above, led back through the pooling."""
        # Without a route the way back is linear; with one it is a product of both, which no parts can take.
        return by_parts(lambda parts: self.link.pressed(parts, None), above) if route is None else self.link.pressed(above, route)

    def down(self, pressed: Tensor, weight: Tensor, onto: Tensor, scale: float) -> Tensor:
        """Return the feedback times a scale, added to other drives of the layer below."""
        return onto + by_parts(lambda parts: self.link.down(parts, weight, parts.new_zeros(1), scale), pressed)

    def difference(
        self, response: Tensor | None, route: Tensor | None, change: Tensor, weight: Tensor, scale: complex
    ) -> tuple[Tensor, Tensor | None]:
        """Return the change of the drive, and that of the route, by a change of the layer below, both over the scale of the change."""
        link = self.link
        if isinstance(link, Convolution) and link.turning:
            return link.pooling.difference(response, route, self.respond(change, weight), scale)  # type: ignore[arg-type]
        return by_parts(lambda parts: link.difference(None, None, parts, weight, 1.0)[0], change), None

    def gradient(self, below: Tensor, pressed: Tensor, onto: Tensor | None = None, scale: float = 1.0) -> Tensor:
        """Return the real part of the sum over samples of the products of both sides, with no conjugate, times a scale."""
        if below.is_complex() and pressed.is_complex():
            below, pressed = _stacked(below), torch.cat((pressed.real, -pressed.imag))
        else:  # of a product with a real factor, such as the free state, only real parts are left
            below, pressed = below.real, pressed.real
        return self.link.gradient(below, pressed, onto, scale)


def by_parts(linear: Callable[[Tensor], Tensor], layer: Tensor) -> Tensor:
    """Return a real linear function of a layer that may be complex."""
    if not layer.is_complex():
        return linear(layer)
    real, imaginary = linear(_stacked(layer)).chunk(2)
    return torch.complex(real, imaginary)


def real_part(layer: Tensor) -> Tensor:
    """Return the real part of a tensor, which a real one is itself."""
    return layer.real if layer.is_complex() else layer


def added(total: Gradients, found: Gradients) -> Gradients:
    """Return gradients so far, empty at first, with the real parts of further ones added."""
    return {name: total[name] + real_part(value) if name in total else real_part(value) for name, value in found.items()}


def _stacked(layer: Tensor) -> Tensor:
    return torch.cat((layer.real, layer.imag))


def for_complex_layers(network: Layered) -> Layered:
    """Return the same network, its parameters shared, whose links take complex layers."""
    twin = copy(network)
    twin.into, twin.out_of = (tuple(tuple(map(_by_parts, edges)) for edges in ends) for ends in (network.into, network.out_of))
    return twin


def _by_parts(edge: Edge) -> Edge:
    link: Any = edge.link if isinstance(edge.link, Identity) else ByParts(edge.link)
    return edge._replace(link=link)


def complex_output(network: Layered, last: Tensor) -> Tensor:
    """Return the outputs that the cost sees, of shape (B, n_out), at a complex last layer."""
    if not network.has_readout:
        return last
    return network.bias_readout + by_parts(lambda parts: parts.flatten(1) @ network.weight_readout, last)


def complex_pull_back(network: Layered, gradient: Tensor) -> Tensor:
    """Turn a complex gradient on the outputs into one on the last layer."""
    if not network.has_readout:
        return gradient
    return as_picture(by_parts(lambda parts: parts @ network.weight_readout.T, gradient), network.architecture.shapes[-1])


def require_holomorphic(network: Network) -> Layered:
    """Return a network whose states are analytic functions of the strength, or refuse it.

    Raises
    ------
    InputError
        If it is no layered network, or has memories, units with kinks or a pooling that jumps.
    """
    if type(network) is not Layered:
        raise InputError(
            f"complex nudges need a layered or convolutional network, and this is a {type(network).__name__}; take ep-richardson4 or "
            "ep-richardson6, whose nudges are real"
        )
    kinked = next((number for number, one in enumerate(network.activations, 1) if not one.analytic), None)
    if kinked is not None:
        raise InputError(
            f"the units of layer {kinked} are not holomorphic, so that complex nudges have no meaning for them; take tanh, logistic, "
            "steep-logistic or, for outputs, linear units"
        )
    if any(edge.link.routed and not edge.link.turning for edge in network.architecture.edges):
        raise InputError("a pooled maximum is not holomorphic; take average (a2), log-sum-exp (l2) or softmax-weighted (w2) pooling")
    if network.architecture.memories:
        raise InputError("memories have no complex states here; leave them out, or take ep-richardson4 or ep-richardson6")
    return network
