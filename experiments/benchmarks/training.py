"""``eqlab bench train``: time to accuracy of learning rules, in one loop."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, product
from statistics import median
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from contrastive_core.errors import InputError
from contrastive_core.progress.share import counted
from experiments.benchmarks.devices import ThreadCounts, computing_with
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
from experiments.setup.options import FollowingOptions, RuleName, TrialOptions
from experiments.setup.tables import RULES
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import SERIAL
from experiments.trials.experiment import Experiment, Metric, Outcome
from experiments.trials.worker import Given

Percent = Annotated[float, Field(gt=0, lt=100)]


class BenchTrainOptions(FollowingOptions, section=RULE):
    """Rules that are timed, on one network, data set and optimiser.

    Attributes
    ----------
    gives_way
        The single rule of a training's configuration, which gives way to the rules that are asked for.
    rules
        Learning rules.
    targets
        Test errors in percent, to which the time is measured.
    seeds
        Number of seeds.
    thread_counts
        Numbers of threads.
    """

    gives_way: ClassVar[Mapping[str, str]] = {"rule": "rules"}

    rules: Annotated[tuple[RuleName, ...], AfterValidator(distinct)] = Field(
        ("ep-centered", "ep-positive", "backprop"),
        min_length=1,
        description="Learning rules to time; the others are compared with the last.",
    )
    targets: Annotated[tuple[Percent, ...], AfterValidator(distinct)] = Field(
        (6.0, 4.0, 3.0), min_length=1, description="Test errors in percent, to which the time is measured."
    )
    seeds: Positive = Field(3, description="Number of seeds; each gives every rule the same initial weights and data order.")
    thread_counts: ThreadCounts = Field(
        (),
        exclude_if=operator.not_,
        description="Numbers of threads of kernels and linear algebra, with each of which every rule trains; none: --threads for kernels "
        "alone.",
    )


METRICS = {
    "processor": Metric("model of the processor", form=TEXT),
    "versions": Metric("versions of the software", form=mapping_of(ANY)),
    "threads": Metric("largest number of threads of the kernels", "thread", form=FINITE),
    "network": Metric("layer sizes", form=TEXT),
    "targets": Metric("test errors in percent, to which the time is measured", form=list_of(NUMBER)),
    "runs": Metric(
        "by rule, seed and threads: test error and times of every epoch, lowest cosine to the exact gradient before and after",
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
    cases = list(product(range(seed, seed + options.seeds), options.thread_counts or (None,), options.rules))
    for each, count, rule in counted(cases, len(cases), "training"):
        with computing_with(count):
            network, found = _run(from_settings(TrialOptions, {**shared, "rule": rule}), each, on_epoch)
        runs.append({"rule": rule, "seed": each, "threads": count or threads, **found})
    most = max(options.thread_counts or (threads,))
    about = {"processor": processor(), "versions": versions(), "threads": most, "network": network}
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
    last: dict[str, float] = {}  # tolerances of the moment, where they follow the noise

    def judge(record: Mapping[str, float]) -> None:
        tested = evaluate(network, rule, setting.cost, splits.test)
        kept = {name: record[name] for name in ("seconds", "cpu_seconds", "validation_error", "sweeps_per_sample", "unconverged")}
        last.update({name: record[name] for name in ("tolerance", "nudged_tolerance") if name in record})
        epochs.append({**kept, **last, "test_error": tested.error})
        on_epoch()

    train(network, rule, setting.cost, splits, plan_of(options, rule), seed, on_epoch=judge)
    after = _lowest(gradient_cosine(options.model_copy(update=last), splits, seed, weights=network.state_dict()))
    return architecture(network, splits), {"epochs": epochs, "cosine_initial": before, "cosine_trained": after}


def _lowest(cosines: Mapping[str, float]) -> float:
    return min(cosines.values())


def summary(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return for each number of threads, rule and target how many seeds reach it, and medians over those of epochs and time.

    Parameters
    ----------
    metrics : mapping
        Metrics of the trial.

    Returns
    -------
    list of dict
        Rows with ``threads``, ``rule``, ``target`` in percent, ``reached`` of ``seeds``, ``epochs``, ``cpu_seconds`` and ``seconds``, None
        if a seed does not reach the target, ``cpu_seconds_range``, the least and the most of those that do, ``unconverged``, the largest
        share of samples of an epoch, and ``cosine_trained``, the lowest over the seeds.
    """
    grouped: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for run in metrics["runs"]:
        # Records older than --thread-counts have one number for all.
        grouped.setdefault((run.get("threads", metrics.get("threads", 1)), run["rule"]), []).append(run)
    rows = []
    for (threads, rule), runs in grouped.items():
        for target in metrics["targets"]:
            spent = [found for run in runs if (found := _spent(run["epochs"], target / 100)) is not None]
            whole = len(spent) == len(runs)
            middle = [median(values) for values in zip(*spent, strict=True)] if whole else [None] * 3
            rows.append(
                {
                    "threads": threads,
                    "rule": rule,
                    "target": target,
                    "reached": len(spent),
                    "seeds": len(runs),
                    **dict(zip(("epochs", "cpu_seconds", "seconds"), middle, strict=True)),
                    "cpu_seconds_range": [choose(one[1] for one in spent) for choose in (min, max)] if spent else None,
                    "unconverged": max(epoch["unconverged"] for run in runs for epoch in run["epochs"]),
                    "cosine_trained": min(run["cosine_trained"] for run in runs),
                }
            )
    return rows


def _spent(epochs: Sequence[Mapping[str, float]], target: float) -> tuple[float, float, float] | None:
    """Return epochs, processor time and time until the test error is at the target; None if it never is."""
    times = [list(accumulate(record[name] for record in epochs)) for name in ("cpu_seconds", "seconds")]
    for count, (record, cpu_seconds, seconds) in enumerate(zip(epochs, *times, strict=True), start=1):
        if record["test_error"] <= target:
            return count, cpu_seconds, seconds
    return None


def table(metrics: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the summary as a header and rows of texts, with ratios to the last rule at the same number of threads."""
    found = summary(metrics)
    last = found[-1]["rule"]
    reference = {(row["threads"], row["target"]): row for row in found if row["rule"] == last}
    header = ("threads", "rule", "test error %", "seeds", "epochs", "CPU s", "range", "s", f"CPU s / {last}", f"s / {last}")
    rows = []
    for row in found:
        base = reference[row["threads"], row["target"]]
        ratios = (row[name] / base[name] if row[name] is not None and base[name] else None for name in ("cpu_seconds", "seconds"))
        least, most = row["cpu_seconds_range"] or (None, None)
        spread = "-" if least is None else f"{least:.1f}-{most:.1f}"
        rows.append(
            (
                *(str(row["threads"]), row["rule"], f"{row['target']:g}", f"{row['reached']} of {row['seeds']}"),
                *(cell(row["epochs"], ".0f"), cell(row["cpu_seconds"], ".1f"), spread, cell(row["seconds"], ".1f")),
                *(cell(ratio, ".2f") for ratio in ratios),
                *(f"{100 * row['unconverged']:.2g}", f"{row['cosine_trained']:.5f}"),
            )
        )
    return (*header, "unconverged %", "lowest cosine, trained"), rows


@command(BenchTrainOptions, "train", draws=True)
def bench_train(options: BenchTrainOptions, invocation: Invocation) -> None:
    """Measure the time that learning rules need to reach a test error, in one training loop.

    Every rule gets the same network, cost, data, optimiser, initial weights and data order, and the rules take turns. Times are those of
    the training steps, without evaluations and compilation, and medians over the seeds. The test error is looked at after every epoch,
    as benchmarks of speed do: it is no estimate for new data. Beside every time stand the largest share of samples of an epoch without
    equilibrium, and the lowest cosine at the last weights to the exact gradient of the network that settles.

    \b
    Examples:
      eqlab bench train
      eqlab bench train --config mnist --data-dir DIRECTORY-OF-IDX-FILES --targets 2.5,2,1.8 --thread-counts 1,2
      eqlab bench train --config mnist --data-dir DIRECTORY-OF-IDX-FILES --hidden 512,256,64 --energy-scale 0.01 --targets 1.8
    """  # noqa: D301
    if options.thread_counts and invocation.threads > 1:
        raise InputError("--threads and --thread-counts both say how many threads train; give one of them")
    invocation.warn_of_threads()
    check(options, invocation, rules=options.rules)
    steps = options.seeds * len(options.rules) * max(1, len(options.thread_counts)) * options.epochs
    given = {"threads": invocation.threads}
    with computation(options, invocation, SERIAL) as opened, invocation.progress(steps, "epochs") as bar:
        result = compute_one(study_of("bench-train", options), opened, Given(options, {**given, "on_epoch": bar.update}))
    text = f"{result['network']} on {options.data}, {options.seeds} seeds\n\n{format_table(*table(result))}"
    finish(opened.run, invocation, {**result, "summary": summary(result)}, text)
