"""Summary of comparisons of gradients at several values of a setting: cosine and error of each rule over the seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments.runs.intervals import mean
from experiments.runs.records import Trial
from experiments.sweeps.axes import Axis

SEEDS = "seeds"
"""Name of the varied setting where only the seed varies."""
HEADER = ("rule", "mean cosine", "lowest", "mean error", "least", "largest", "order")
"""Columns after that of the varied setting."""


def summary(varied: str, values: Sequence[Any], found: Sequence[tuple[Any, Mapping[str, Any]]], seeds: int) -> dict[str, Any]:
    """Return cosines and errors of every rule over the seeds, at each value.

    Parameters
    ----------
    varied : str
        Name of the varied setting.
    values : sequence
        Its values.
    found : sequence of (value, metrics)
        Value and metrics of each trial that has some.
    seeds : int
        Number of seeds.

    Returns
    -------
    dict
        By rule the mean and the lowest cosine, and the mean, the least and the largest relative error, each a list by value, with None
        where no trial has one; and ``order``, the slope of log mean error against log value.
    """
    rules: dict[str, Any] = {}
    for rule in dict.fromkeys(rule for _, metrics in found for rule in metrics["rules"]):
        at = [[metrics["rules"][rule] for value, metrics in found if value == one and rule in metrics["rules"]] for one in values]
        cosines = [_present(record.get("alignment") for record in records) for records in at]
        errors = [_present(record.get("relative_error") for record in records) for records in at]
        means = [mean(column) for column in errors]
        rules[rule] = {
            "mean_cosine": [mean(column) for column in cosines],
            "lowest_cosine": [min(column, default=None) for column in cosines],
            "mean_error": means,
            "least_error": [min(column, default=None) for column in errors],
            "largest_error": [max(column, default=None) for column in errors],
            "order": _order(values, means),
        }
    network = next((metrics["network"] for _, metrics in found), "no network")
    return {"varied": varied, "values": list(values), "seeds": seeds, "network": network, "rules": rules}


def found_of(trials: Iterable[Trial], axes: Sequence[Axis]) -> list[tuple[Any, Mapping[str, Any]]]:
    """Return value and metrics of each trial that has some; the value is None if only seeds vary."""
    done = [trial for trial in trials if trial.metrics]
    return [(plain(trial.options[axes[0].keys[0]]) if axes else None, trial.metrics or {}) for trial in done]


def values_of(axes: Sequence[Axis]) -> list[Any]:
    """Return the values of the varied setting, None if there is none."""
    return [plain(value) for (value,) in axes[0].values] if axes else [None]


def plain(value: Any) -> Any:
    """Return a list of one entry as that entry, and a longer one as text."""
    if not isinstance(value, list | tuple):
        return value
    return value[0] if len(value) == 1 else ",".join(map(str, value))


def _present(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _order(values: Sequence[Any], errors: Sequence[float | None]) -> float | None:
    """Return the least-squares slope of log error against log value; None unless there are two positive numbers of each."""
    pairs = [(value, error) for value, error in zip(values, errors, strict=True) if error and _positive(value)]
    if len(pairs) < max(len(values), 2):
        return None
    x, y = ([math.log(pair[index]) for pair in pairs] for index in (0, 1))
    return statistics.linear_regression(x, y).slope


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def rows_of(result: Mapping[str, Any]) -> list[Sequence[Any]]:
    """Return a summary as rows under ``HEADER``, one for each value and rule."""
    rows: list[Sequence[Any]] = []
    values = [str(result["seeds"])] if result["varied"] == SEEDS else result["values"]
    shown = ["-" if value is None else f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    for index, value in enumerate(shown):
        for rule, record in result["rules"].items():
            cosines = [record[name][index] for name in ("mean_cosine", "lowest_cosine")]
            errors = [record[name][index] for name in ("mean_error", "least_error", "largest_error")]
            last = index == len(shown) - 1 and record["order"] is not None
            rows.append(
                (
                    value,
                    rule,
                    *("-" if one is None else f"{one:.4f}" for one in cosines),
                    *("-" if one is None else f"{one:.2e}" for one in errors),
                    f"{record['order']:.2f}" if last else "",
                )
            )
    return rows
