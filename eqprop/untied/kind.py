"""Layered networks with feedback of its own as a kind of network; torch is imported when one is built."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, cast

from annotated_types import Ge, Le

from contrastive_core.errors import InputError
from contrastive_core.networks.kind import SHARED, Blueprint, NetworkKind
from contrastive_core.networks.kinds import CONVOLUTIONAL, LAYERED
from contrastive_core.options import option

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from contrastive_core.networks.layered import Layered
    from contrastive_core.networks.untied import Untied


@dataclass(frozen=True)
class UntiedOptions:
    """Feedback of an untied network.

    Attributes
    ----------
    feedback, angle
        Relation of the feedback to the forward weights while these learn, and the angle between them at the beginning.
    """

    feedback: Literal["fixed", "sign", "kolen-pollack", "learning"] = option(
        "fixed",
        "Feedback weights: fixed (feedback alignment), sign (sign symmetry, which needs no angle), kolen-pollack (updated as the forward "
        "weights are, to be used with --weight-decay), or learning (a contrast of their own).",
    )
    angle: Annotated[float, Ge(0), Le(180)] = option(
        90.0, "Initial angle between feedback and forward weights in degrees; 0: their transpose; 90: random feedback."
    )


def turned(weight: Tensor, degrees: float, generator: torch.Generator) -> Tensor:
    """Return weights of the same norm at an angle to the given ones, in a random direction.

    Raises
    ------
    InputError
        If the weights are 0, to which there is no angle.
    """
    import torch

    flat, noise = weight.detach().double().flatten(), torch.randn(weight.numel(), generator=generator, dtype=torch.float64)
    norm = flat.norm()
    if not norm > 0 or flat.numel() < 2:
        raise InputError("feedback at an angle needs two or more forward weights that are not 0; raise --gain or --hidden")
    along = flat / norm
    across = noise - (noise @ along) * along
    radians = math.radians(degrees)
    made: Tensor = norm * (math.cos(radians) * along + math.sin(radians) * across / across.norm())
    return made.view_as(weight).to(weight)


def _untied(blueprint: Blueprint, own: UntiedOptions, generator: torch.Generator) -> Untied:
    """Return a layered network with feedback of its own."""
    from contrastive_core.networks.untied import Feedback, Untied

    network, mode = (
        cast("Layered", (CONVOLUTIONAL if blueprint.layers else LAYERED).build(blueprint, None, generator)),
        Feedback(own.feedback),
    )
    # Feedback starts as a ratio to the forward weights, none of which is 0 after a draw.
    ratios = {
        f"weight_{index + 1}": turned(network.weight(index), own.angle, generator) / network.weight(index).detach() - 1
        for index in range(1, len(network.sizes))
    }
    return Untied(network, ratios, mode)


UNTIED = NetworkKind(_untied, UntiedOptions, uses=frozenset(SHARED), unit_stiffness=True, random_structure=True)
