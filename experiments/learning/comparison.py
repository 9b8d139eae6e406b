"""Comparison of rules over seeds: a record for each rule, and the table of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.learning.train import METRICS
from experiments.runs.intervals import difference_record, interval_record, mean, percent_cells
from experiments.setup.tables import BASELINE
from experiments.sweeps.paired import of_trials


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
    for name in ("sweeps_per_sample", "seconds_per_sample", "cpu_seconds_per_sample", "unconverged", "energy_decrease", "validation_error"):
        record[name] = sum(trial[name] for trial in done) / len(done)
    record["best_epochs"] = [trial["best_epoch"] for trial in done]
    cosines = [trial["gradient_cosine"] for trial in done]
    record["gradient_cosine"] = {name: mean([cosine[name] for cosine in cosines]) for name in cosines[0]}
    return record


def table(records: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the comparison as a header and rows of texts."""
    header = (
        *("rule", "test error %", "95 % interval", "minus backprop", "95 % interval", "sweeps", "CPU us/sample", "unconverged %"),
        *("energy decrease", "lowest cosine"),
    )
    rows = []
    for rule, record in records.items():
        if record["test_error"] is None:
            rows.append((rule, "failed", *("-",) * (len(header) - 2)))
            continue
        cosines = [value for value in record["gradient_cosine"].values() if value is not None]
        rows.append(
            (
                rule if record["status"] == "done" else f"{rule} (some failed)",
                *percent_cells(record["test_error"]),
                *percent_cells(record["paired_difference"]),
                f"{record['sweeps_per_sample']:.1f}",
                f"{1e6 * record['cpu_seconds_per_sample']:.0f}",
                f"{100 * record['unconverged']:.2f}",
                f"{record['energy_decrease']:.3f}",
                f"{min(cosines):.4f}" if cosines else "-",
            )
        )
    return header, rows
