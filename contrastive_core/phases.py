"""Phases: influences on a network besides its clamped inputs."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import torch
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.types import Batch


@typed()
class Nudge(NamedTuple):
    r"""Phase in which ``strength`` times the cost is added to the energy.

    Attributes
    ----------
    cost : Cost
        Cost :math:`C`.
    batch : Batch
        Samples with which the cost compares the output.
    strength : float
        :math:`\beta`, positive or negative.
    frozen : Tensor of shape (B, n_out), optional
        Constant :math:`\partial C/\partial o`, taken at the free state; None lets the nudge follow the state.
    """

    cost: Cost
    batch: Batch
    strength: float
    frozen: Tensor | None = None


@typed()
class Hold(NamedTuple):
    """Phase in which the output layer is held and only the other layers relax.

    Attributes
    ----------
    output : Tensor of shape (B, n_out)
        Value of the output layer.
    """

    output: Tensor


Phase = Nudge | Hold | None
"""Influence on the network besides its inputs; None is the free phase."""


class Pull(NamedTuple):
    r"""Effect of a nudge on the last layer, as a local quadratic model of the nudged cost.

    :math:`\beta C(o') \approx -\,\mathrm{linear} \cdot o' + \tfrac12\, \mathrm{curvature}\, |o'|^2`, with the exact gradient at the
    present state. In hardware ``linear`` is a current and ``curvature`` a conductance.

    Attributes
    ----------
    linear : Tensor of shape (B, n)
        Constant part of the force on the last layer.
    curvature : float
        Stiffness added to the last layer.
    outputs : Pull, optional
        Same nudge as a pull on the outputs, where these are a function of the last layer; None where they are its units.
    """

    linear: Tensor
    curvature: float
    outputs: Pull | None = None


SIDE_NAMES = {1: "positive", -1: "negative"}
"""Names of the nudged or held phases of each sign."""

PHASE_NAMES: dict[tuple[int, ...], tuple[str, ...]] = {
    signs: ("free", *(SIDE_NAMES[sign] for sign in signs)) for signs in ((1,), (-1,), (1, -1))
}
"""Names of the phases of a contrast, in the order in which they run."""


class Sides(Enum):
    """Sides of the free state on which a contrastive rule relaxes."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    CENTERED = "centered"
    RANDOM = "random"

    def signs(self, generator: torch.Generator | None = None) -> tuple[int, ...]:
        """Return the signs of the phases to run; RANDOM draws one sign.

        Raises
        ------
        InputError
            If RANDOM has no generator to draw from.
        """
        if self is Sides.RANDOM:
            if generator is None:
                raise InputError("a random sign needs a generator; pass generator=torch.Generator().manual_seed(...)")
            return (1,) if bool(torch.randint(2, (), generator=generator)) else (-1,)
        return (1, -1) if self is Sides.CENTERED else (1,) if self is Sides.POSITIVE else (-1,)
