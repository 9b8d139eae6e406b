"""``eqlab contrast``: one objective on views, many learning rules, and what each one's representation is worth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from contrastive_core.errors import InputError
from experiments.commandline.exits import resumable
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import OneOf
from experiments.commandline.output import format_table
from experiments.commandline.quantities import Positive, distinct
from experiments.figures.writing import write_pictures
from experiments.report.html import render, write_report
from experiments.representations.build import build_contrasting, build_embedding, build_objective, lowered, objective_setting
from experiments.representations.stages import follow, remember_stages
from experiments.representations.trial import ContrastiveOptions
from experiments.runs.directory import open_run
from experiments.runs.intervals import interval, mean
from experiments.runs.records import Record
from experiments.setup.build import architecture, ignored, load_data
from experiments.setup.checks import FEW, unused
from experiments.setup.rules import BASELINE, RULES
from experiments.sweeps.paired import Found, paired_difference, refuse_failures, run_paired, seeds_of, study_of
from experiments.trials.engine import check_engine

if TYPE_CHECKING:
    from contrastive_core.data.splits import Splits
    from contrastive_core.training.views_of_samples import Contrasting

LAYERS = ("hidden", "output")
MEASURES = (
    *("neighbours_hidden", "neighbours_output", "objective", "collapsed", "view_error", "alignment", "uniformity", "tolerance", "isotropy"),
    *("rank_hidden", "rank_output", "hardness", "gap", "separability", "shortest"),
    *("sweeps_per_sample", "seconds_per_sample", "cpu_seconds_per_sample", "unconverged"),
)
"""The metrics that are shown as means over the seeds."""


class ContrastOptions(ContrastiveOptions):
    """Rules and seeds; everything else is the same for all.

    Attributes
    ----------
    rules
        The learning rules.
    seeds
        How many seeds, from ``seed`` on; each gives every rule the same initial weights, data order and views.
    engine
        Where trials are computed.
    """

    rules: Annotated[tuple[Annotated[str, OneOf("rule", RULES)], ...], AfterValidator(distinct)] = Field(
        ("ep-centered", BASELINE), min_length=1, description="Rules to compare."
    )
    seeds: Positive = Field(3, description="Paired seeds per rule.")
    engine: str = Field(
        "process", exclude=True, description="serial, process:N, dask:N (by default one per core), tcp://HOST:PORT or a scheduler file."
    )


def summarise(found: Found) -> dict[str, dict[str, Any]]:
    """Return the record of each rule: intervals over seeds of probes, of their differences to backprop and to the untrained network.

    Parameters
    ----------
    found : Found
        What became of the trials.

    Returns
    -------
    dict
        As ``--json`` prints it under ``rules``.
    """
    baseline = found.metrics.get(BASELINE, [])
    return {rule: _record(trials, baseline, found.errors[rule]) for rule, trials in found.metrics.items()}


def _record(trials: Sequence[Mapping[str, Any] | None], baseline: Sequence[Mapping[str, Any] | None], error: str | None) -> dict[str, Any]:
    done = [trial for trial in trials if trial is not None]
    record: dict[str, Any] = {"status": "done" if len(done) == len(trials) else "failed", "error": error}
    record |= dict.fromkeys(("probe", "lift", "paired_difference", "untrained"))
    if not done:
        return record
    record["probe"] = {layer: interval([trial[f"probe_{layer}"] for trial in done]) for layer in LAYERS}
    record["lift"] = {layer: interval([trial[f"lift_{layer}"] for trial in done]) for layer in LAYERS}
    if any(baseline) and trials is not baseline:
        differences = {layer: paired_difference(trials, baseline, f"probe_{layer}") for layer in LAYERS}
        record["paired_difference"] = {layer: interval(values) if values else None for layer, values in differences.items()}
    record["untrained"] = {name: mean([trial["untrained"][name] for trial in done]) for name in done[0]["untrained"]}
    return (
        record
        | {name: mean([trial[name] for trial in done]) for name in MEASURES}
        | {"probe_stages": mean([trial.get("probe_stages") for trial in done])}
    )


PROBES = ("rule", *(name for layer in LAYERS for name in (f"{layer} %", "minus backprop", "95 %", "minus untrained", "95 %")))
"""Columns of the first table: linear probes of both layers."""
OTHERS = {
    "all stages %": ("probe_stages", 100.0, 2),
    "kNN output %": ("neighbours_output", 100.0, 2),
    "objective": ("objective", 1.0, 3),
    "collapsed": ("collapsed", 1.0, 3),
    "view error %": ("view_error", 100.0, 1),
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
"""Columns of the second table: metric, factor and digits; that of stages is left out where there is one."""


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
            cells += [_percent(record["probe"][layer])[0], *_percent(difference[layer] if difference else None)]
            cells += _percent(record["lift"][layer])
        rows.append((rule if record["status"] == "done" else f"{rule} (some failed)", *cells))
    return PROBES, rows


def measure_table(records: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the other measures, means over the seeds, the untrained network first."""
    shown: dict[str, Mapping[str, Any]] = {
        "untrained": next((record["untrained"] for record in records.values() if record["untrained"]), {})
    }
    shown |= records
    several = any(values.get("probe_stages") is not None for values in shown.values())
    columns = {title: column for title, column in OTHERS.items() if several or column[0] != "probe_stages"}
    rows = []
    for name, values in shown.items():
        cells = [(values.get(metric), factor, digits) for metric, factor, digits in columns.values()]
        rows.append((name, *("-" if value is None else f"{factor * value:.{digits}f}" for value, factor, digits in cells)))
    return ("rule", *columns), rows


def _percent(value: Mapping[str, Any] | None) -> tuple[str, str]:
    if value is None:
        return "-", "-"
    low, high = value["ci95"]
    return _points(value["mean"]), "-" if low is None else f"[{_points(low)}, {_points(high)}]"


def _points(share: float) -> str:
    """Return a share in percent, without the minus sign of a rounded zero."""
    return f"{round(100 * share, 2) + 0.0:.2f}"


def check_contrast(options: ContrastOptions, invocation: Invocation) -> str:
    """Refuse what cannot be trained before anything is written, by one batch of views, and return the network's architecture."""
    import torch

    from contrastive_core.analysis.gradient_quality import review
    from contrastive_core.objectives.batch_layout import Labels
    from contrastive_core.objectives.nudge_limit import largest_curvature
    from contrastive_core.training.optimisers.builders import layer_groups
    from contrastive_core.types import Batch

    if options.device != "cpu":
        raise InputError(f"contrast draws its views and probes on the CPU; leave --device {options.device} out")
    if {"temperature"} & options.model_fields_set & set(options.objective):
        raise InputError("the temperature is given twice, as --temperature and as objective.temperature; leave one out")
    splits, objective = load_data(options), build_objective(options)
    network = build_embedding(options, splits, options.seed)
    target = lowered(options, objective)
    setting = objective_setting(options, target)
    layer_groups(network, options.learning_rates)
    _refuse_lone_samples(options, splits)
    if target.needs.labels is Labels.CLASSES:
        _refuse_one_class(options, splits)
    _refuse_lone_probes(options, splits)
    contrasting = build_contrasting(options, splits, target, network, RULES[BASELINE](setting), options.seed)
    count = min(len(splits.train.labels), max(options.batch_size, 2))
    batch = contrasting.present(Batch(splits.train.inputs[:count], splits.train.labels[:count]), torch.Generator().manual_seed(0))
    with torch.no_grad():
        output = network.output(network.feedforward(network.clamp(batch.inputs)))
        if contrasting.contrasts(batch):  # a small first batch may be of one class, though not all are
            target.value(output, batch)
    if not options.frozen and (limit := 1 / max(largest_curvature(target, output, batch), 1e-12)) < setting.strength:
        invocation.warn(
            f"a live nudge of strength {setting.strength:g} is above {limit:.2g}, the inverse of the objective's largest curvature at the "
            "initial outputs: phases need not settle; lower --strength, raise --gain, or freeze the nudge"
        )
    doubts = review(network, setting, splits.train.inputs[:FEW])
    for warning in [*ignored(options), *_unused(options, contrasting), *unused(options, setting, options.rules), *doubts]:
        invocation.warn(warning)
    if options.temperature is not None and "temperature" not in vars(objective) and options.temperature != 0.2:
        invocation.warn(f"--temperature has no effect: {options.cost} has none")
    return architecture(network, splits._replace(num_classes=options.embedding))


def _refuse_lone_samples(options: ContrastiveOptions, splits: Splits) -> None:
    for name, split in (("training", splits.train), ("validation", splits.validation), ("test", splits.test)):
        if len(split.labels) % options.batch_size == 1:
            raise InputError(
                f"the last batch of the {len(split.labels)} {name} samples would have 1 sample, which has nothing to be contrasted with; "
                f"choose another --batch-size than {options.batch_size}"
            )


def _refuse_lone_probes(options: ContrastiveOptions, splits: Splits) -> None:
    labels = splits.train.labels[: options.probe_train]
    if bool((labels == labels[0]).all()):
        raise InputError(
            f"probes would learn from {len(labels)} training samples of one class, and tell nothing apart; raise --probe-train"
        )


def _unused(options: ContrastiveOptions, contrasting: Contrasting) -> list[str]:
    """Return a sentence for each option about keys, labels or neighbours that this objective or these samples leave without effect."""
    from contrastive_core.objectives.batch_layout import Labels

    sentences, learners = [], min(options.probe_train, options.train_size or options.probe_train)
    if contrasting.follower is None and "momentum_keys" in options.model_fields_set:
        sentences.append(f"--momentum-keys has no effect: {options.cost} asks for no keys of a second network")
    if not options.labels and contrasting.objective.needs.labels is Labels.NONE:
        sentences.append(f"--no-labels has no effect: {options.cost} sees none")
    if options.neighbours > learners:
        sentences.append(f"--neighbours {options.neighbours} is more than the {learners} samples that probes learn from: all of these vote")
    return sentences


def _refuse_one_class(options: ContrastiveOptions, splits: Splits) -> None:
    for name, split in (("training", splits.train), ("validation", splits.validation), ("test", splits.test)):
        if bool((split.labels == split.labels[0]).all()):
            raise InputError(f"all {len(split.labels)} {name} samples are of one class, and {options.cost} contrasts classes; give more")


@command(ContrastOptions, "contrast")
def contrast_command(options: ContrastOptions, invocation: Invocation) -> None:
    """Train one network on views with one objective under many learning rules, and probe what it has learned.

    No rule sees a label, unless the objective needs labels. Every rule gets the same network, objective, data and optimiser, and with
    each seed the same initial weights, data order and views. Linear probes and nearest neighbours judge the last hidden layer and the
    outputs, beside the same network before training. Intervals are Student's over the seeds.

    \b
    Examples:
      eqlab contrast
      eqlab contrast --cost supcon --rules ep-centered,ep-positive,implicit,backprop
      eqlab contrast --cost vicreg --set objective.deviation=0.5 --views noise,mask
      eqlab contrast --config contrast-mnist --data-dir DIRECTORY-OF-IDX-FILES
      eqlab contrast --after RUN
    """  # noqa: D301
    from experiments.report.page import portray

    check_engine(options.engine)
    invocation.use_threads()
    options, stages = follow(options)
    network = check_contrast(options, invocation)
    run = open_run(options, invocation)
    with resumable(invocation.resume_command(run.path)), run.journal() as journal:
        remember_stages(stages, run, journal)
        found = run_paired(study_of("contrastive", ContrastiveOptions, options), options, invocation, run, journal, _sentence)
    records = summarise(found)
    result = {
        "run": str(run.path),
        "network": network,
        "data": options.data,
        "objective": options.cost,
        "after": None if stages is None else {"run": options.after, "fingerprint": stages},
        "baseline": BASELINE,
        "seeds": list(seeds_of(options)),
        "rules": records,
    }
    page = portray(run)
    write_pictures(run.figures, page.pictures)
    write_report(run.path / "report.html", render(page))
    body = "\n\n".join(format_table(*table) for table in (probe_table(records), measure_table(records)))
    text = f"{options.cost} on views of {options.data}, {network}, {options.seeds} paired seeds\n\n{body}"
    invocation.result(result, f"{text}\n\nreport: {run.path / 'report.html'}")
    refuse_failures(records)


def _sentence(record: Record) -> str:
    metrics = json.loads(record.metrics or "")
    return f"probe of hidden {100 * metrics['probe_hidden']:.2f} %, output {100 * metrics['probe_output']:.2f} %, {record.seconds:.1f} s"
