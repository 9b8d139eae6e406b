"""Ablation of a device: each of its effects switched off in turn, and the one that costs most accuracy in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contrastive_core.errors import InputError
from experiments.hardware.device_settings import Variation
from experiments.hardware.effective import ABLATION
from experiments.runs.intervals import difference_record, interval_cells
from experiments.setup.devices import assemble, split
from experiments.trials.experiment import SHARE

BASES = ("ideal", "unvaried")
"""Names of the rows of the device without varied parameters."""

HEADER = ("rule", "without", "accuracy %", "points gained")

CAPTION = "Accuracy with one effect switched off, and how many points it is above that of the whole device. Means over seeds."


def ablation(preset: str, imperfections: Sequence[str]) -> Variation:
    """Return the variation that switches off each effect of a device, and then all.

    Parameters
    ----------
    preset : str
        Name or file of the device.
    imperfections : sequence of str
        Its further settings.

    Returns
    -------
    Variation
        A point for each effect, for the law if its steps are not constant and equal, and for all of them if there are several.

    Raises
    ------
    InputError
        If the device has no effect.
    """
    from contrastive_core.devices import EFFECTS
    from contrastive_core.devices.write_law import LinearStep

    device = assemble(preset, split(imperfections)[0], 0)
    kinds = [type(effect) for effect in device.effects]
    parts = [name for name, kind in EFFECTS.items() if kind in kinds]
    if device.law != LinearStep() or device.step_up != device.step_down:
        parts.append("law")
    if not parts:
        raise InputError("an ablation switches effects off, and this device has none; give --preset or --imperfections")
    values = (*parts, "all") if len(parts) > 1 else tuple(parts)
    points = [tuple(f"{part}.off=true" for part in (parts if value == "all" else [value])) for value in values]
    return Variation(ABLATION, values, tuple(points))


def ablation_rows(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, float, float]]:
    """Return rule, part, accuracy without it and the gain in points, of those rows of a study that have an accuracy, best gain first."""
    base = {row["rule"]: _accuracy(row) for row in rows if row["varied"] in BASES}
    found = []
    for row in rows:
        with_it, without = base.get(row["rule"]), _accuracy(row)
        if row["varied"] == ABLATION and with_it is not None and without is not None:
            found.append((row["rule"], row["value"], 100 * without, 100 * (without - with_it)))
    return sorted(found, key=lambda row: (list(base).index(row[0]), -row[3]))


def _accuracy(row: Mapping[str, Any]) -> float | None:
    mean: float | None = None if row["accuracy"] is None else row["accuracy"]["mean"]
    return mean


def verdict(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each rule: its accuracy on the device, and the effect that costs most.

    Without an ablation, the variation with the lowest accuracy stands in place of the effect.
    """
    told = []
    ranked = ablation_rows(rows)
    if not ranked:
        return _lowest(rows)
    for rule in dict.fromkeys(rule for rule, *_ in ranked):
        single = [(part, accuracy, gain) for name, part, accuracy, gain in ranked if name == rule and part != "all"]
        part, accuracy, gain = single[0]
        sentence = f"{rule}: {accuracy - gain:.1f} % on this device; "
        if gain > 0:
            sentence += f"{part} costs most: without it accuracy is {accuracy:.1f} %, {gain:.1f} points higher{_interval(rows, rule, part)}"
        else:
            sentence += f"no effect on its own costs accuracy{_seeds(rows, rule)}"
        ideal = [accuracy for name, part, accuracy, _ in ranked if name == rule and part == "all"]
        told.append(sentence + (f"; without any effect it is {ideal[0]:.1f} %" if ideal else ""))
    return told


def _lowest(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the accuracy of each rule on the device without varied parameters, and the lowest one with them."""
    told = []
    measured = [(row, 100 * accuracy) for row in rows if (accuracy := _accuracy(row)) is not None]
    for row, base in measured:
        if row["varied"] in BASES:
            sentence = f"{row['rule']}: {base:.1f} % on the {'ideal' if row['varied'] == 'ideal' else 'given'} device"
            others = [(accuracy, other) for other, accuracy in measured if other["rule"] == row["rule"] and other["varied"] not in BASES]
            if others:
                accuracy, other = min(others, key=lambda pair: pair[0])
                sentence += f"; lowest with {other['varied']} {other['value']}, {accuracy:.1f} %"
            told.append(f"{sentence}{_seeds(rows, row['rule'])}")
    return told


def _seeds(rows: Sequence[Mapping[str, Any]], rule: str) -> str:
    """Return what the numbers of a rule rest on; a single seed says nothing about chance."""
    if max((len(row["accuracy"]["seeds"]) for row in rows if row["rule"] == rule and row["accuracy"]), default=0) > 1:
        return " (means over seeds)"
    return " (one seed, which cannot tell a difference from chance)"


def _interval(rows: Sequence[Mapping[str, Any]], rule: str, part: str) -> str:
    """Return the interval of what accuracy gains without a part, paired by seed, where each seed has both accuracies."""
    whole, without = (
        next(row["accuracy"]["seeds"] for row in rows if row["rule"] == rule and row["varied"] in names and row["value"] == value)
        for names, value in ((BASES, ""), ((ABLATION,), part))
    )
    cells = interval_cells(difference_record(without, whole, SHARE), digits=1) if len(without) == len(whole) > 1 else None
    return _seeds(rows, rule) if cells is None else f", 95 % interval {cells[1]}{_seeds(rows, rule)}"
