"""Link between parts of two layers: what one of several towers in a network has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional

Shape = tuple[int, ...]
"""Shape of a layer of one sample: (n,) for a row of units, (C, H, W) for channels of a picture."""


@final
@dataclass(frozen=True)
class Part:
    """Weights from some units of a row to some units of the row above; the others neither send nor receive.

    Attributes
    ----------
    below, above : tuple of int
        Shapes of the layers.
    sender, receiver : tuple of int
        First and last plus one of the units below that send, and of those above that receive.
    routed, turning : bool
        Whether feedback depends on the response, and whether by degrees.
    """

    below: Shape
    above: Shape
    sender: tuple[int, int]
    receiver: tuple[int, int]
    routed: ClassVar[bool] = False
    turning: ClassVar[bool] = False

    @property
    def weight_shape(self) -> Shape:
        """Shape of the weights, of senders by receivers."""
        return (self.fan_in, self.receiver[1] - self.receiver[0])

    @property
    def fan_in(self) -> int:
        """Number of units below that a receiver sees."""
        return self.sender[1] - self.sender[0]

    def respond(self, below: Tensor, weight: Tensor) -> Tensor:
        """Return the response, of shape (B, n); 0 for units that do not receive."""
        return self._wide(below[:, slice(*self.sender)] @ weight, self.above, self.receiver)

    def up(self, below: Tensor, weight: Tensor, onto: Tensor) -> Tensor:
        """Return the response to the layer below, added to a bias of shape (n,) or to other drives."""
        return onto + self.respond(below, weight)

    def route(self, response: Tensor) -> None:
        """Return None: feedback does not depend on the response."""

    def pressed(self, above: Tensor, route: Tensor | None) -> Tensor:
        """Return the units above."""
        return above

    def down(self, pressed: Tensor, weight: Tensor, onto: Tensor, scale: float) -> Tensor:
        """Return the feedback times a scale, added to other drives of the layer below."""
        return torch.add(onto, self._wide(pressed[:, slice(*self.receiver)] @ weight.T, self.below, self.sender), alpha=scale)

    def difference(
        self, response: Tensor | None, route: Tensor | None, change: Tensor, weight: Tensor, scale: float
    ) -> tuple[Tensor, None]:
        """Return the change of the drive by a change of the layer below: the link is linear."""
        return self.respond(change, weight), None

    def gradient(self, below: Tensor, pressed: Tensor, onto: Tensor | None = None, scale: float = 1.0) -> Tensor:
        """Return the sum over samples of the products of both sides times a scale, shaped as the weights, added to ``onto``."""
        rows, columns = below[:, slice(*self.sender)].T, pressed[:, slice(*self.receiver)]
        return rows @ columns if onto is None else torch.addmm(onto, rows, columns, alpha=scale)

    @staticmethod
    def _wide(part: Tensor, shape: Shape, place: tuple[int, int]) -> Tensor:
        return functional.pad(part, (place[0], shape[0] - place[1]))
