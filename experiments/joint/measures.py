"""Measures of a trained joint model: attacks, calibration, other inputs, and samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contrastive_core.joint import ARMS
from experiments.joint.options import JointTrialOptions
from experiments.joint.parts import JointParts, build_classifier

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from contrastive_core.joint.input_gradient import Classifier
    from contrastive_core.joint.training import JointResult
    from contrastive_core.types import Batch

_OTHER_SEED = 1_000_003
"""Distance from the seed of a trial to that of the other network, which attacks in its place and judges its samples."""
_OTHER_EPOCHS = 20
"""Most epochs of the other network."""


def measured(options: JointTrialOptions, parts: JointParts, result: JointResult, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the metrics of a trained model, and samples with their nearest training samples as arrays.

    Parameters
    ----------
    options : JointTrialOptions
        Options of the trial.
    parts : JointParts
        Data and settings.
    result : JointResult
        Trained model.
    seed : int
        Seed of the trial. Draws of measurements have streams of their own, so that a resumed run has the same.
    """
    from contrastive_core.generators import generator_of
    from contrastive_core.joint.measures import calibration_error
    from contrastive_core.types import Batch

    other = other_network(options, parts, seed)
    model, test = result.classifier, parts.splits.test
    output = model.outputs(test.inputs)
    chosen = Batch(test.inputs[: options.test_size], test.labels[: options.test_size])
    samples, arrays = _samples(options, parts, result, other, generator_of(seed, 6))
    return {
        "test_error": float((output.argmax(1) != test.labels).double().mean()),
        "calibration_error": calibration_error(output, test.labels),
        "judge_error": float((other.outputs(test.inputs).argmax(1) != test.labels).double().mean()),
        **_attacks(options, model, other, chosen, generator_of(seed, 5)),
        **_outside(model, chosen, generator_of(seed, 7)),
        **samples,
    }, arrays


def other_network(options: JointTrialOptions, parts: JointParts, seed: int) -> Classifier:
    """Train a feedforward network of another seed in the standard way, whatever the rule and the arm of the trial."""
    from dataclasses import replace

    from contrastive_core.joint.training import train_joint

    plan = replace(parts.plan, epochs=min(options.epochs, _OTHER_EPOCHS), warmup=0)
    classifier = build_classifier(options, parts.splits, seed + _OTHER_SEED, "backprop")
    return train_joint(classifier, ARMS["standard"], parts.splits, plan, seed + _OTHER_SEED).classifier


def _attacks(
    options: JointTrialOptions, model: Classifier, other: Classifier, batch: Batch, generator: torch.Generator
) -> dict[str, list[float]]:
    """Return accuracies by radius: under attacks from the sample, from random points too, and made on another network."""
    from contrastive_core.joint.attack import attacked
    from contrastive_core.joint.measures import withstood

    found: dict[str, list[float]] = {"robust_accuracy": [], "robust_accuracy_restarts": [], "transfer_accuracy": []}
    for radius in options.radii:
        plain, worst = withstood(model, batch, radius, options.test_steps, options.restarts, generator)
        foreign = attacked(other, batch, radius, options.test_steps, max(2.5 * radius, 1e-6) / options.test_steps)
        moved = model.outputs(foreign.inputs).argmax(1) == batch.labels
        for name, kept in zip(found, (plain, worst, moved), strict=True):
            found[name].append(float(kept.double().mean()))
    return {"radii": list(options.radii), **found}


def _outside(model: Classifier, batch: Batch, generator: torch.Generator) -> dict[str, dict[str, float]]:
    """Return the area of detection of other inputs: noise, test pictures with their pixels shuffled, and means of two of them."""
    import torch

    from contrastive_core.joint.arms import uniform_noise
    from contrastive_core.joint.costs import log_density
    from contrastive_core.joint.measures import detection_area

    inputs = batch.inputs
    places = torch.argsort(torch.rand(inputs.shape, generator=generator), 1)
    partner = inputs[torch.randperm(len(inputs), generator=generator)]
    others = {"noise": uniform_noise(inputs, generator), "shuffled": inputs.gather(1, places), "blends": (inputs + partner) / 2}
    own = model.outputs(inputs)
    found: dict[str, dict[str, float]] = {"outside_area": {}, "outside_area_confidence": {}}
    for name, strange in others.items():
        output = model.outputs(strange)
        found["outside_area"][name] = detection_area(log_density(own), log_density(output))
        found["outside_area_confidence"][name] = detection_area(own.softmax(1).amax(1), output.softmax(1).amax(1))
    return found


def _samples(
    options: JointTrialOptions, parts: JointParts, result: JointResult, other: Classifier, generator: torch.Generator
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return how far samples are from data, and the arrays of the picture."""
    import torch

    from contrastive_core.joint.arms import uniform_noise
    from contrastive_core.joint.measures import kernel_width, nearest, squared_discrepancy

    train, test = parts.splits.train.inputs, parts.splits.test.inputs[: options.test_size]
    noise = uniform_noise(test, generator)
    samples, classes = draw(options, parts, result, noise)
    stock, width = train[: len(test)], kernel_width(train[: len(test)], test)
    distances, places = nearest(samples, train)
    metrics = {
        "mmd2": squared_discrepancy(samples, test, width),
        "mmd2_train": squared_discrepancy(stock, test, width),
        "mmd2_source": squared_discrepancy(noise, test, width),
        "nearest": float(distances.median()),
        "nearest_test": float(nearest(test, train)[0].median()),
        "judged": float((other.outputs(samples).argmax(1) == classes).double().mean()),
    }
    shown = min(options.fantasies, len(samples))
    pair = torch.stack((samples[:shown], train[places[:shown]])).float()
    return metrics, {"samples": pair[0].contiguous().numpy(), "neighbours": pair[1].contiguous().numpy()}


def draw(options: JointTrialOptions, parts: JointParts, result: JointResult, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return samples of a model and their classes: ascents from noise, or for sgld the ends of its kept chains.

    The class of a chain, which has no class to rise to, is the one that the model itself finds in it.
    """
    import torch

    from contrastive_core.joint.attack import ascended

    model, plan = result.classifier, parts.plan
    if options.arm == "sgld":
        # Further steps could leave the range of numbers, where training has diverged.
        ends = result.chains[torch.arange(len(noise)) % len(result.chains)]
        return ends, model.outputs(ends).argmax(1)
    classes = torch.arange(len(noise)) % parts.splits.num_classes
    steps = options.sample_steps or result.steps or plan.most_steps
    return ascended(model, noise, classes, steps, plan.ascent_rate), classes
