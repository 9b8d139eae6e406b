"""Table of a study of hardware: means over seeds for each rule and device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.commandline.output import format_table
from experiments.hardware.ablation import ablation, verdict
from experiments.hardware.device_settings import Variation, read_variation
from experiments.hardware.effective import HEADER as SETTINGS
from experiments.hardware.effective import device_rows
from experiments.runs.intervals import interval_cells, interval_record, mean
from experiments.setup.device_files import settings_in
from experiments.trials.experiment import SHARE

if TYPE_CHECKING:
    from experiments.hardware.options import HardwareOptions

PER_SAMPLE = (
    *("inference_energy", "inference_digital_energy", "inference_seconds"),
    *("sample_energy", "sample_digital_energy", "sample_seconds"),
)
"""Metrics of one inference and of one training sample, in joules and seconds."""

MEANS = ("validation_error", "signal_to_noise", "energy", "settle_energy", "settle_is_bound", "device_seconds", "pulses", *PER_SAMPLE)
"""Metrics whose means over seeds a row has, beside the accuracy."""


def variations_of(options: HardwareOptions) -> list[Variation]:
    """Return what a study varies: its own variations, none for ``none``, and the ablation of its device."""
    chosen = [read_variation(text) for text in options.vary if text.strip() != "none"]
    return [
        *chosen,
        *([ablation(options.preset, (*settings_in(options.device_file or {}), *options.imperfections))] if options.ablate else []),
    ]


def key_of(rule: str, name: str, value: str) -> str:
    """Return the name of a cell: a rule at a value of a varied parameter."""
    return f"{rule} {name} {value}".strip()


def base_of(options: HardwareOptions) -> str:
    """Return the label of the device without varied parameters."""
    given = options.preset != "ideal" or options.device_file or options.imperfections
    return "unvaried" if given else "ideal"


def rows_of(options: HardwareOptions, found: Mapping[str, Mapping[str, Any] | None]) -> list[dict[str, Any]]:
    """Average the metrics of each cell over its seeds.

    Parameters
    ----------
    options : HardwareOptions
        Options of the study.
    found : mapping of str to (mapping or None)
        Metrics of the trials by key; None or missing where there are none.

    Returns
    -------
    list of dict
        Varied parameter, value, rule, accuracy, the means of ``MEANS`` and the settings of the device; the device without varied
        parameters first.
    """
    variations = variations_of(options)
    places = [(base_of(options), "")] + [(variation.name, value) for variation in variations for value in variation.values]
    seeds = range(options.seed, options.seed + options.seeds)
    rows = []
    for name, value in places:
        for rule in options.rules:
            trials = [found.get(f"{key_of(rule, name, value)} #{seed}") for seed in seeds]
            done = [metrics for metrics in trials if metrics is not None]
            accuracy = interval_record([1 - metrics["test_error"] for metrics in done], SHARE)
            averages = {key: mean([metrics.get(key) for metrics in done]) for key in MEANS}
            trained = done[0]["rule"] if done else rule  # a variation may be one of rules
            device = done[0].get("device") if done else None  # journals of earlier versions have none
            rows.append({"varied": name, "value": value, "rule": trained, "accuracy": accuracy, **averages, "device": device})
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows as a table for people."""
    costs = f"\n\nenergy µJ is that of all training; per sample:\n\n{format_table(PER_SAMPLE_HEADER, cost_rows(rows))}"
    devices = device_rows(rows)
    shown = f"\n\nsettings of the devices\n\n{format_table(SETTINGS, devices)}" if devices else ""
    told = "".join(f"\n\n{sentence}" for sentence in verdict(rows))
    return format_table(HEADER, result_rows(rows)) + costs + shown + told


HEADER = (
    *("varied", "value", "rule", "accuracy %", "95 % interval", "validation %"),
    *("signal/noise", "energy µJ", "settling µJ", "pulses"),
)
"""Columns of the results."""

CAPTION = (
    "Accuracy is the share of correct test samples, as the mean over seeds with its 95 % interval; validation is that of the validation "
    "split, after learning. Signal to noise is the rms displacement between the phases over the rms error of reading a state. Energy is "
    "that of all training in microjoule; settling is its part while states settle, an upper bound where it has the sign <=. Pulses are "
    "those of all writes."
)
"""Explanation of the columns under ``HEADER``."""

COST_CAPTION = (
    "Joules and seconds of one inference, which is a free phase with its conversions, and of one training sample, which is all phases with "
    "a share of the writes. Digital joules are those of as many digital multiplications and additions. Means over seeds."
)
"""Explanation of the columns under ``PER_SAMPLE_HEADER``."""


def result_rows(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return accuracy, signal to noise, energy and pulses of each cell, as rows under ``HEADER``."""
    return [
        (
            row["varied"],
            row["value"] or "-",
            row["rule"],
            *interval_cells(row["accuracy"], digits=1),
            _percent(None if row["validation_error"] is None else 1 - row["validation_error"]),
            "-" if row["signal_to_noise"] is None else f"{row['signal_to_noise']:.3g}",
            "-" if row["energy"] is None else f"{1e6 * row['energy']:.3g}",
            "-" if row["settle_energy"] is None else f"{'<= ' if row['settle_is_bound'] else ''}{1e6 * row['settle_energy']:.3g}",
            "-" if row["pulses"] is None else f"{row['pulses']:.3g}",
        )
        for row in rows
    ]


def cost_rows(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return the costs of one inference and of one training sample, as rows under ``PER_SAMPLE_HEADER``; "-" where none are recorded."""
    return [
        (row["varied"], row["value"] or "-", row["rule"], *("-" if row[name] is None else f"{row[name]:.3g}" for name in PER_SAMPLE))
        for row in rows
    ]


PER_SAMPLE_HEADER = (
    *("varied", "value", "rule", "J per inference", "digital J", "s per inference"),
    *("J per training sample", "digital J of it", "s of it"),
)
"""Columns of the costs per sample. Digital joules are those of as many multiplications and additions."""


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
