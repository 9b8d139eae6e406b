"""Comparison of rules by what their representations are worth: a record for each rule, and two tables of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.representations.attacks import ATTACKED
from experiments.representations.trial import METRICS
from experiments.runs.intervals import difference_record, interval_cells, interval_record, mean
from experiments.setup.tables import BASELINE
from experiments.sweeps.paired import Found, of_trials

LAYERS = ("hidden", "output")
MEASURES = (
    *("neighbours_hidden", "neighbours_output", "objective", "collapsed", "view_error", "alignment", "uniformity", "tolerance", "isotropy"),
    *("rank_hidden", "rank_output", "hardness", "gap", "separability", "shortest"),
    *("sweeps_per_sample", "seconds_per_sample", "cpu_seconds_per_sample", "unconverged"),
)
"""The metrics that are shown as means over the seeds."""
TABLES = ("terms", "untrained_terms", "halves", "untrained_halves", "generator", "targets")
"""Metrics that are numbers by name."""
NEWER = ("auc", "partition", "few_shot", "few_shot_aligned", "augmentation_complexity", "augmentation_probe")
"""Further ones, which runs of earlier versions lack."""


def summarise(found: Found) -> dict[str, dict[str, Any]]:
    """Return the record of each rule: intervals over seeds of probes, of their differences to backprop and to the untrained network.

    Parameters
    ----------
    found : Found
        Results of the trials.

    Returns
    -------
    dict
        Records that ``--json`` prints under ``rules``.
    """
    baseline = found.metrics.get(BASELINE, [])
    return {rule: _record(trials, baseline, found.errors[rule]) for rule, trials in found.metrics.items()}


def _record(trials: Sequence[Mapping[str, Any] | None], baseline: Sequence[Mapping[str, Any] | None], error: str | None) -> dict[str, Any]:
    done = [trial for trial in trials if trial is not None]
    record: dict[str, Any] = {"status": "failed" if error else "done", "error": error}  # a missing trial has not failed
    record |= dict.fromkeys(("probe", "lift", "paired_difference", "untrained"))
    if not done:
        return record
    for key in ("probe", "lift"):
        record[key] = {
            layer: interval_record(of_trials(done, name), METRICS[name].bounds) for layer in LAYERS for name in [f"{key}_{layer}"]
        }
    if any(baseline) and trials is not baseline:
        record["paired_difference"] = {
            layer: difference_record(of_trials(trials, name), of_trials(baseline, name), METRICS[name].bounds)
            for layer in LAYERS
            for name in [f"probe_{layer}"]
        }
    record["untrained"] = {name: mean([trial["untrained"][name] for trial in done]) for name in done[0]["untrained"]}
    return (
        record
        | {name: mean([trial[name] for trial in done]) for name in MEASURES}
        | {name: mean([trial.get(name) for trial in done]) for name in ("probe_stages", "class_error", *ATTACKED, *NEWER)}
        | {name: _means([trial.get(name) or {} for trial in done]) for name in TABLES}
        | {name: _by_layer([trial.get(name) or [] for trial in done]) for name in ("layers", "untrained_layers")}
        | {name: _by_cure([trial.get(name) for trial in done]) for name in ("retrieval", "untrained_retrieval")}
    )


def _by_cure(each: Sequence[Mapping[str, Mapping[str, float]] | None]) -> dict[str, dict[str, float | None]] | None:
    found = [values for values in each if values is not None]
    return {cure: _means([values[cure] for values in found]) for cure in found[0]} if found else None


def _by_layer(each: Sequence[Sequence[Mapping[str, float]]]) -> list[dict[str, float | None]]:
    return [_means(layers) for layers in zip(*each, strict=False)]


def _means(each: Sequence[Mapping[str, float]]) -> dict[str, float | None]:
    return {name: mean([values[name] for values in each]) for name in each[0]}


PROBES = ("rule", *(name for layer in LAYERS for name in (f"{layer} %", "minus backprop", "95 %", "minus untrained", "95 %")))
"""Columns of the first table: linear probes of both layers."""
OTHERS = {
    "all stages %": ("probe_stages", 100.0, 2),
    "kNN output %": ("neighbours_output", 100.0, 2),
    "objective": ("objective", 1.0, 3),
    "collapsed": ("collapsed", 1.0, 3),
    "class error %": ("class_error", 100.0, 2),
    "view error %": ("view_error", 100.0, 1),
    "attacked %": ("view_error_attacked", 100.0, 1),
    "universal %": ("view_error_universal", 100.0, 1),
    "random %": ("view_error_random", 100.0, 1),
    "alignment": ("alignment", 1.0, 3),
    "uniformity": ("uniformity", 1.0, 2),
    "tolerance": ("tolerance", 1.0, 3),
    "isotropy": ("isotropy", 1.0, 3),
    "rank hidden": ("rank_hidden", 1.0, 1),
    "rank output": ("rank_output", 1.0, 1),
    "hardness": ("hardness", 1.0, 3),
    "sweeps": ("sweeps_per_sample", 1.0, 1),
    "CPU us/sample": ("cpu_seconds_per_sample", 1e6, 0),
    "unconverged %": ("unconverged", 100.0, 2),
}
"""Columns of the second table: metric, factor and digits."""
RARE = ("probe_stages", "class_error", *ATTACKED)
"""Metrics whose column is left out if no record has them."""


def probe_table(records: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the probes as a header and rows of texts, the untrained network first."""
    rows = []
    first = next((record["untrained"] for record in records.values() if record["untrained"]), None)
    if first:
        rows.append(("untrained", *(cell for layer in LAYERS for cell in (f"{100 * first[f'probe_{layer}']:.2f}", *("-",) * 4))))
    for rule, record in records.items():
        if record["probe"] is None:
            rows.append((rule, "failed", *("-",) * (len(PROBES) - 2)))
            continue
        cells: list[str] = []
        for layer in LAYERS:
            difference = record["paired_difference"]
            cells += [interval_cells(record["probe"][layer])[0], *interval_cells(difference[layer] if difference else None)]
            cells += interval_cells(record["lift"][layer])
        rows.append((rule if record["status"] == "done" else f"{rule} (some failed)", *cells))
    return PROBES, rows


def measure_table(records: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the other measures, means over the seeds, the untrained network first."""
    shown: dict[str, Mapping[str, Any]] = {
        "untrained": next((record["untrained"] for record in records.values() if record["untrained"]), {})
    }
    shown |= records
    known = {metric for metric in RARE if any(values.get(metric) is not None for values in shown.values())}
    columns = {title: column for title, column in OTHERS.items() if column[0] not in RARE or column[0] in known}
    rows = []
    for name, values in shown.items():
        cells = [(values.get(metric), factor, digits) for metric, factor, digits in columns.values()]
        rows.append((name, *("-" if value is None else f"{factor * value:.{digits}f}" for value, factor, digits in cells)))
    return ("rule", *columns), rows


def term_table(records: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the value of each term of a sum before and after training, means over the seeds; no rows for a lone objective."""
    done = {rule: record for rule, record in records.items() if record.get("terms")}
    if not done:
        return ("rule",), []
    names = tuple(next(iter(done.values()))["terms"])
    first = next(iter(done.values()))["untrained_terms"]
    shown = {"untrained": first} | {rule: record["terms"] for rule, record in done.items()}
    return ("rule", *names), [(rule, *(f"{values[name]:.4f}" for name in names)) for rule, values in shown.items()]


DETAILS = {
    "AUC": ("auc", 1.0, 3),
    "gap": ("gap", 1.0, 3),
    "separable %": ("separability", 100.0, 1),
    "partition": ("partition", 1.0, 3),
    "1-shot %": ("few_shot", 100.0, 1),
    "1-shot aligned %": ("few_shot_aligned", 100.0, 1),
}
"""Columns of the table of details: metric, factor and digits."""


def detail_table(records: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return scores of pairs, few-shot tests, and probes of every layer and of halves of the outputs, means over the seeds."""
    first = next((record for record in records.values() if record.get("untrained")), None)
    if first is None or not first.get("layers"):
        return ("rule",), []
    untrained = {**first["untrained"], "layers": first["untrained_layers"], "halves": first["untrained_halves"]}
    shown = {"untrained": untrained} | {rule: record for rule, record in records.items() if record.get("layers")}
    layers = [f"layer {number + 1}" for number in range(len(first["layers"]) - 1)] + ["output"]
    header = ["rule", *DETAILS, *(f"{name} probe %" for name in first["halves"])]
    header += [column for name in layers for column in (*([f"{name} probe %"] if len(layers) > 2 else []), f"{name} between classes %")]
    rows = []
    for rule, record in shown.items():
        values = [(record.get(metric), factor, digits) for metric, factor, digits in DETAILS.values()]
        values += [(value, 100.0, 2) for value in record["halves"].values()]
        for layer in record["layers"]:
            values += [(layer["probe"], 100.0, 2)] * (len(layers) > 2) + [(layer["class_share"], 100.0, 1)]
        rows.append((rule, *("-" if value is None else f"{factor * value:.{digits}f}" for value, factor, digits in values)))
    return tuple(header), rows


def augmentation_line(records: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return a sentence about the kernel of the augmentation; None where it is not known."""
    found = next((record for record in records.values() if record.get("augmentation_complexity") is not None), None)
    if found is None:
        return None
    return (
        f"kernel of the augmentation: complexity {found['augmentation_complexity']:.1f}; regression with it gets "
        f"{100 * found['augmentation_probe']:.1f} % of samples right, whatever the network"
    )


def target_sentence(records: Mapping[str, Mapping[str, Any]]) -> str:
    """Return how isotropic the targets of the first rule's teachers are; empty without a teacher."""
    told = next((record["targets"] for record in records.values() if record.get("targets")), None)
    if told is None:
        return ""
    return "; ".join(
        f"the teacher's {what} have isotropy {told[f'isotropy_{what}']:.3f} and partition {told[f'partition_{what}']:.3f}"
        for what in ("outputs", "targets")
    )


def generator_sentence(records: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what the latents of the generator tell, as the first rule's trials fitted it; empty without one."""
    told = next((record["generator"] for record in records.values() if record.get("generator")), None)
    if told is None:
        return ""
    shares = [100 * told[f"{level}_variance"] for level in ("component", "code", "residual")]
    return (
        f"generator: a sample tells {told['component_nats']:.2f} nats about its component; of the variance, {shares[0]:.1f} % lie between "
        f"components, {shares[1]:.1f} % in codes and {shares[2]:.1f} % in residuals"
    )
