"""``eqlab train``: one rule, one network, one data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from contrastive_core.data.task import TASKS, Score, error_among
from contrastive_core.errors import InputError
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.output import cell, format_table
from experiments.commandline.sections import COMPUTATION
from experiments.learning.cosine import gradient_cosine
from experiments.report.ending import finish
from experiments.runs.forms import NUMBER, TEXT, mapping_of
from experiments.setup.build import Prepared, architecture, plan_of, prepare
from experiments.setup.checks import check
from experiments.setup.following import FOLLOWED, followed, sentence
from experiments.setup.following import rows as rows_of_following
from experiments.setup.options import TrialOptions
from experiments.setup.parameters import remember_start
from experiments.setup.tables import RULES
from experiments.setup.training_metrics import DEVICE, JUDGED, ORIGIN, SPENT, device_of_trial, identity_of, judged, origin, spent
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import check_engine
from experiments.trials.experiment import AMOUNT, COSINE, SHARE, Experiment, Metric, Outcome
from experiments.trials.worker import Given

if TYPE_CHECKING:
    from tqdm import tqdm

    from contrastive_core.training.evaluation import Evaluation
    from contrastive_core.training.ranks import Ranks
    from contrastive_core.training.results import Progress

KEY = "train"
"""Key of the only trial, which also names its checkpoint."""

OTHERS = tuple({score.name: score for task in TASKS.values() for score in task.others}.values())
"""Scores of all tasks beside the error."""

UNEVEN = 2.0
"""Ratio of the most frequent class to the rarest one from which on tables show the scores that weigh all classes alike."""

SHARED = "share the training"
"""Call of rank 0 for the other processes that ``torchrun`` started."""


class CommandTrainOptions(TrialOptions, section=COMPUTATION):
    """A training run, and where it is computed.

    Attributes
    ----------
    engine
        Engine that computes; only the serial one shows progress within the trial.
    """

    engine: str = Field(
        "serial",
        exclude=True,
        description="Engine that computes the trial: serial, process:1, dask:1, tcp://HOST:PORT or a scheduler file.",
    )


METRICS = {
    "network": Metric("layer sizes", form=TEXT),
    "rule": Metric("learning rule", form=TEXT),
    **JUDGED,
    "test_cost": Metric("mean cost on the test split", form=NUMBER),
    "best_epoch": Metric("epoch that validation chooses", "epoch", bounds=AMOUNT),
    **SPENT,
    "unconverged_worst": Metric("the same in the worst epoch", bounds=SHARE),
    "energy_decrease": Metric("mean decrease of the energy over a free phase on the test split", form=NUMBER),
    "gradient_cosine": Metric(
        "cosine of the rule's gradient to the exact one, at the initial weights", bounds=COSINE, form=mapping_of(NUMBER)
    ),
    "angle": Metric("mean angle between feedback and forward weights in degrees, after training; none if they are tied", form=NUMBER),
    **FOLLOWED,
    **ORIGIN,
    **DEVICE,
}


def trial(
    options: TrialOptions,
    seed: int,
    *,
    prepared: Prepared | None = None,
    ranks: Ranks | None = None,
    checkpoint: Path | None = None,
    on_start: Callable[[Evaluation], None] | None = None,
    on_step: Callable[[Progress], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Outcome:
    """Train one network from one seed.

    Parameters
    ----------
    options : TrialOptions
        All options but the seed.
    seed : int
        Seed of initial weights, data order and the rule's draws.
    prepared : Prepared, optional
        Network, data and setting of these options and this seed, if they are built already; the network is trained in place.
    ranks : Ranks, optional
        Processes that share every batch; None for this one alone.
    checkpoint : Path, optional
        Checkpoint, written after every epoch; training resumes from it if it exists.
    on_start : callable, optional
        Called with the result of the untrained network on the validation split, unless training resumes from a checkpoint.
    on_step, on_epoch : callable, optional
        Called with the progress after every step, and with the record of every epoch.

    Returns
    -------
    Outcome
        The metrics of ``METRICS``, of the network at the epoch that the validation split chose, and a record per epoch. Shares and
        errors lie in [0, 1]. Networks with filters add the arrays of :func:`~experiments.learning.features.features`.
    """
    from contrastive_core.data.batches import batches
    from contrastive_core.generators import generator_of
    from contrastive_core.training.evaluation import evaluate
    from contrastive_core.training.judge import judge_of
    from contrastive_core.training.loop import train
    from contrastive_core.training.ranks import ALONE
    from experiments.learning.features import features

    splits, network, setting = prepared or prepare(options, options.rule, seed)
    rule = RULES[options.rule](setting)
    # Kernels compile before the clock starts: a first call can take seconds, which are no cost of the rule.
    rule.estimate(network, next(batches(splits.train, options.batch_size)), generator=generator_of(seed, 2))
    if on_start is not None and not (checkpoint is not None and checkpoint.exists()):
        on_start(evaluate(network, rule, setting.cost, splits.validation, judge=judge_of(splits)))
    ranks = ranks or ALONE
    ranks.told(SHARED)
    result = train(
        network,
        rule,
        setting.cost,
        splits,
        plan_of(options, rule),
        seed,
        ranks=ranks,
        checkpoint=checkpoint,
        identity=identity_of(options, seed, splits),
        on_step=on_step,
        on_epoch=on_epoch,
    )
    metrics = {
        "network": architecture(network, splits),
        "rule": options.rule,
        "seed": seed,
        **judged(splits, result.validation, result.test),
        "test_cost": result.test.cost,
        "best_epoch": result.best_epoch,
        **spent(result.history, splits),
        "unconverged_worst": max(record["unconverged"] for record in result.history),
        "energy_decrease": result.test.energy_decrease,
        "gradient_cosine": gradient_cosine(options, splits, seed),
        **({"angle": result.history[-1]["angle"]} if "angle" in result.history[-1] else {}),
        **followed(result.history),
        **origin(splits),
        **device_of_trial(options, seed),
    }
    return Outcome(metrics, result.history, features(network, rule, splits.test.inputs[:1]))


EXPERIMENT = Experiment(TrialOptions, trial, METRICS, headline=("test_error", "test_rmse", "test_r2"), checkpoints=True, live=True)


def table(metrics: Mapping[str, Any]) -> tuple[tuple[str, str], list[tuple[str, str]]]:
    """Return header and rows of a trial's metrics for people, as terminal and report show them."""
    error = error_among(metrics, "test")
    others = [score for score in OTHERS if tells(metrics, score)]
    cosines = [value for value in metrics["gradient_cosine"].values() if value is not None]
    seconds = metrics["cpu_seconds_per_sample"]
    rows = [
        ("network", metrics["network"]),
        ("rule", metrics["rule"]),
        *((f"test {score.title}", score.text(metrics[f"test_{score.name}"])) for score in (error, *others)),
        (f"validation {error.title}", error.text(metrics[f"validation_{error.name}"])),
        ("chosen epoch", f"{metrics['best_epoch']} of {metrics['epochs']}"),
        ("sweeps per sample", cell(metrics["sweeps_per_sample"], ".1f")),
        ("CPU microseconds per sample", cell(None if seconds is None else 1e6 * seconds, ".0f")),
        ("unconverged", f"{_percent(metrics['unconverged'])}, worst epoch {_percent(metrics['unconverged_worst'])}"),
        *rows_of_following(metrics),
        ("energy decrease", cell(metrics["energy_decrease"], ".3f")),
        ("lowest cosine to exact gradient", f"{min(cosines):.4f}" if cosines else "-"),
    ]
    return ("quantity", "value"), rows


def tells(metrics: Mapping[str, Any], score: Score) -> bool:
    """Whether a table shows a score of the test split: those that weigh all classes alike only if classes differ much in number."""
    return f"test_{score.name}" in metrics and (not score.percent or float(metrics.get("class_imbalance") or UNEVEN) >= UNEVEN)


def _percent(share: float | None) -> str:
    """Return a share in percent; a dash if a trial of an earlier version ended without one."""
    return cell(None if share is None else 100 * share, ".2f") + (" %" if share is not None else "")


@command(CommandTrainOptions, "train", shared=True, draws=True)
def train_command(options: CommandTrainOptions, invocation: Invocation) -> None:
    """Train one network with one learning rule and report its test error at the epoch that validation chooses, or at the last one.

    \b
    Examples:
      eqlab train
      eqlab train --rule coupled-centered --hidden 128,64 --epochs 30
      eqlab train --config mnist --data-dir DIRECTORY-OF-IDX-FILES
      eqlab train --start-from RUN --learning-rates 0.01

    The run's directory keeps the configuration, provenance, journal, a checkpoint per epoch and figures. The same command with the
    same --out goes on where a killed run stopped, to the same bits. Several processes share every batch if torchrun
    starts them: torchrun --nproc-per-node 2 -m eqlab train.
    """  # noqa: D301
    from contrastive_core.training.ranks import joined

    check_engine(options.engine)
    with joined() as ranks:
        if ranks.size > 1 and options.engine != "serial":
            raise InputError(
                f"{ranks.size} processes of torchrun share a training by themselves, got --engine {options.engine}; leave it out"
            )
        if ranks.rank:
            _follow(options, replace(invocation, quiet=True), ranks)
        else:
            _lead(options, invocation, ranks)


def _follow(options: CommandTrainOptions, invocation: Invocation, ranks: Ranks) -> None:
    """Share a training whose files and progress are those of rank 0, as often as it calls."""
    from contrastive_core.training.loop import train

    splits, network, setting = check(options, invocation, options.rule, warm_start=options.warm_start)
    identity = identity_of(options, options.seed, splits)
    while ranks.told("") == SHARED:
        train(network, RULES[options.rule](setting), setting.cost, splits, plan_of(options), options.seed, ranks=ranks, identity=identity)


def _lead(options: CommandTrainOptions, invocation: Invocation, ranks: Ranks) -> None:
    """Train in a run of its own, alone or with the other ranks."""
    invocation.warn_of_threads()
    prepared = check(options, invocation, options.rule, warm_start=options.warm_start)
    if ranks.size > 1:
        invocation.note(f"{ranks.size} processes share every batch of {options.batch_size} samples")
    if options.keep_last and options.patience is not None:
        invocation.warn("--patience has no effect with --keep-last, which trains all epochs")
    steps = -(-len(prepared.splits.train.labels) // options.batch_size)
    study = study_of("train", options)
    with (
        computation(options, invocation, options.engine) as opened,
        invocation.progress(steps * options.epochs, options.rule) as bar,
    ):
        remember_start(options, [options.rule], [options.seed], opened)
        callbacks = _callbacks(options, invocation, bar, TASKS[prepared.splits.task].error)
        metrics = compute_one(study, opened, Given(options, {"prepared": prepared, "ranks": ranks, **callbacks}))
        ranks.told("")
    finish(opened.run, invocation, metrics, format_table(*table(metrics)))


def _callbacks(options: CommandTrainOptions, invocation: Invocation, bar: tqdm[Any], score: Score) -> dict[str, Callable[..., None]]:
    """Return what shows a serial training: a bar on a terminal, one line per epoch elsewhere; ``eqlab watch`` shows all engines."""

    def on_start(untrained: Evaluation) -> None:
        invocation.note(
            f"epoch 0/{options.epochs}: untrained, validation {score.title} {score.text(untrained.error)}, "
            f"{untrained.sweeps:.1f} sweeps per sample, {100 * untrained.unconverged:.2f} % unconverged"
        )

    def on_step(progress: Progress) -> None:
        bar.update(1)
        if progress.step % 10 == 0:
            bar.set_postfix_str(
                f"epoch {progress.epoch}, {score.title} {score.text(progress.train_error)}, sweeps {progress.sweeps:.1f}, "
                f"unconverged {100 * progress.unconverged:.2f} %"
            )

    def on_epoch(record: Mapping[str, float]) -> None:
        invocation.note(
            f"epoch {record['epoch']:.0f}/{options.epochs}: training {score.title} {score.text(record[f'train_{score.name}'])}, validation "
            f"{score.title} {score.text(record[f'validation_{score.name}'])}, {record['sweeps_per_sample']:.1f} sweeps per sample, "
            f"{100 * record['unconverged']:.2f} % unconverged, {record['seconds']:.1f} s{sentence(record)}"
        )

    return {"on_start": on_start, "on_step": on_step, "on_epoch": on_epoch}
