"""Measures in detail: scores of pairs, few-shot tests, every layer, halves of outputs, and the kernel of the augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from experiments.representations.options import ContrastiveOptions

if TYPE_CHECKING:
    from torch import Tensor

    from contrastive_core.data.splits import Split, Splits

BINS = 40
"""Bins of the histograms of scores."""
_PAIRS = 1000
"""Samples whose pairs are measured."""
_EPISODES = 100
_QUERIES = 15
"""Queries of each class in a few-shot episode, the usual number."""
_KERNEL = (400, 200)
"""Samples that the kernel of an augmentation learns from and is tested on: 16 draws of each take a second."""
_DRAWS = 16


def of_pairs(outputs: Tensor, instances: Tensor) -> tuple[dict[str, float], dict[str, Any]]:
    """Measure the scores of positive and negative pairs of a batch of views.

    Parameters
    ----------
    outputs : Tensor of shape (R, n)
        Outputs for the views.
    instances : Tensor of shape (R,)
        Sample of each view.

    Returns
    -------
    metrics : dict
        ``auc``.
    arrays : dict of str to ndarray
        ``scores_positive`` and ``scores_negative``, densities of the cosine on ``BINS`` equal bins.
    """
    from contrastive_core.representation.scores import area_under_curve, histogram, pair_scores

    scores = pair_scores(outputs, instances)
    arrays = {f"scores_{name[:-1]}": histogram(values, BINS).numpy() for name, values in scores._asdict().items()}
    return {"auc": area_under_curve(scores)}, arrays


def of_samples(outputs: Split) -> dict[str, float | None]:
    """Measure outputs with their classes: isotropy of the partition function, and few-shot accuracy without and with alignment.

    Few-shot accuracies are None for one class, and where a class has one sample.
    """
    import torch

    from contrastive_core.representation.few_shot import few_shot
    from contrastive_core.representation.geometry import partition_isotropy

    counts = torch.unique(outputs.labels, return_counts=True)[1]
    fewest = int(counts.min())
    tested = few_shot(outputs, queries=min(_QUERIES, fewest - 1), episodes=_EPISODES) if len(counts) > 1 and fewest > 1 else None
    return {
        "partition": partition_isotropy(outputs.inputs[:_PAIRS]),
        "few_shot": tested and tested.plain,
        "few_shot_aligned": tested and tested.aligned,
    }


def of_layers(seen: Sequence[Tensor], unseen: Sequence[Tensor], train: Split, test: Split) -> list[dict[str, float]]:
    """Probe every layer, the first hidden one first and the outputs last.

    Parameters
    ----------
    seen, unseen : sequence of Tensor
        Activities of each layer for training samples, and for those that probes are tested on.
    train, test : Split
        These samples with their classes.

    Returns
    -------
    list of dict
        ``probe``, and ``class_share``, the share of the layer's variance that lies between classes: how the layer weighs these
        features.
    """
    from contrastive_core.data.splits import Split
    from contrastive_core.representation.geometry import class_share
    from contrastive_core.representation.probes import linear_probe

    return [
        {
            "probe": linear_probe(Split(learned, train.labels), Split(tested, test.labels)),
            "class_share": class_share(tested, test.labels),
        }
        for learned, tested in zip(seen, unseen, strict=True)
    ]


def of_halves(names: Sequence[str], seen: Tensor, unseen: Tensor, train: Split, test: Split) -> dict[str, float]:
    """Return the accuracy of a linear probe on each half of the outputs, by the name of the half; empty for a single meaning."""
    from contrastive_core.data.splits import Split
    from contrastive_core.representation.probes import linear_probe

    halves = (slice(None, seen.shape[1] // 2), slice(seen.shape[1] // 2, None))
    return {
        name: linear_probe(Split(seen[:, half], train.labels), Split(unseen[:, half], test.labels))
        for name, half in zip(names, halves, strict=False)
    }


def of_augmentation(options: ContrastiveOptions, splits: Splits, judged: Split) -> dict[str, float | None]:
    """Measure the augmentation alone: its complexity, and the accuracy of regression with its kernel; None where no kernel is known."""
    import torch

    from contrastive_core.data.views import VIEWS
    from contrastive_core.representation.augmentation import DENSITIES, augmentation_kernel, kernel_probe

    known = len(options.views) == 1 and options.views[0] in DENSITIES and options.view_strength > 0
    if not known:
        return {"augmentation_complexity": None, "augmentation_probe": None}
    learned, tested = (min(most, len(split.labels)) for most, split in zip(_KERNEL, (splits.train, judged), strict=True))
    inputs = torch.cat([splits.train.inputs[:learned], judged.inputs[:tested]])
    labels = torch.cat([splits.train.labels[:learned], judged.labels[:tested]])
    found = augmentation_kernel(inputs, options.views[0], VIEWS[options.views[0]](), options.view_strength, _DRAWS)
    return {"augmentation_complexity": found.complexity, "augmentation_probe": kernel_probe(found, labels, learned)}
