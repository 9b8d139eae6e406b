"""The rows of a study of hardware: means over seeds, and their table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.commandline.output import format_table
from experiments.hardware.device_settings import Variation
from experiments.runs.intervals import interval_record, mean, percent_cells
from experiments.trials.experiment import SHARE

MEANS = ("validation_error", "signal_to_noise", "energy", "settle_energy", "settle_is_bound", "device_seconds", "pulses")
"""The metrics of which a study's rows have the mean over seeds, beside the accuracy."""


def key_of(rule: str, name: str, value: str) -> str:
    """Return the name of a cell: a rule at a value of what is varied."""
    return f"{rule} {name} {value}".strip()


def rows_of(rules: Sequence[str], base: str, variations: Sequence[Variation], found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Average the metrics of each cell over its seeds.

    Parameters
    ----------
    rules : sequence of str
        That were compared.
    base : str
        What a device is called of which nothing is varied.
    variations : sequence of Variation
        What was varied.
    found : mapping of str to list
        The metrics of each cell's trials, None for one that failed.

    Returns
    -------
    list of dict
        What is varied, its value, the rule, the accuracy and the means of ``MEANS``; the device of which nothing is varied first.
    """
    places = [(base, "")] + [(variation.name, value) for variation in variations for value in variation.values]
    rows = []
    for name, value in places:
        for rule in rules:
            done = [metrics for metrics in found[key_of(rule, name, value)] if metrics is not None]
            accuracy = interval_record([1 - metrics["test_error"] for metrics in done], SHARE)
            averages = {key: mean([metrics.get(key) for metrics in done]) for key in MEANS}
            trained = done[0]["rule"] if done else rule  # a variation may be one of rules
            rows.append({"varied": name, "value": value, "rule": trained, "accuracy": accuracy, **averages})
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows as a table for people."""
    header = (
        *("varied", "value", "rule", "accuracy %", "95 % interval", "validation %"),
        *("signal/noise", "energy uJ", "settling uJ", "pulses"),
    )
    body = [
        (
            row["varied"],
            row["value"] or "-",
            row["rule"],
            *percent_cells(row["accuracy"], digits=1),
            _percent(None if row["validation_error"] is None else 1 - row["validation_error"]),
            "-" if row["signal_to_noise"] is None else f"{row['signal_to_noise']:.3g}",
            "-" if row["energy"] is None else f"{1e6 * row['energy']:.3g}",
            "-" if row["settle_energy"] is None else f"{'<= ' if row['settle_is_bound'] else ''}{1e6 * row['settle_energy']:.3g}",
            "-" if row["pulses"] is None else f"{row['pulses']:.3g}",
        )
        for row in rows
    ]
    return format_table(header, body)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
