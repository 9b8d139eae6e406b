"""Requests to kernels that relax all phases from rest and contrast them, and their result."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.cost import Cost
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.types import Gradients, State


class FromRest(NamedTuple):
    """Phases to relax, the free one from rest and the others from its end, blocks in reverse order, and to contrast.

    Attributes
    ----------
    dynamics : Dynamics
        Dynamics of the free phase.
    free, second : Stop
        Stop of the free phase, and of the others.
    cost : Cost
        Cost of the labels, whose live nudges are the phases after the free one.
    strengths : tuple of float
        Strengths of these phases.
    signs : tuple of int
        Sign of each of these phases, 1 or -1; the free phase stands in for a missing sign.
    factor : float
        Factor of the difference of the mean energies' gradients.
    """

    dynamics: Dynamics
    free: Stop
    second: Stop
    cost: Cost
    strengths: tuple[float, ...]
    signs: tuple[int, ...]
    factor: float


Contrasted = tuple[Gradients, Callable[[], tuple[Relaxation, list[tuple[State, Relaxation]]]]]
"""A gradient, and a function that returns the free relaxation, and the displacements from it with the states that they lead to."""


def order_of(dynamics: Dynamics, num_layers: int) -> list[int]:
    """Return the layers in the order of their moves in block descent."""
    return [index for group in cast(BlockDescent, dynamics).groups(num_layers) for index in group]
