"""``eqlab bench train``: time to accuracy of learning rules, in one loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, product
from statistics import median
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from contrastive_core.progress.share import counted
from experiments.commandline.completion import settings_of_trials
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.output import cell, format_table
from experiments.commandline.quantities import Positive, distinct
from experiments.commandline.recorded import from_settings
from experiments.commandline.sections import RULE
from experiments.learning.cosine import gradient_cosine
from experiments.machine import processor
from experiments.report.ending import finish
from experiments.runs.forms import ANY, FINITE, NUMBER, TEXT, list_of, mapping_of
from experiments.runs.provenance import versions
from experiments.setup.build import architecture, plan_of, prepare
from experiments.setup.checks import check
from experiments.setup.options import PlanOptions, RuleName, TrialOptions
from experiments.setup.tables import RULES
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import SERIAL
from experiments.trials.experiment import Experiment, Metric, Outcome
from experiments.trials.worker import Given

Percent = Annotated[float, Field(gt=0, lt=100)]


class BenchTrainOptions(PlanOptions, section=RULE):
    """Rules that are timed, on one network, data set and optimiser.

    Attributes
    ----------
    rules
        Learning rules.
    targets
        Test errors in percent, to which the time is measured.
    seeds
        Number of seeds.
    """

    rules: Annotated[tuple[RuleName, ...], AfterValidator(distinct)] = Field(
        ("ep-centered", "ep-positive", "backprop"),
        min_length=1,
        description="Learning rules to time; the others are compared with the last.",
    )
    targets: Annotated[tuple[Percent, ...], AfterValidator(distinct)] = Field(
        (6.0, 4.0, 3.0), min_length=1, description="Test errors in percent, to which the time is measured."
    )
    seeds: Positive = Field(3, description="Number of seeds; each gives every rule the same initial weights and data order.")


METRICS = {
    "processor": Metric("model of the processor", form=TEXT),
    "versions": Metric("versions of the software", form=mapping_of(ANY)),
    "threads": Metric("threads of the kernels; linear algebra has one", "thread", form=FINITE),
    "network": Metric("layer sizes", form=TEXT),
    "targets": Metric("test errors in percent, to which the time is measured", form=list_of(NUMBER)),
    "runs": Metric(
        "by rule and seed: test error, processor time and time of every epoch, lowest cosine to the exact gradient before and after",
        timing=True,
        form=list_of(mapping_of(ANY)),
    ),
}


def trial(options: BenchTrainOptions, seed: int, *, threads: int = 1, on_epoch: Callable[[], object] = lambda: None) -> Outcome:
    """Train with every rule from every seed, the rules taking turns.

    Parameters
    ----------
    options : BenchTrainOptions
        Rules, targets and training.
    seed : int
        First seed.
    threads : int
        Threads of the kernels, for the record.
    on_epoch : callable
        Called after each epoch.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``. The time of an epoch is that of its steps, without evaluations.
    """
    runs = []
    network = ""
    shared = settings_of_trials(options.settings(), TrialOptions, {"rule": options.rules})
    pairs = list(product(range(seed, seed + options.seeds), options.rules))
    for each, rule in counted(pairs, len(pairs), "training"):
        network, found = _run(from_settings(TrialOptions, {**shared, "rule": rule}), each, on_epoch)
        runs.append({"rule": rule, "seed": each, **found})
    about = {"processor": processor(), "versions": versions(), "threads": threads, "network": network}
    return Outcome({**about, "targets": list(options.targets), "runs": runs})


EXPERIMENT = Experiment(BenchTrainOptions, trial, METRICS, headline=())


def _run(options: TrialOptions, seed: int, on_epoch: Callable[[], object]) -> tuple[str, dict[str, Any]]:
    """Train once, and return the network's sizes and the record of every epoch."""
    from contrastive_core.data.batches import batches
    from contrastive_core.data.splits import require_classes
    from contrastive_core.generators import generator_of
    from contrastive_core.training.evaluation import evaluate
    from contrastive_core.training.loop import train

    splits, network, setting = prepare(options, options.rule, seed)
    require_classes(splits, options.data)
    rule = RULES[options.rule](setting)
    # Kernels compile before the clock starts.
    rule.estimate(network, next(batches(splits.train, options.batch_size)), generator=generator_of(seed, 2))
    before = _lowest(gradient_cosine(options, splits, seed))
    epochs: list[dict[str, float]] = []

    def judge(record: Mapping[str, float]) -> None:
        tested = evaluate(network, rule, setting.cost, splits.test)
        kept = {name: record[name] for name in ("seconds", "cpu_seconds", "validation_error", "sweeps_per_sample", "unconverged")}
        epochs.append({**kept, "test_error": tested.error})
        on_epoch()

    train(network, rule, setting.cost, splits, plan_of(options), seed, on_epoch=judge)
    after = _lowest(gradient_cosine(options, splits, seed, weights=network.state_dict()))
    return architecture(network, splits), {"epochs": epochs, "cosine_initial": before, "cosine_trained": after}


def _lowest(cosines: Mapping[str, float]) -> float:
    return min(cosines.values())


def summary(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return for each rule and target how many seeds reach it, and medians over those of epochs and time.

    Parameters
    ----------
    metrics : mapping
        Metrics of the trial.

    Returns
    -------
    list of dict
        Rows with ``rule``, ``target`` in percent, ``reached`` of ``seeds``, ``epochs``, ``cpu_seconds`` and ``seconds``, None if a seed
        does not reach the target, and ``cosine_trained``, the lowest over the seeds.
    """
    rows = []
    for rule in dict.fromkeys(run["rule"] for run in metrics["runs"]):
        runs = [run for run in metrics["runs"] if run["rule"] == rule]
        for target in metrics["targets"]:
            spent = [found for run in runs if (found := _spent(run["epochs"], target / 100)) is not None]
            whole = len(spent) == len(runs)
            middle = [median(values) for values in zip(*spent, strict=True)] if whole else [None] * 3
            named = dict(zip(("epochs", "cpu_seconds", "seconds"), middle, strict=True))
            cosine = min(run["cosine_trained"] for run in runs)
            rows.append({"rule": rule, "target": target, "reached": len(spent), "seeds": len(runs), **named, "cosine_trained": cosine})
    return rows


def _spent(epochs: Sequence[Mapping[str, float]], target: float) -> tuple[float, float, float] | None:
    """Return epochs, processor time and time until the test error is at the target; None if it never is."""
    times = [list(accumulate(record[name] for record in epochs)) for name in ("cpu_seconds", "seconds")]
    for count, (record, cpu_seconds, seconds) in enumerate(zip(epochs, *times, strict=True), start=1):
        if record["test_error"] <= target:
            return count, cpu_seconds, seconds
    return None


def table(metrics: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the summary as a header and rows of texts, with ratios to the last rule."""
    found = summary(metrics)
    last = found[-1]["rule"]
    reference = {row["target"]: row["cpu_seconds"] for row in found if row["rule"] == last}
    header = ("rule", "test error %", "seeds", "epochs", "CPU s", "s", f"CPU time / {last}", "lowest cosine, trained")
    rows = []
    for row in found:
        base = reference[row["target"]]
        ratio = row["cpu_seconds"] / base if row["cpu_seconds"] is not None and base else None
        times = (cell(row[name], form) for name, form in (("epochs", ".0f"), ("cpu_seconds", ".1f"), ("seconds", ".1f")))
        cosine = f"{row['cosine_trained']:.4f}"
        rows.append((row["rule"], f"{row['target']:g}", f"{row['reached']} of {row['seeds']}", *times, cell(ratio, ".2f"), cosine))
    return header, rows


@command(BenchTrainOptions, "train", draws=True)
def bench_train(options: BenchTrainOptions, invocation: Invocation) -> None:
    """Measure the time that learning rules need to reach a test error, in one training loop.

    Every rule gets the same network, cost, data, optimiser, initial weights and data order, and the rules take turns. Times are those of
    the training steps, without evaluations and compilation, and medians over the seeds. The test error is looked at after every epoch,
    as benchmarks of speed do: it is no estimate for new data. The cosine to the exact gradient at the last weights stands beside.

    \b
    Examples:
      eqlab bench train
      eqlab bench train --config mnist --data-dir DIRECTORY-OF-IDX-FILES --targets 2.5,2,1.8 --threads 2
      eqlab bench train --config mnist --data-dir DIRECTORY-OF-IDX-FILES --hidden 512,256,64 --energy-scale 0.01 --targets 1.8
    """  # noqa: D301
    invocation.warn_of_threads()
    check(options, invocation, rules=options.rules)
    steps = options.seeds * len(options.rules) * options.epochs
    given = {"threads": invocation.threads}
    with computation(options, invocation, SERIAL) as opened, invocation.progress(steps, "epochs") as bar:
        result = compute_one(study_of("bench-train", options), opened, Given(options, {**given, "on_epoch": bar.update}))
    text = f"{result['network']} on {options.data}, {options.seeds} seeds, {result['threads']} threads\n\n{format_table(*table(result))}"
    finish(opened.run, invocation, {**result, "summary": summary(result)}, text)
