"""Comparison of a result with the published one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from contrastive_core.errors import EqlabError
from experiments.published.row import Row, Scale

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
SCALED_DOWN = "scaled down"
LARGEST = "*"
"""Step of a path that takes the largest number over a list."""
_Z = 1.959963984540054
"""Quantile of the normal distribution at 97.5 %, for a standard error from many samples."""
_WIDE = 4.0
"""Widths of the published interval from which an overlap with ours says little."""


class Measured(NamedTuple):
    """Result of a run in the published unit.

    Attributes
    ----------
    value : float
        Number, or mean over the seeds.
    low, high : float or None
        Ends of the 95 % interval, None where the run gives none.
    seeds : int or None
        Number of seeds of a mean; None for a single number.
    """

    value: float
    low: float | None
    high: float | None
    seeds: int | None


def measured(row: Row, result: Mapping[str, Any]) -> Measured:
    """Read what a run has measured out of its result.

    Parameters
    ----------
    row : Row
        Published result, which names the place.
    result : mapping
        Result of the command, as its JSON has it.

    Returns
    -------
    Measured
        Value and interval in the published unit.

    Raises
    ------
    EqlabError
        If the run ended without this number.
    """
    found = _at(result, row.result)
    seeds, ends = None, (None, None)
    if isinstance(found, Mapping):
        seeds, ends, found = len(found["seeds"]), found["ci95"], found["mean"]
    elif row.limits:
        ends = _at(result, row.limits)
    elif row.error and found is not None:
        margin = _Z * _at(result, row.error)
        ends = (found - margin, found + margin)
    if found is None:
        raise EqlabError(f"the run has no {'.'.join(row.result)}; its report says why")
    low, high = (None if end is None else row.factor * end + row.offset for end in ends)
    # A negative factor, as from errors to accuracies, exchanges the ends.
    if low is not None and high is not None and low > high:
        low, high = high, low
    return Measured(row.factor * found + row.offset, low, high, seeds)


def _at(result: Any, path: Sequence[str]) -> Any:
    """Follow a path through mappings and lists; ``*`` takes the largest number over a list. None if the path leads nowhere."""
    if not path:
        return result
    key, rest = path[0], path[1:]
    if isinstance(result, Mapping):
        return _at(result.get(key), rest)
    if isinstance(result, list) and key == LARGEST:
        return max((found for entry in result if (found := _at(entry, rest)) is not None), default=None)
    if isinstance(result, list) and key.isdecimal() and int(key) < len(result):
        return _at(result[int(key)], rest)
    return None


def verdict(row: Row, scale: Scale, ours: Measured) -> str:
    """Judge a result: reproduced if its interval, or its value where it has none, meets the published interval.

    Parameters
    ----------
    row : Row
        Published result.
    scale : str
        Size of the run; a small one is not judged.
    ours : Measured
        Result of the run.

    Returns
    -------
    str
        ``reproduced``, ``not reproduced`` or ``scaled down``.
    """
    if scale == "small":
        return SCALED_DOWN
    low, high = row.interval
    least = ours.value if ours.low is None else ours.low
    most = ours.value if ours.high is None else ours.high
    return REPRODUCED if least <= high and most >= low else NOT_REPRODUCED


def remark(row: Row, judged: str, ours: Measured) -> str | None:
    """Return a sentence that a reader of the verdict needs, None if there is none.

    Parameters
    ----------
    row : Row
        Published result.
    judged : str
        Verdict.
    ours : Measured
        Result of the run.

    Returns
    -------
    str or None
        Side on which the result missed the published interval, or a doubt about one that met it.
    """
    low, high = row.interval
    if judged == SCALED_DOWN:
        return "The small scale shows that the configuration runs; its value says nothing about the published one."
    if judged == NOT_REPRODUCED:
        return f"The result lies {'below' if ours.value < low else 'above'} the published interval."
    if ours.low is None or ours.high is None:
        return "The result has no interval of its own; its value was compared." if ours.seeds is not None else None
    if ours.high - ours.low > _WIDE * (high - low):
        return "The interval here is much wider than the published one, so that they meet easily; a longer run would tell more."
    return None
