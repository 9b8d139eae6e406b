"""Comparison of rules over seeds: a record for each rule, and the table of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.commandline.output import cell
from experiments.learning.train import METRICS
from experiments.runs.intervals import difference_record, interval_record, mean, percent_cells
from experiments.setup.tables import BASELINE
from experiments.sweeps.paired import of_trials

MEANS = ("sweeps_per_sample", "seconds_per_sample", "cpu_seconds_per_sample", "unconverged", "energy_decrease", "validation_error")
"""Metrics whose means over the seeds a comparison records."""

COLUMNS = (
    ("sweeps_per_sample", 1, ".1f"),
    ("cpu_seconds_per_sample", 1e6, ".0f"),
    ("unconverged", 100, ".2f"),
    ("energy_decrease", 1, ".3f"),
)
"""Means that the table shows, with the factor to its unit and the format."""


def summarise(metrics: Mapping[str, Sequence[Mapping[str, Any] | None]], errors: Mapping[str, str | None]) -> dict[str, dict[str, Any]]:
    """Return the record of each rule: intervals over seeds, and the paired difference to backprop.

    Parameters
    ----------
    metrics : mapping of str to sequence
        Metrics of the trials of each rule, in the order of the seeds; None for a failed trial.
    errors : mapping of str to str
        Reason why a rule failed; None if it did not fail.

    Returns
    -------
    dict
        Records that ``--json`` prints under ``rules``.
    """
    baseline = metrics.get(BASELINE, [])
    return {rule: _record(trials, baseline, errors[rule]) for rule, trials in metrics.items()}


def _record(trials: Sequence[Mapping[str, Any] | None], baseline: Sequence[Mapping[str, Any] | None], error: str | None) -> dict[str, Any]:
    done = [trial for trial in trials if trial is not None]
    status = "failed" if error else "done"  # a trial that is missing has not failed
    record: dict[str, Any] = {"status": status, "error": error, "test_error": None, "paired_difference": None}
    if not done:
        return record
    bounds = METRICS["test_error"].bounds
    record["test_error"] = interval_record(of_trials(done, "test_error"), bounds)
    if trials is not baseline:
        record["paired_difference"] = difference_record(of_trials(trials, "test_error"), of_trials(baseline, "test_error"), bounds)
    for name in MEANS:
        record[name] = mean([trial[name] for trial in done])
    if any(trial.get("angle") is not None for trial in done):
        record["angle"] = mean([trial.get("angle") for trial in done])
    # Journals of earlier versions hold trials that ended without a finite value: a mean over the others says so.
    if without := {name: count for name in MEANS if (count := sum(trial[name] is None for trial in done))}:
        record["without_value"] = without
    record["best_epochs"] = [trial["best_epoch"] for trial in done]
    cosines = [trial["gradient_cosine"] for trial in done]
    record["gradient_cosine"] = {name: mean([cosine[name] for cosine in cosines]) for name in cosines[0]}
    return record


def table(records: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the comparison as a header and rows of texts."""
    header = (
        *("rule", "test error %", "95 % interval", "minus backprop", "95 % interval", "sweeps", "CPU us/sample", "unconverged %"),
        *("energy decrease", "lowest cosine"),
        *(["angle"] if any("angle" in record for record in records.values()) else []),
    )
    rows = []
    for rule, record in records.items():
        if record["test_error"] is None:
            rows.append((rule, "failed", *("-",) * (len(header) - 2)))
            continue
        cosines = [value for value in record["gradient_cosine"].values() if value is not None]
        without = record.get("without_value", {})
        rows.append(
            (
                rule if record["status"] == "done" else f"{rule} (some failed)",
                *percent_cells(record["test_error"]),
                *percent_cells(record["paired_difference"]),
                *(cell(_scaled(record[name], factor), form, without.get(name, 0)) for name, factor, form in COLUMNS),
                f"{min(cosines):.4f}" if cosines else "-",
                *([f"{record['angle']:.1f}" if "angle" in record else "-"] if header[-1] == "angle" else []),
            )
        )
    return header, rows


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value
