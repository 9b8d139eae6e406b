"""Trial of a network that one rule trains on views: its metrics, and measures of the representation before and after training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.representations.activities import Trained
from experiments.representations.attacks import attack_of
from experiments.representations.build import (
    build_contrasting,
    build_embedding,
    build_objective,
    judged,
    lowered,
    objective_setting,
    widened,
)
from experiments.representations.continual import with_classes
from experiments.representations.details import of_augmentation
from experiments.representations.generated import generator_for, with_generated
from experiments.representations.measures import judging, measure, probe_of_stages
from experiments.representations.options import ContrastiveTrialOptions
from experiments.representations.stages import earlier, staged
from experiments.representations.teachers import coded, of_targets, teacher_of
from experiments.runs.forms import NUMBER, TEXT, list_of, mapping_of, missing_or
from experiments.setup.build import architecture, load_data, plan_of
from experiments.setup.parameters import begin
from experiments.setup.tables import RULES
from experiments.setup.training_metrics import DEVICE, ORIGIN, SPENT, device_of_trial, identity_of, origin, spent
from experiments.trials.experiment import AMOUNT, COSINE, SHARE, Experiment, Metric, Outcome

if TYPE_CHECKING:
    from contrastive_core.training.results import Progress


_LAYERS = list_of(mapping_of(NUMBER))
_CURES = missing_or(mapping_of(mapping_of(NUMBER)))
_APART = ("terms", "layers", "halves", "retrieval")
"""Measures that are no single number; those before training have metrics of their own."""

METRICS = {
    "network": Metric("layer sizes", form=TEXT),
    "probe_hidden": Metric(
        "share of samples, of the test split by default, that a linear probe of the last hidden layer gets right", bounds=SHARE
    ),
    "probe_output": Metric("share of those samples that a linear probe of the outputs gets right", bounds=SHARE),
    "lift_hidden": Metric("gain of the probe of the hidden layer by training", bounds=COSINE),
    "lift_output": Metric("gain of the probe of the outputs by training", bounds=COSINE),
    "neighbours_hidden": Metric("share of those samples that their nearest neighbours in the hidden layer get right", bounds=SHARE),
    "neighbours_output": Metric("share of those samples that their nearest neighbours among the outputs get right", bounds=SHARE),
    "probe_stages": Metric("share that a linear probe of the joined outputs of this and all earlier stages gets right", bounds=SHARE),
    "untrained": Metric("measures of the network with the weights that training starts from", form=mapping_of(NUMBER)),
    "objective": Metric("objective on views of the tested split", form=NUMBER),
    "terms": Metric("value of each term of a sum, without its weight, on one batch of views", form=mapping_of(NUMBER)),
    "untrained_terms": Metric("value of each term with the initial weights", form=mapping_of(NUMBER)),
    "class_error": Metric("share of those samples that the outputs of a supervised term decide wrongly", bounds=SHARE),
    "collapsed": Metric("objective on these views if all outputs were equal", form=NUMBER),
    "view_error": Metric("share of these views whose nearest other view is not a positive", bounds=SHARE),
    "view_error_attacked": Metric("the same on one batch whose views were moved against the objective", bounds=SHARE),
    "view_error_universal": Metric("the same after one perturbation for all samples, made from training views", bounds=SHARE),
    "view_error_random": Metric("the same after a random perturbation of that length, one for all samples", bounds=SHARE),
    "alignment": Metric("mean squared distance of two views of a sample on the sphere", bounds=AMOUNT),
    "uniformity": Metric("log of the mean Gaussian potential of outputs on the sphere", form=NUMBER),
    "tolerance": Metric("mean cosine of outputs of one class", bounds=COSINE),
    "isotropy": Metric("1 less the mean cosine of two outputs", form=NUMBER),
    "rank_hidden": Metric("effective rank of the hidden layer", bounds=AMOUNT),
    "rank_output": Metric("effective rank of the outputs", bounds=AMOUNT),
    "hardness": Metric("share of the repulsion that comes from the hardest tenth of the negatives", bounds=SHARE),
    "gap": Metric("distance of the centres of first and second views on the sphere", bounds=AMOUNT),
    "separability": Metric("share of views that a hyperplane puts on the right side, first or second; 1/2 is chance", bounds=SHARE),
    "auc": Metric("probability that two views of a sample are more alike than views of two samples; 1/2 is chance", bounds=SHARE),
    "partition": Metric("ratio of the least to the largest partition function along the axes of outputs; 1 is isotropic", bounds=SHARE),
    "few_shot": Metric("share of samples that are nearest to the prototype of their class, made of one sample", bounds=SHARE),
    "few_shot_aligned": Metric("share with prototypes that optimal transport aligns with the samples", bounds=SHARE),
    "layers": Metric("for every hidden layer and the outputs: linear probe and share of the variance between classes", form=_LAYERS),
    "untrained_layers": Metric("measures of every layer with the weights that training starts from", form=_LAYERS),
    "halves": Metric("share of samples that a linear probe of each half of the outputs gets right", form=mapping_of(NUMBER)),
    "untrained_halves": Metric("share for each half with the weights that training starts from", form=mapping_of(NUMBER)),
    "retrieval": Metric("between two modalities, by cure of their gap: recall, gap and transfer of a probe", form=_CURES),
    "untrained_retrieval": Metric("the same with the weights that training starts from", form=_CURES),
    "augmentation_complexity": Metric("largest diagonal entry of the kernel of the augmentation; 1 if all samples look alike", form=NUMBER),
    "augmentation_probe": Metric("share of samples that regression with the kernel of the augmentation gets right", bounds=SHARE),
    "shortest": Metric("least length of an output", bounds=AMOUNT),
    "generator": Metric(
        "nats that a sample tells about its component of the generator, and shares of the variance of its latents",
        form=missing_or(mapping_of(NUMBER)),
    ),
    "targets": Metric(
        "isotropy and partition of a teacher's outputs, and of the targets made of them", form=missing_or(mapping_of(NUMBER))
    ),
    **SPENT,
    "seconds_per_sample": Metric("time to train on all views of a sample", "second", timing=True, bounds=AMOUNT),
    "cpu_seconds_per_sample": Metric("processor time to train on all views of a sample", "second", timing=True, bounds=AMOUNT),
    **ORIGIN,
    **DEVICE,
}


def trial(
    options: ContrastiveTrialOptions,
    seed: int,
    *,
    checkpoint: Path | None = None,
    on_step: Callable[[Progress], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Outcome:
    """Measure an untrained network, train it on views, and measure it again.

    Parameters
    ----------
    options : ContrastiveTrialOptions
        All options but the seed.
    seed : int
        Seed of initial weights, data order, views, extras and the rule's draws.
    checkpoint : Path, optional
        Checkpoint, written after every epoch; training resumes from it if it exists.
    on_step, on_epoch : callable, optional
        Called with the progress after every step, and with the record of every epoch.

    Returns
    -------
    Outcome
        Metrics of ``METRICS`` at the last epoch, a record per epoch, and arrays for figures.
    """
    from contrastive_core.generators import generator_of
    from contrastive_core.objectives.needs import Labels
    from contrastive_core.training.loop import train

    splits = load_data(options)
    network, objective = build_embedding(options, splits, seed), build_objective(options)
    begin(network, options, options.rule, seed)
    target = lowered(options, objective)
    objective = judged(objective, target, options.num_views + options.crops)
    rule = RULES[options.rule](objective_setting(options, target))
    shown = with_classes(options, splits)
    mixture = generator_for(options, shown, seed)
    shown = with_generated(options, shown, mixture, seed, target.needs.labels is not Labels.NONE)
    teacher = teacher_of(options, options.rule, seed, splits)
    contrasting = build_contrasting(options, splits, target, network, rule, seed, teacher, mixture)
    stages = earlier(options, options.rule, seed, splits)
    sampler = coded(options, staged(contrasting.sampler, stages, generator_of(seed, 5)), options.rule, seed, shown)
    contrasting = replace(contrasting, sampler=sampler)
    attack = attack_of(options, network, rule, objective_setting(options, target), target, splits)
    contrasting = replace(contrasting, attack=None if options.attack == "test" else attack)
    before, pictured = measure(options, network, rule, contrasting, splits, objective, attack)
    result = train(
        network, rule, objective, shown, replace(plan_of(options), keep_last=True), seed, contrasting=contrasting, checkpoint=checkpoint,
        identity=identity_of(options, seed, splits), on_step=on_step, on_epoch=on_epoch,
    )  # fmt: skip
    after, arrays = measure(options, network, rule, contrasting, splits, objective, attack)
    seen = result.test if options.probe_split == "test" else result.validation
    last = Trained("", options.rule, seed, network, network, rule, splits)
    metrics: Mapping[str, Any] = {
        "network": architecture(network, widened(options, splits)),
        "rule": options.rule,
        "seed": seed,
        **after,
        "lift_hidden": after["probe_hidden"] - before["probe_hidden"],
        "lift_output": after["probe_output"] - before["probe_output"],
        "probe_stages": probe_of_stages(options, [*stages, last], splits) if stages else None,
        "objective": seen.cost,
        "view_error": seen.error,
        "untrained": {name: value for name, value in before.items() if name not in _APART},
        **{f"untrained_{name}": before[name] for name in _APART},
        **of_augmentation(options, splits, judging(options, splits)),
        **spent(result.history, shown),
        **({} if mixture is None else {"generator": mixture.information(splits.train.inputs)}),
        **({} if teacher is None else {"targets": of_targets(teacher, judging(options, splits))}),
        **origin(splits),
        **device_of_trial(options, seed),
    }
    return Outcome(metrics, result.history, arrays | {f"untrained_{name}": values for name, values in pictured.items()})


EXPERIMENT = Experiment(
    ContrastiveTrialOptions,
    trial,
    METRICS,
    headline=("probe_hidden", "probe_output", "lift_hidden", "lift_output"),
    checkpoints=True,
    live=True,
)
