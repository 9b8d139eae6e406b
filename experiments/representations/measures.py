"""Measures of the quality of a representation, at the last hidden layer and at the outputs of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from contrastive_core.errors import InputError
from experiments.representations.activities import Trained, activities, layer_activities
from experiments.representations.attacks import under_attack
from experiments.representations.build import shown_outputs
from experiments.representations.details import of_halves, of_layers, of_pairs, of_samples
from experiments.representations.options import ContrastiveOptions
from experiments.representations.paired.modalities import of_attack, of_modalities
from experiments.representations.stages import side_by_side

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from contrastive_core.data.splits import Split, Splits
    from contrastive_core.joint.perturbed_views import ViewAttack
    from contrastive_core.network import Network
    from contrastive_core.objectives.objective import Objective
    from contrastive_core.rule import Rule
    from contrastive_core.training.views_of_samples import Contrasting

_PAIRS = 1000
"""Samples whose pairs are measured: their cosines take 8 MB."""
_POINTS = 600
"""Samples that a picture shows."""


def measure(
    options: ContrastiveOptions,
    network: Network,
    rule: Rule,
    contrasting: Contrasting,
    splits: Splits,
    objective: Objective,
    attack: ViewAttack | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure a network's representation.

    Parameters
    ----------
    options : ContrastiveOptions
        Options with the numbers of samples for probes.
    network : Network
        Network to measure, not changed.
    rule : Rule
        Rule that infers outputs from inputs.
    contrasting : Contrasting
        Views, and the cost that training lowers on them.
    splits : Splits
        Data set; probes learn from training samples and are tested on those of another split.
    objective : Objective
        Objective whose value is measured, on outputs without mixing.
    attack : ViewAttack, optional
        Perturbation of views that the network is measured under.

    Returns
    -------
    metrics : dict
        Metrics by the names of ``experiments.representations.trial.METRICS``.
    arrays : dict of str to ndarray
        Arrays for figures: the plane of the outputs' largest variance, classes, the singular values of both layers, and histograms of the
        scores of pairs.
    """
    from contrastive_core.data.splits import Split
    from contrastive_core.representation.geometry import effective_rank, isotropy, spectrum, tolerance, uniformity
    from contrastive_core.representation.probes import nearest_neighbours

    train, test = _first(splits.train, options.probe_train), _first(judging(options, splits), options.probe_test)
    every = [layer_activities(network, rule, split.inputs) for split in (train, test)]
    metrics: dict[str, Any] = {"class_error": _class_error(objective, every[1][-1], test)}
    # Outputs of supervised terms and reconstructions stand behind the embedding, and are no part of it.
    learnt, judged = ([*hidden, output[:, : shown_outputs(options)]] for *hidden, output in every)
    seen, unseen = learnt[-2:], judged[-2:]
    metrics["layers"] = of_layers(learnt, judged, train, test)
    for place, name in enumerate(("hidden", "output")):
        learned, tested = Split(seen[place], train.labels), Split(unseen[place], test.labels)
        metrics[f"probe_{name}"] = metrics["layers"][place - 2]["probe"]
        metrics[f"neighbours_{name}"] = nearest_neighbours(learned, tested, min(options.neighbours, len(train.labels)))
        metrics[f"rank_{name}"] = effective_rank(unseen[place])
    few, classes = unseen[1][:_PAIRS], test.labels[:_PAIRS]
    metrics |= {"uniformity": uniformity(few), "tolerance": tolerance(few, classes), "isotropy": isotropy(few)}
    metrics["shortest"] = float(unseen[1].norm(dim=1).min())
    metrics |= of_samples(Split(unseen[1], test.labels))
    metrics["retrieval"] = None
    if objective.paired:
        metrics["retrieval"] = found = of_modalities(seen[1], unseen[1], (train, test), splits.modalities)
        if {"triggered", "target"} <= set(test.given):
            found["none"] |= of_attack(unseen[1], activities(network, rule, test.given["triggered"])[1], test)
    metrics["halves"] = of_halves(objective.halves, seen[1], unseen[1], train, test)
    of_batch, scores = _of_views(options, network, rule, contrasting, objective, test)
    metrics |= of_batch
    metrics |= under_attack(attack, network, rule, contrasting, train, test)
    arrays = {
        **scores,
        "embedding": _plane(unseen[1][:_POINTS]).numpy(),
        "classes": test.labels[:_POINTS].numpy(),
        "spectrum_hidden": spectrum(unseen[0]).numpy(),
        "spectrum_output": spectrum(unseen[1]).numpy(),
    }
    return metrics, arrays


def probe_of_stages(options: ContrastiveOptions, stages: Sequence[Trained], splits: Splits) -> float:
    """Return the accuracy of a linear probe on the concatenated outputs of the networks of all stages."""
    from contrastive_core.data.splits import Split
    from contrastive_core.representation.probes import linear_probe

    train, test = _first(splits.train, options.probe_train), _first(judging(options, splits), options.probe_test)
    learned, tested = (Split(side_by_side(stages, split.inputs), split.labels) for split in (train, test))
    return linear_probe(learned, tested)


def judging(options: ContrastiveOptions, splits: Splits) -> Split:
    """Return the split that representations are judged on: samples that no step of training has seen."""
    return splits.test if options.probe_split == "test" else splits.validation


def _of_views(
    options: ContrastiveOptions, network: Network, rule: Rule, contrasting: Contrasting, objective: Objective, split: Split
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure one batch of views, the same in every evaluation: metrics, and histograms of scores."""
    import torch

    from contrastive_core.data.batches import batches
    from contrastive_core.objectives.weighted_sum import WeightedSum
    from contrastive_core.representation.collapse import collapsed_value
    from contrastive_core.representation.geometry import alignment, gap, hardness
    from contrastive_core.representation.probes import separability

    batch = contrasting.present(next(batches(split, contrasting.batch_size)), torch.Generator().manual_seed(0))
    if batch.instances is None:
        raise InputError("views without instances do not pair up")
    _, outputs = activities(network, rule, batch.inputs)
    terms = objective.parts(outputs, batch) if isinstance(objective, WeightedSum) else {}
    width, outputs, instances = outputs.shape[1], outputs[:, : shown_outputs(options)], batch.instances
    if objective.paired:  # two modalities are compared, not two views
        outputs, instances = torch.cat(outputs.chunk(2, 1)), instances.repeat(2)
    first, second = outputs.chunk(2 if objective.paired else contrasting.views.count)[:2]
    temperature = vars(objective).get("temperature")
    of_scores, arrays = of_pairs(outputs, instances)
    metrics = {
        **of_scores,
        "collapsed": collapsed_value(objective, batch, width),
        "terms": terms,
        "alignment": alignment(first, second),
        "gap": gap(first, second),
        "separability": separability(first, second) if len(first) >= 4 else None,
        "hardness": None if temperature is None else hardness(outputs, instances, temperature),
    }
    return metrics, arrays


def _class_error(objective: Objective, outputs: Tensor, split: Split) -> float | None:
    """Return the share of samples that outputs for classes decide wrongly; None without such outputs."""
    from contrastive_core.objectives.weighted_sum import WeightedSum
    from contrastive_core.types import Batch

    wrong = objective.wrong_classes(outputs, Batch(split.inputs, split.labels)) if isinstance(objective, WeightedSum) else None
    return None if wrong is None else float(wrong.double().mean())


def _first(split: Split, count: int) -> Split:
    return split.take(slice(count))


def _plane(outputs: Tensor) -> torch.Tensor:
    """Return the two coordinates of largest variance, with signs that do not depend on the solver; shape (N, 2)."""
    import torch

    centred = outputs.double() - outputs.double().mean(0)
    axes = torch.linalg.svd(centred, full_matrices=False).Vh[:2]
    signs = axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
    plane = centred @ (axes * signs).T
    return torch.nn.functional.pad(plane, (0, 2 - plane.shape[1]))
