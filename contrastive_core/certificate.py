"""Certificates: when a relaxation stops, how it ended, and how well it has relaxed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple, final

from torch import Tensor

from contrastive_core.types import State


class Stop(NamedTuple):
    """End of a relaxation: its tolerance and its budget.

    Attributes
    ----------
    tolerance : float, optional
        A sample stops once its residual is at most this; None runs the whole budget.
    budget : int
        The largest number of steps.
    unstable : bool
        Whether to step even where the energy has no minimum, instead of reporting that nothing can settle there: a circuit read after so
        many steps has a state in any case, and with a tolerance none is ever reached.
    """

    tolerance: float | None = 1e-3
    budget: int = 100
    unstable: bool = False


class Status(IntEnum):
    """Way in which a sample's relaxation ended."""

    CONVERGED = 0
    """Its residual reached the tolerance."""
    BUDGET = 1
    """It used up its steps before (always so when there is no tolerance)."""
    DIVERGED = 2
    """Its state is not finite, or its energy has no minimum at this strength."""


class Relaxation(NamedTuple):
    """A state and the certificate of how well it has relaxed.

    Attributes
    ----------
    state : State
        State at the end of the relaxation.
    steps : Tensor of shape (B,)
        Steps that each sample took (int64).
    residual : Tensor of shape (B,)
        The largest undamped change over each sample's units in its last step; 0 at an equilibrium.
    status : Tensor of shape (B,)
        A :class:`Status` per sample (int8).
    """

    state: State
    steps: Tensor
    residual: Tensor
    status: Tensor


@final
class Deferred(Mapping[str, Relaxation]):
    """Relaxations by name, made when they are first asked for: who wants a gradient only need not wait for them.

    Parameters
    ----------
    names : sequence of str
        In order.
    make : callable
        Returns one relaxation per name; called once.
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
