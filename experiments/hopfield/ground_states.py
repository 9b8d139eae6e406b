"""Overlaps of the theory's ground state against the dilution, and the dilutions at which they jump."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from experiments.hopfield.sampling import ground_state

if TYPE_CHECKING:
    from hebbian.arrays import Floats

_INTERVALS = 40
"""Intervals of the grid of dilutions."""
_WIDTH = 1e-6
"""Interval to which the place of a jump is narrowed down."""
JUMP = 0.02
"""Change of an overlap within ``_WIDTH`` at a transition of first order; in a continuous one it is the root of the width, .001."""


class GroundLine(NamedTuple):
    """Ground states of the theory at one temperature.

    Attributes
    ----------
    dilutions : list of float
        Dilutions in rising order, more where overlaps are steep, and both sides of every jump.
    overlaps : list of list of float
        Overlaps with the patterns at each dilution, in falling order.
    jumps : list of float
        Dilutions of the transitions of first order.
    """

    dilutions: list[float]
    overlaps: list[list[float]]
    jumps: list[float]


@cache  # a report of a run draws what the command has drawn
def ground_line(num_patterns: int, least: float, largest: float, ratio: float) -> GroundLine:
    """Follow the ground state of the theory over dilutions.

    Parameters
    ----------
    num_patterns : int
        Number of patterns.
    least, largest : float
        Range of dilutions.
    ratio : float
        Temperature relative to the critical one, which is 1 - d.

    Returns
    -------
    GroundLine
        Overlaps, which do not depend on the convention of units.
    """
    from hebbian.theory.branches import stable_branches
    from hebbian.theory.ensemble import diluted_ensemble
    from hebbian.theory.mean_field import MeanField

    def overlaps(dilution: float) -> Floats:
        field = MeanField(diluted_ensemble(num_patterns, dilution), ratio * (1 - dilution), 1.0)
        return ground_state(stable_branches(field)).overlaps

    return followed(overlaps, [float(place) for place in np.linspace(least, largest, _INTERVALS + 1)])


def followed(overlaps: Callable[[float], Floats], places: list[float]) -> GroundLine:
    """Return overlaps at given dilutions, and the jumps between them.

    Intervals in which an overlap changes by more than ``JUMP`` are halved until none does, or until they are as narrow as a jump.

    Parameters
    ----------
    overlaps : callable
        Maps a dilution to overlaps of shape (P,).
    places : list of float
        Dilutions in rising order.
    """
    states = [overlaps(place) for place in places]
    line = GroundLine([places[0]], [states[0].tolist()], [])

    def fill(low: float, first: Floats, high: float, last: Floats) -> None:
        changed = np.abs(first - last).max() > JUMP
        if changed and high - low > _WIDTH:
            # Both halves are looked into: a slope in one may hide a smaller jump in the other.
            middle = (low + high) / 2
            state = overlaps(middle)
            fill(low, first, middle, state)
            fill(middle, state, high, last)
            return
        if changed:
            line.jumps.append((low + high) / 2)
        line.dilutions.append(high)
        line.overlaps.append(last.tolist())

    for low, high, first, last in zip(places, places[1:], states, states[1:], strict=False):
        fill(low, first, high, last)
    return line
