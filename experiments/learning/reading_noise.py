"""Errors of reading beside the bias: the error of a rule whose phases are read with noise, at every strength."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contrastive_core.rule import Rule
    from eqprop.holomorphic.points import Point

_FEW = {"ep-positive": 1, "ep-negative": 1, "ep-random": 1, "ep-centered": 2}
"""Points on the circle of the rules with one or two nudges."""
_SEVERAL = ("ep-richardson4", "ep-richardson6", "ep-lock-in", "ep-holomorphic")
"""Rules that say at which points they nudge."""


def under_noise(name: str, rule: Rule, bias: Mapping[str, Any] | None, levels: Sequence[float]) -> dict[str, Any] | None:
    r"""Return the root mean square error of a rule at each strength, for several errors of reading.

    Every reading of :math:`\partial_\theta E` errs independently by a level times the root mean square entry of the exact gradient. The
    errors add to the bias as :math:`\sqrt{bias^2 + (level \cdot gain)^2}`, with the gain of the rule's points.

    Parameters
    ----------
    name : str
        Name of the rule.
    rule : Rule
        Rule of any strength.
    bias : mapping, optional
        Strengths and relative errors without noise.
    levels : sequence of float
        Errors of a reading.

    Returns
    -------
    dict, optional
        Levels and, for each, the errors by strength; None for a rule that is no weighted sum of contrasts with the free state.
    """
    from eqprop.holomorphic.points import reading_gain

    points = points_of(name, rule)
    if bias is None or points is None:
        return None
    gains = [reading_gain(points, strength) for strength in bias["strengths"]]
    errors = [[math.hypot(error, level * gain) for error, gain in zip(bias["errors"], gains, strict=True)] for level in levels]
    return {"levels": list(levels), "strengths": list(bias["strengths"]), "errors": errors}


def points_of(name: str, rule: Any) -> tuple[Point, ...] | None:
    """Return the nudges of a rule, in units of its strength; None if it has none that are read one by one."""
    from eqprop.holomorphic.points import circle

    if name in _SEVERAL:
        points: tuple[Point, ...] = rule.points
        return points
    return circle(_FEW[name]) if name in _FEW else None
