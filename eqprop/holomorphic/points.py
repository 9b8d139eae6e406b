r"""Points: strengths of nudges, real or complex, and the weights with which their contrasts give a derivative at strength 0.

With :math:`g(\beta) = \partial_\theta E(s_\beta)` the gradient of the cost is :math:`g'(0)`. Every rule here estimates it as
:math:`\sum_k w_k [g(\beta_k) - g(0)] / \beta_k`. If the weights sum to 1 and :math:`\sum_k w_k \beta_k^m = 0` for m = 1 to n - 1, terms
up to :math:`\beta^{n-1}` of the bias vanish, so that the estimate has order n.
"""

from __future__ import annotations

import cmath
import math
from typing import NamedTuple

from contrastive_core.errors import InputError
from contrastive_core.expect import expect_whole

RICHARDSON = {4: {1.0: -1 / 3, 0.5: 4 / 3}, 6: {1.0: 1 / 45, 0.5: -20 / 45, 0.25: 64 / 45}}
"""Weights of centered contrasts by their relative strength, for each order."""
_NOTHING = 1e-12
"""Cosine of a strength below which its nudge is 0 but for a rounding."""


class Point(NamedTuple):
    """Nudge of an estimate.

    Attributes
    ----------
    strength : complex
        Strength in units of that of the rule; a float where it is real.
    weight : float
        Weight :math:`w` of its contrast with the free state, divided by its strength. A complex point also stands for its conjugate.
    name : str
        Name of its phase in certificates.
    """

    strength: complex
    weight: float
    name: str


def richardson(order: int) -> tuple[Point, ...]:
    """Return the points of centered contrasts at the strength, its half and, for order 6, its quarter.

    Parameters
    ----------
    order : int
        4 or 6.
    """
    if order not in RICHARDSON:
        raise InputError(f"Richardson's extrapolation is of order 4 or 6 here, got {order}; take ep-centered for order 2")
    return tuple(
        Point(sign * size, weight / 2, f"strength {'+' if sign > 0 else '-'}{size:g}")
        for size, weight in RICHARDSON[order].items()
        for sign in (1, -1)
    )


def circle(count: int) -> tuple[Point, ...]:
    r"""Return the points :math:`e^{2\pi i k/N}` for k from 0 to N/2: the others are their conjugates, and so are their states.

    Parameters
    ----------
    count : int
        Number N of points on the circle: 1 is a positive nudge, 2 a centered pair.
    """
    _require_count(count, 1, "6 gives order 6")
    points = []
    for index in range(count // 2 + 1):
        real = 2 * index % count == 0
        strength = (1.0 if index == 0 else -1.0) if real else cmath.exp(2j * math.pi * index / count)
        points.append(Point(strength, (1 if real else 2) / count, name_of(index, count)))
    return tuple(points)


def lock_in(count: int) -> tuple[Point, ...]:
    r"""Return the strengths :math:`\cos 2\pi k/M` of a real nudge that swings, read M times a period and multiplied by that cosine.

    :math:`(2/\beta M) \sum_k \cos(\omega t_k)\, g(\beta \cos \omega t_k)` is a sum over points of weights :math:`(2/M) \cos^2`. Strengths
    that come twice a period are relaxed once, and those of 0 not at all.

    Parameters
    ----------
    count : int
        Number M of readings per period, at least 3: fewer cannot tell the first harmonic from the mean.
    """
    _require_count(count, 3, "16 is the default")
    points = []
    for index in range(count // 2 + 1):
        cosine = math.cos(2 * math.pi * index / count)
        if abs(cosine) > _NOTHING:
            twice = 1 if 2 * index % count == 0 else 2
            points.append(Point(cosine, twice * 2 * cosine**2 / count, name_of(index, count)))
    return tuple(points)


def name_of(index: int, count: int) -> str:
    """Return the name of a point's phase; points are counted from 1."""
    return f"point {index + 1} of {count}"


def count_of(name: str) -> int:
    """Return the number of points from the name of one of their phases."""
    return int(name.rpartition(" ")[2])


def reading_gain(points: tuple[Point, ...], strength: float) -> float:
    r"""Return the standard deviation of an estimate's entry per unit of that of each reading of :math:`\partial_\theta E`.

    Readings of all phases err independently, with equal deviations of real and imaginary parts. A conjugate is read on its own, and the
    free state only where the other readings do not cancel it.

    Parameters
    ----------
    points : tuple of Point
        Points of the estimate.
    strength : float
        Strength of the rule, positive.
    """
    factors = [point.weight / abs(point.strength) for point in points]
    readings = [1 if isinstance(point.strength, float) else 2 for point in points]
    free = sum(point.weight / point.strength for point in points).real
    shares = sum(factor**2 / count for factor, count in zip(factors, readings, strict=True))
    return math.sqrt(shares + (free**2 if abs(free) > _NOTHING else 0.0)) / strength


def _require_count(count: int, least: int, advice: str) -> None:
    expect_whole(count, "the number of points", advice, least=least)
