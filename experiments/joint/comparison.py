"""Comparison of ways to train over seeds: a record of each, and the tables of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.commandline.output import cell
from experiments.joint.trial import METRICS
from experiments.report.contents import ReportTable
from experiments.runs.intervals import difference_record, interval_record, mean
from experiments.sweeps.paired import of_trials

BASELINE = "standard"
"""Arm that the test errors of others are compared with."""
WARNING = (
    "'Judged as their class' proves nothing about samples: attacks on an ordinary classifier, which look like noise, score as high. "
    "Look at MMD^2, the distance to training samples and the pictures."
)
_LISTS = ("robust_accuracy", "robust_accuracy_restarts", "transfer_accuracy")
_MAPS = ("outside_area", "outside_area_confidence")
_NUMBERS = (
    *("calibration_error", "mmd2", "mmd2_train", "mmd2_source", "nearest", "nearest_test", "judged", "judge_error"),
    *("ascent_steps", "largest_gap", "epochs", "unconverged", "cpu_seconds"),
)


def summarise(metrics: Mapping[str, Sequence[Mapping[str, Any] | None]], errors: Mapping[str, str | None]) -> dict[str, dict[str, Any]]:
    """Return the record of each arm: means over seeds, and the paired difference of the test error to standard training.

    Parameters
    ----------
    metrics : mapping of str to sequence
        Metrics of the trials of each arm, in the order of the seeds; None for a failed trial.
    errors : mapping of str to str
        Reason why an arm failed; None if it did not fail.
    """
    baseline = metrics.get(BASELINE, [])
    return {arm: _record(trials, baseline, errors[arm]) for arm, trials in metrics.items()}


def _record(trials: Sequence[Mapping[str, Any] | None], baseline: Sequence[Mapping[str, Any] | None], error: str | None) -> dict[str, Any]:
    done = [trial for trial in trials if trial is not None]
    record: dict[str, Any] = {"status": "failed" if error else "done", "error": error, "test_error": None, "paired_difference": None}
    if not done:
        return record
    bounds = METRICS["test_error"].bounds
    record["test_error"] = interval_record(of_trials(done, "test_error"), bounds)
    if trials is not baseline and baseline:
        record["paired_difference"] = difference_record(of_trials(trials, "test_error"), of_trials(baseline, "test_error"), bounds)
    record |= {name: mean([trial[name] for trial in done]) for name in _NUMBERS}
    record["radii"] = done[0]["radii"]
    for name in _LISTS:
        record[name] = [mean(column) for column in zip(*(trial[name] for trial in done), strict=True)]
    for name in _MAPS:
        record[name] = {key: mean([trial[name][key] for trial in done]) for key in done[0][name]}
    record["diverged"] = sum(bool(trial["diverged"]) for trial in done)
    return record


def tables(records: Mapping[str, Mapping[str, Any]]) -> list[ReportTable]:
    """Tabulate the arms: accuracy under attack, other inputs and calibration, and samples."""
    done = {arm: record for arm, record in records.items() if record["test_error"] is not None}
    return [_attacked(done), _outside(done), _sampled(done)] if done else []


def _attacked(done: Mapping[str, Mapping[str, Any]]) -> ReportTable:
    radii = next(iter(done.values()))["radii"]
    rows = [
        (arm, _percent(1 - record["test_error"]["mean"]), *map(_percent, record["robust_accuracy_restarts"]), *_gaps(record))
        for arm, record in done.items()
    ]
    caption = (
        "Accuracies are the worst of an attack from the sample and those from random starts, which cost at most so many points. Under "
        "attacks made on another network accuracy is at least so many points higher; a number below 0 would be a sign of masked gradients."
    )
    header = ("arm", "clean %", *(f"radius {radius:g} %" for radius in radii), "random starts cost", "transfer spares")
    return ReportTable("Accuracy under attack", header, rows, caption)


def _outside(done: Mapping[str, Mapping[str, Any]]) -> ReportTable:
    names = list(next(iter(done.values()))["outside_area"])
    rows = [(arm, *(_areas(record, name) for name in names), f"{100 * record['calibration_error']:.1f}") for arm, record in done.items()]
    caption = "Area of telling test data from other inputs by the log density and, in brackets, by the largest class probability."
    return ReportTable("Other inputs and calibration", ("arm", *(f"AUROC {name}" for name in names), "calibration error %"), rows, caption)


def _sampled(done: Mapping[str, Mapping[str, Any]]) -> ReportTable:
    rows = [
        (
            arm,
            f"{record['mmd2']:.4f}",
            f"{record['nearest']:.2f}",
            _percent(record["judged"]),
            f"{record['ascent_steps']:.0f}" if record["ascent_steps"] else "-",
            f"{record['largest_gap']:.2g}",
            str(record["diverged"]),
            f"{record['cpu_seconds']:.0f}",
        )
        for arm, record in done.items()
    ]
    first = next(iter(done.values()))
    caption = (
        f"MMD^2 of training data {first['mmd2_train']:.4f}, of noise {first['mmd2_source']:.3f}; nearest training sample of test data "
        f"{first['nearest_test']:.2f} away. {WARNING}"
    )
    header = ("arm", "MMD^2", "nearest", "judged as their class %", "steps", "largest gap", "diverged", "CPU s")
    return ReportTable("Samples", header, rows, caption)


def _gaps(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return in points what random starts cost at most, and the least advantage over attacks made on another network."""
    plain, worst, foreign = (record[name] for name in _LISTS)
    cost = max(one - other for one, other in zip(plain, worst, strict=True))
    # Where no sample withstands the attack, no other can do better than it.
    spared = [one - other for one, other in zip(foreign, worst, strict=True) if other > 0]
    return f"{100 * cost:.1f}", f"{100 * min(spared):+.1f}" if spared else "-"


def _areas(record: Mapping[str, Any], name: str) -> str:
    return f"{record['outside_area'][name]:.3f} ({record['outside_area_confidence'][name]:.3f})"


def _percent(share: float | None) -> str:
    return cell(None if share is None else 100 * share, ".1f")
