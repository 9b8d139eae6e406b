"""Comparison of rules over seeds: a record for each rule, and the table of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contrastive_core.data.task import Score, error_among
from experiments.commandline.output import cell
from experiments.learning.train import METRICS, OTHERS, tells
from experiments.runs.intervals import difference_record, interval_cells, interval_record, mean
from experiments.setup.tables import BASELINE
from experiments.sweeps.paired import of_trials

MEANS = ("sweeps_per_sample", "seconds_per_sample", "cpu_seconds_per_sample", "unconverged", "energy_decrease")
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
    score = error_among((name for trials in metrics.values() for trial in trials for name in trial or ()), "test")
    return {rule: _record(trials, baseline, errors[rule], score) for rule, trials in metrics.items()}


def _record(
    trials: Sequence[Mapping[str, Any] | None], baseline: Sequence[Mapping[str, Any] | None], error: str | None, score: Score
) -> dict[str, Any]:
    done, tested = [trial for trial in trials if trial is not None], f"test_{score.name}"
    status = "failed" if error else "done"  # a trial that is missing has not failed
    record: dict[str, Any] = {"status": status, "error": error, tested: None, "paired_difference": None}
    if not done:
        return record
    bounds = METRICS[tested].bounds
    record[tested] = interval_record(of_trials(done, tested), bounds)
    if trials is not baseline:
        record["paired_difference"] = difference_record(of_trials(trials, tested), of_trials(baseline, tested), bounds)
    others = [f"test_{other.name}" for other in OTHERS if all(f"test_{other.name}" in trial for trial in done)]
    others += [name for name in (f"validation_{score.name}", "class_imbalance") if all(name in trial for trial in done)]
    for name in (*MEANS, *others):
        record[name] = mean([trial[name] for trial in done])
    if any(trial.get("angle") is not None for trial in done):
        record["angle"] = mean([trial.get("angle") for trial in done])
    # Journals of earlier versions hold trials that ended without a finite value: a mean over the others says so.
    if without := {name: count for name in (*MEANS, *others) if (count := sum(trial[name] is None for trial in done))}:
        record["without_value"] = without
    record["best_epochs"] = [trial["best_epoch"] for trial in done]
    cosines = [trial["gradient_cosine"] for trial in done]
    record["gradient_cosine"] = {name: mean([cosine[name] for cosine in cosines]) for name in cosines[0]}
    return record


def table(records: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the comparison as a header and rows of texts."""
    error = error_among((name for record in records.values() for name in record), "test")
    shown = [other for other in OTHERS if any(tells(record, other) for record in records.values())]
    header = (
        *("rule", _heading(error), "95 % interval", "minus backprop", "95 % interval", *map(_heading, shown)),
        *("sweeps", "CPU us/sample", "unconverged %"),
        *("energy decrease", "lowest cosine"),
        *(["angle"] if any("angle" in record for record in records.values()) else []),
    )
    rows = []
    for rule, record in records.items():
        if record[f"test_{error.name}"] is None:
            rows.append((rule, "failed", *("-",) * (len(header) - 2)))
            continue
        cosines = [value for value in record["gradient_cosine"].values() if value is not None]
        without = record.get("without_value", {})
        rows.append(
            (
                rule if record["status"] == "done" else f"{rule} (some failed)",
                *interval_cells(record[f"test_{error.name}"], percent=error.percent),
                *interval_cells(record["paired_difference"], percent=error.percent),
                *(cell(_scaled(record[f"test_{other.name}"], other.factor), ".2f" if other.percent else ".4g") for other in shown),
                *(cell(_scaled(record[name], factor), form, without.get(name, 0)) for name, factor, form in COLUMNS),
                f"{min(cosines):.4f}" if cosines else "-",
                *([f"{record['angle']:.1f}" if "angle" in record else "-"] if header[-1] == "angle" else []),
            )
        )
    return header, rows


def _heading(score: Score) -> str:
    return f"test {score.title} %" if score.percent else f"test {score.title}"


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value
