"""Means over seeds, with intervals."""

from collections.abc import Sequence
from typing import Any


def interval(values: Sequence[float]) -> dict[str, Any]:
    """Return mean and 95 % confidence interval of the mean, by Student's t.

    Seeds are few, so the interval is that of Student rather than a bootstrap, which is too narrow below ten values.

    Parameters
    ----------
    values : sequence of float
        One per seed.

    Returns
    -------
    dict
        ``mean``, ``ci95`` as a pair (both None for a single value), and ``seeds``, the values themselves.
    """
    from scipy.stats import ttest_1samp

    mean = sum(values) / len(values)
    if len(values) < 2:
        bounds: list[float | None] = [None, None]
    elif max(values) == min(values):
        bounds = [mean, mean]
    else:
        found = ttest_1samp(values, 0.0).confidence_interval(0.95)
        bounds = [float(found.low), float(found.high)]
    return {"mean": mean, "ci95": bounds, "seeds": list(values)}


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that there are; None for none."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None
