"""Certificates of relaxations: when they stop, how they ended, and how far they are from equilibrium."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple, final

from torch import Tensor

from contrastive_core.guards.typed import typed
from contrastive_core.types import State


@typed()
class Stop(NamedTuple):
    """End of a relaxation: its tolerance and its budget.

    Attributes
    ----------
    tolerance : float, optional
        Residual at or below which a sample stops; None runs the whole budget.
    budget : int
        Largest number of steps.
    unstable : bool
        Whether to run the full budget even if the energy has no minimum, as a circuit that is read after a fixed time does. With a
        tolerance such a phase never converges.
    """

    tolerance: float | None = 1e-3
    budget: int = 100
    unstable: bool = False


class Status(IntEnum):
    """Way in which a sample's relaxation ended."""

    CONVERGED = 0
    """The residual reached the tolerance."""
    BUDGET = 1
    """The budget ran out first, the tolerance is below the roundings of the state, or the state is a saddle or corner of a nudged energy.

    Always so without a tolerance.
    """
    DIVERGED = 2
    """The state or its energy is not finite, or the energy has no minimum at this strength."""


@typed()
class Relaxation(NamedTuple):
    """State and certificate of a relaxation.

    Attributes
    ----------
    state : State
        State at the end of the relaxation.
    steps : Tensor of shape (B,)
        Number of steps of each sample (int64).
    residual : Tensor of shape (B,)
        Largest difference, over each sample's units, from the stationary value with the other units of the moment held: the change by a
        sweep of block descent. 0 at an equilibrium, and not below the roundings of the state where these are above the tolerance.
        In difference coordinates it is that of the displacements, in units of what an output moves per unit of error.
    status : Tensor of shape (B,)
        :class:`Status` of each sample (int8).
    """

    state: State
    steps: Tensor
    residual: Tensor
    status: Tensor


@final
class Deferred(Mapping[str, Relaxation]):
    """Relaxations by name, made on first access, so that a caller who needs only the gradient does not wait for them.

    Parameters
    ----------
    names : sequence of str
        Names, in order.
    make : callable
        Function that returns one relaxation per name; called once.
    """

    def __init__(self, names: Sequence[str], make: Callable[[], Sequence[Relaxation]]) -> None:
        self._names, self._make = names, make

    @cached_property
    def _made(self) -> dict[str, Relaxation]:
        return dict(zip(self._names, self._make(), strict=True))

    def __getitem__(self, name: str) -> Relaxation:
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
