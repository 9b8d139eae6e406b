"""Confidence intervals of means and of paired differences: one rule for every table, report and figure.

The rule is Student's t at 95 %, cut to the range that the metric can have. It needs two values that differ; equal values have a mean
and no interval, because their spread says nothing about the spread of the next one. docs/reference/statistics.md shows the
measured coverage.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

CONFIDENCE = 0.95
Bounds = tuple[float, float]
"""Lowest and highest value that a metric can have."""
UNBOUNDED: Bounds = (-math.inf, math.inf)
EQUAL = "all equal"
"""Text in place of an interval whose values do not differ."""
_Z = 1.959963984540054
"""Quantile of the normal distribution at 97.5 %."""
_ROUNDING = 2.0**-49
"""Differences up to 8 units in the last place of float64 are rounding: 0.3 - 0.2 and 0.2 - 0.1 count as equal."""


class Interval(NamedTuple):
    """Mean of one group of values, with its interval.

    Attributes
    ----------
    number : int
        Number of finite values.
    mean : float or None
        None if there is no finite value.
    low, high : float or None
        Ends of the interval; None below two values and for equal values.
    """

    number: int
    mean: float | None
    low: float | None
    high: float | None


class Means(NamedTuple):
    """Means of groups of values, with their intervals.

    Attributes
    ----------
    number : ndarray of shape (groups,)
        Number of finite values.
    mean : ndarray of shape (groups,)
        Mean of the finite values; NaN for a group without any.
    low, high : ndarray of shape (groups,)
        Ends of the interval; NaN below two values and for equal values.
    """

    number: Array
    mean: Array
    low: Array
    high: Array

    def at(self, group: int) -> Interval:
        """Return the entry of one group, with None in place of NaN."""
        mean, low, high = (None if math.isnan(column[group]) else float(column[group]) for column in self[1:])
        return Interval(int(self.number[group]), mean, low, high)


def group_means(values: Array, groups: Array, count: int, bounds: Bounds = UNBOUNDED, sizes: Array | None = None) -> Means:
    """Average values by group, in time proportional to their number.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Values; those that are not finite are left out.
    groups : ndarray of shape (n,)
        Group of each value, from 0 to ``count`` - 1.
    count : int
        Number of groups.
    bounds : tuple of float
        Range to which intervals are cut.
    sizes : ndarray of shape (n,), optional
        Size of the numbers from which each value was computed, by which rounding is judged; by default that of the values.

    Returns
    -------
    Means
        One entry per group.
    """
    import numpy as np
    from scipy.special import stdtrit

    kept = np.isfinite(values)
    sizes = np.abs(values if sizes is None else sizes)[kept]
    values, groups = values[kept], groups[kept]
    # bincount adds in the order of the values, so that a group has the same bits alone as among others.
    number = np.bincount(groups, minlength=count)
    mean, low, high = (np.full(count, np.nan) for _ in range(3))
    np.divide(np.bincount(groups, values, count), number, out=mean, where=number > 0)
    least, most, scale = np.full(count, np.inf), np.full(count, -np.inf), np.zeros(count)
    np.minimum.at(least, groups, values)
    np.maximum.at(most, groups, values)
    np.maximum.at(scale, groups, sizes)
    squares = np.bincount(groups, (values - mean[groups]) ** 2, count)  # about the mean: sums of squares alone would cancel
    # By the range, not by the variance: rounding of the mean gives equal values a variance above 0.
    known = (number > 1) & (most - least > _ROUNDING * scale)
    free, centre = number[known] - 1, mean[known]
    margin = stdtrit(free, 0.5 + CONFIDENCE / 2) * np.sqrt(squares[known] / free / number[known])
    # The true mean lies within the bounds, so cutting never loses it; the mean stays inside even if a declared bound is wrong.
    low[known] = np.minimum(np.maximum(centre - margin, bounds[0]), centre)
    high[known] = np.maximum(np.minimum(centre + margin, bounds[1]), centre)
    return Means(number, mean, low, high)


def mean_interval(values: Sequence[float | None] | Array, bounds: Bounds = UNBOUNDED, sizes: Array | None = None) -> Interval:
    """Average values, one per seed.

    Parameters
    ----------
    values : sequence of float or None
        Values; None and what is not finite are left out.
    bounds : tuple of float
        Range to which the interval is cut.
    sizes : ndarray, optional
        Size of the operands of each value, see ``group_means``.

    Returns
    -------
    Interval
        Equal to the entry that ``group_means`` gives these values, to the last bit.
    """
    import numpy as np

    numbers = np.asarray(values, dtype=float)
    return group_means(numbers, np.zeros(len(numbers), int), 1, bounds, sizes).at(0)


def difference_interval(
    values: Sequence[float | None] | Array, reference: Sequence[float | None] | Array, bounds: Bounds = UNBOUNDED
) -> Interval:
    """Average the differences of paired values.

    Parameters
    ----------
    values, reference : sequence of float or None
        Values of the two arms, paired by position; pairs without two finite values are left out.
    bounds : tuple of float
        Range of the values; that of their differences follows from it.

    Returns
    -------
    Interval
        Mean of ``values - reference``, with its interval.
    """
    import numpy as np

    ours, theirs = np.asarray(values, dtype=float), np.asarray(reference, dtype=float)
    low, high = bounds
    # Rounding is judged by the arms: 0.9 - 0.8 carries the error of 0.9, which is large for a difference near 0.
    return mean_interval(ours - theirs, (low - high, high - low), np.maximum(np.abs(ours), np.abs(theirs)))


def interval_record(values: Sequence[float | None], bounds: Bounds = UNBOUNDED) -> dict[str, Any]:
    """Return a mean and its interval as records and JSON hold them.

    Parameters
    ----------
    values : sequence of float or None
        Values, one per seed; None is left out.
    bounds : tuple of float
        Range of the metric.

    Returns
    -------
    dict
        ``mean``, ``ci95`` (a pair; both None below two values and for equal values) and ``seeds``, the values themselves.
    """
    return _record(mean_interval(values, bounds), [value for value in values if value is not None])


def difference_record(
    values: Sequence[float | None], reference: Sequence[float | None], bounds: Bounds = UNBOUNDED
) -> dict[str, Any] | None:
    """Return the mean of paired differences and its interval as records and JSON hold them.

    Parameters
    ----------
    values, reference : sequence of float or None
        Values of the two arms, paired by position; None where a trial failed.
    bounds : tuple of float
        Range of the metric.

    Returns
    -------
    dict or None
        Record like that of ``interval_record``, with the differences under ``seeds``; None if no pair is complete.
    """
    pairs = [(ours, theirs) for ours, theirs in zip(values, reference, strict=False) if ours is not None and theirs is not None]
    if not pairs:
        return None
    ours, theirs = zip(*pairs, strict=True)
    return _record(difference_interval(ours, theirs, bounds), [a - b for a, b in pairs])


def _record(found: Interval, values: list[float]) -> dict[str, Any]:
    return {"mean": found.mean, "ci95": [found.low, found.high], "seeds": values}


def share_interval(share: float, number: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a probability, from the share of independent cases that succeeded.

    Student's t does not apply: the cases are 0 or 1 each, and their spread follows from their mean. The interval stays within [0, 1]
    and has a width even if no case or every case succeeded.

    Parameters
    ----------
    share : float
        Share of successes.
    number : int
        Number of cases, at least 1.

    Returns
    -------
    tuple of float
        Ends of the interval.

    References
    ----------
    Wilson (1927), J. Am. Stat. Assoc. 22, 209.
    """
    scale = 1 + _Z**2 / number
    centre = (share + _Z**2 / (2 * number)) / scale
    margin = _Z * math.sqrt(share * (1 - share) / number + (_Z / (2 * number)) ** 2) / scale
    return max(centre - margin, 0.0), min(centre + margin, 1.0)


def brackets(number: int, low: float | None, high: float | None, write: Callable[[float], str]) -> str:
    """Write an interval as people read it.

    Parameters
    ----------
    number : int
        Number of values.
    low, high : float or None
        Ends of the interval, None where it has none.
    write : callable
        Writes a number.

    Returns
    -------
    str
        ``[low, high]``, ``all equal``, or a dash below two values.
    """
    if number < 2:
        return "-"
    return EQUAL if low is None or high is None else f"[{write(low)}, {write(high)}]"


def interval_cells(record: Mapping[str, Any] | None, digits: int = 2, *, percent: bool = True) -> tuple[str, str]:
    """Write the mean and the interval of a share in percent, or of another number with four digits.

    Parameters
    ----------
    record : mapping or None
        Record from ``interval_record``.
    digits : int
        Decimal places of percent.
    percent : bool
        Whether it is a share.

    Returns
    -------
    tuple of str
        Two cells of a table; dashes if there is no mean.
    """

    def write(share: float) -> str:
        return f"{round(100 * share, digits) + 0.0:.{digits}f}" if percent else f"{share:.4g}"  # + 0.0 takes the sign off a rounded -0.0

    if record is None or record["mean"] is None:
        return "-", "-"
    low, high = record["ci95"]
    return write(record["mean"]), brackets(len(record["seeds"]), low, high, write)


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are present, None if there is none."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None
