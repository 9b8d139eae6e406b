r"""Links between two layers: how one drives the other, how feedback returns, and the gradient of the weights.

A link adds :math:`-\lambda^l s_l \cdot P(W s_j)` to the energy of a network. Links hold no weights, which are parameters of the network.
Feedback reaches a link's response :math:`z = W s_j` as :math:`U(s_l; z)`, the units above led back through the pooling.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor
from torch.nn import functional

from contrastive_core.networks.pooling import UNPOOLED, Pooling
from contrastive_core.networks.towers import Part, Shape


@final
@dataclass(frozen=True)
class Dense:
    """Weights from every unit below to every unit of a row.

    Attributes
    ----------
    below, above : tuple of int
        Shapes of the layers; pictures below are read in the order of channels, rows and columns.
    routed, turning : bool
        Whether feedback depends on the response, and whether by degrees.
    """

    below: Shape
    above: Shape
    routed: ClassVar[bool] = False
    turning: ClassVar[bool] = False

    @property
    def weight_shape(self) -> Shape:
        """Shape of the weights, (n below, n)."""
        return (prod(self.below), self.above[0])

    @property
    def fan_in(self) -> int:
        """Number of units below that a unit sees."""
        return prod(self.below)

    def respond(self, below: Tensor, weight: Tensor) -> Tensor:
        """Return the response, of shape (B, n)."""
        return below.flatten(1) @ weight

    def up(self, below: Tensor, weight: Tensor, onto: Tensor) -> Tensor:
        """Return the response to the layer below, added to a bias of shape (n,) or to other drives."""
        return torch.addmm(onto, below.flatten(1), weight)

    def route(self, response: Tensor) -> None:
        """Return None: feedback does not depend on the response."""

    def pressed(self, above: Tensor, route: Tensor | None) -> Tensor:
        """Return the units above."""
        return above

    def down(self, pressed: Tensor, weight: Tensor, onto: Tensor, scale: float) -> Tensor:
        """Return the feedback times a scale, added to other drives of the layer below."""
        if len(self.below) == 1:
            return torch.addmm(onto, pressed, weight.T, alpha=scale)
        return torch.add(onto, as_picture(pressed @ weight.T, self.below), alpha=scale)

    def difference(
        self, response: Tensor | None, route: Tensor | None, change: Tensor, weight: Tensor, scale: float
    ) -> tuple[Tensor, None]:
        """Return the change of the drive by a change of the layer below: the link is linear."""
        return self.respond(change, weight), None

    def gradient(self, below: Tensor, pressed: Tensor, onto: Tensor | None = None, scale: float = 1.0) -> Tensor:
        """Return the sum over samples of the products of both sides times a scale, shaped as the weights, added to ``onto``."""
        rows = below.flatten(1).T
        return rows @ pressed if onto is None else torch.addmm(onto, rows, pressed, alpha=scale)


@final
@dataclass(frozen=True)
class Convolution:
    """Filters that slide over the channels of a picture, and the pooling of their response.

    Attributes
    ----------
    below : tuple of int
        Channels, height and width of the picture below.
    channels, kernel, stride, padding : int
        Number of filters; width, step and zero padding on each side of their windows.
    pooling : Pooling
        Pooling of the response.
    """

    below: Shape
    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    pooling: Pooling = UNPOOLED

    @property
    def response_shape(self) -> Shape:
        """Shape of the response before the pooling."""
        return (self.channels, *((side + 2 * self.padding - self.kernel) // self.stride + 1 for side in self.below[1:]))

    @property
    def above(self) -> Shape:
        """Shape of the layer above; not positive where the windows do not fit."""
        channels, *sides = self.response_shape
        return (channels, *(side // self.pooling.size for side in sides))

    @property
    def weight_shape(self) -> Shape:
        """Shape of the weights, (channels, channels below, kernel, kernel)."""
        return (self.channels, self.below[0], self.kernel, self.kernel)

    @property
    def fan_in(self) -> int:
        """Number of units below that an entry of the response sees."""
        return self.below[0] * self.kernel**2

    @property
    def routed(self) -> bool:
        """Whether feedback depends on the response."""
        return self.pooling.routed

    @property
    def turning(self) -> bool:
        """Whether the way back changes by degrees with the response, and not by jumps alone."""
        return self.pooling.turning

    def respond(self, below: Tensor, weight: Tensor) -> Tensor:
        """Return the response before the pooling, of shape (B, C, H, W)."""
        return channels_last(functional.conv2d(below, weight, None, self.stride, self.padding))

    def up(self, below: Tensor, weight: Tensor, onto: Tensor) -> Tensor:
        """Return the pooled response to the layer below, added to a bias of shape (C,) or to other drives."""
        pooled = self.pooling.value(self.respond(below, weight))
        return pooled + (onto[:, None, None] if onto.dim() == 1 else onto)

    def route(self, response: Tensor) -> Tensor | None:
        """Return what feedback needs of the response; None if it needs nothing."""
        return self.pooling.route(response)

    def pressed(self, above: Tensor, route: Tensor | None) -> Tensor:
        """Return the units above, led back through the pooling: what presses on each entry of the response."""
        return self.pooling.spread(above, route, torch.Size(self.response_shape))  # type: ignore[arg-type]

    def down(self, pressed: Tensor, weight: Tensor, onto: Tensor | None, scale: float, write: bool = False) -> Tensor:
        """Return the feedback times a scale, added to other drives if there are any; ``write`` saves memory, and leaves no graph."""
        high, wide = (
            side - ((out - 1) * self.stride - 2 * self.padding + self.kernel)
            for side, out in zip(self.below[1:], self.response_shape[1:], strict=True)
        )
        back = functional.conv_transpose2d(pressed, weight, None, self.stride, self.padding, (high, wide))
        if onto is None:
            return back if scale == 1 else scale * back
        return torch.add(onto, back, alpha=scale, out=back if write else None)

    def difference(
        self, response: Tensor | None, route: Tensor | None, change: Tensor, weight: Tensor, scale: float
    ) -> tuple[Tensor, Tensor | None]:
        """Return the change of the drive, and that of the route, by a change of the layer below, both over the scale of the change.

        Parameters
        ----------
        response, route : Tensor, optional
            Response and route of the free state.
        change : Tensor of shape (B, C, H, W)
            Change of the layer below in units of the scale.
        weight : Tensor
            Weights of the link.
        scale : float
            Scale, of either sign; near 0 the limits are returned.
        """
        return self.pooling.difference(response, route, self.respond(change, weight), scale)  # type: ignore[arg-type]

    def gradient(self, below: Tensor, pressed: Tensor, onto: Tensor | None = None, scale: float = 1.0) -> Tensor:
        """Return the sum over samples of the products of both sides times a scale, shaped as the weights, added to ``onto``."""
        like = below.new_empty(self.weight_shape)  # only its shape is asked for: the gradient of the picture below is not
        stride, padding = [self.stride] * 2, [self.padding] * 2
        found: Tensor = torch.ops.aten.convolution_backward(
            pressed, below, like, None, stride, padding, [1, 1], False, [0, 0], 1, [False, True, False]
        )[1]
        return found if onto is None else torch.add(onto, found, alpha=scale)


@final
@dataclass(frozen=True)
class Identity:
    """Copy of a layer of the same shape, without weights.

    Attributes
    ----------
    below : tuple of int
        Shape of both layers.
    routed, turning : bool
        Whether feedback depends on the response, and whether by degrees.
    """

    below: Shape
    routed: ClassVar[bool] = False
    turning: ClassVar[bool] = False

    @property
    def above(self) -> Shape:
        """Shape of the layer above."""
        return self.below

    def respond(self, below: Tensor, weight: Tensor | None) -> Tensor:
        """Return the layer below."""
        return below

    def up(self, below: Tensor, weight: Tensor | None, onto: Tensor) -> Tensor:
        """Return the layer below, added to other drives or to a bias of one value per channel."""
        return below + (onto[:, None, None] if onto.dim() == 1 and below.dim() == 4 else onto)

    def route(self, response: Tensor) -> None:
        """Return None: feedback does not depend on the response."""

    def pressed(self, above: Tensor, route: Tensor | None) -> Tensor:
        """Return the units above."""
        return above

    def down(self, pressed: Tensor, weight: Tensor | None, onto: Tensor, scale: float) -> Tensor:
        """Return the units above times a scale, added to other drives of the layer below."""
        return torch.add(onto, pressed, alpha=scale)

    def difference(
        self, response: Tensor | None, route: Tensor | None, change: Tensor, weight: Tensor | None, scale: float
    ) -> tuple[Tensor, None]:
        """Return the change of the layer below."""
        return change, None


Weighted = Dense | Convolution | Part
"""Any link with weights."""

Link = Weighted | Identity
"""Any link."""


class Edge(NamedTuple):
    """Link between two layers of a network.

    Attributes
    ----------
    source, target : int
        Index of the free layer below, -1 for the inputs, and of the one above.
    link : Link
        Link.
    name : str
        Name of the parameter that holds its weights; empty if it has none.
    """

    source: int
    target: int
    link: Link
    name: str


def channels_last(layer: Tensor) -> Tensor:
    """Return pictures with the channels of a place side by side in memory, where convolutions and poolings are fastest."""
    return layer.contiguous(memory_format=torch.channels_last)


def as_picture(rows: Tensor, shape: Shape) -> Tensor:
    """Return rows of units as layers of a shape, pictures with channels last in memory."""
    return channels_last(rows.reshape(-1, *shape)) if len(shape) == 3 else rows


def is_nothing(layer: Tensor) -> bool:
    """Whether a tensor is one 0 that is seen everywhere, as layers at rest are; asking costs no pass over its memory."""
    single = layer.untyped_storage().nbytes() == layer.element_size()
    return single and layer.device.type == "cpu" and bool(layer.as_strided((), ()) == 0)  # other devices would be waited for


def per_channel(layer: Tensor) -> Tensor:
    """Return the sum over samples, and over the places of a picture: what a bias learns from, of shape (n,) or (C,)."""
    return layer.sum(0) if layer.dim() == 2 else layer.sum((0, 2, 3))
