"""Ways to train a classifier, each as the terms of its loss on a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.costs.cross_entropy import CrossEntropy
from contrastive_core.joint.attack import ascended, attacked, langevin
from contrastive_core.joint.costs import Discrimination, Likelihood
from contrastive_core.joint.input_gradient import Classifier
from contrastive_core.joint.plan import JointPlan
from contrastive_core.types import Batch


class LossTerm(NamedTuple):
    """Part of a loss: the mean cost of some rows, times a weight.

    Attributes
    ----------
    cost : Cost
        Cost of each row.
    batch : Batch
        Rows; where data and samples are contrasted, the data stand first.
    weight : float
        Factor of the mean.
    rising : bool
        Whether the samples rise by the steps that the trainer counts, and raises as the model tells them from data.
    """

    cost: Cost
    batch: Batch
    weight: float = 1.0
    rising: bool = False


@dataclass(frozen=True)
class Training:
    """Surroundings of an arm: all that it sees and changes beside the classifier.

    Attributes
    ----------
    classifier : Classifier
        Model that is trained.
    plan : JointPlan
        Settings.
    steps : Tensor of shape (1,)
        Steps towards a sample (int64); the trainer raises it.
    chains : Tensor of shape (chains, n_in)
        Ends of the kept chains; changed in place.
    num_classes : int
        Number of classes.
    draws : torch.Generator
        Source of classes, noise and starts.
    epoch : int
        Epoch, counted from 1.
    """

    classifier: Classifier
    plan: JointPlan
    steps: Tensor
    chains: Tensor
    num_classes: int
    draws: torch.Generator
    epoch: int


Arm = Callable[[Training, Batch], list[LossTerm]]
"""Returns the terms of the loss on a batch."""


def standard(training: Training, batch: Batch) -> list[LossTerm]:
    """Cross-entropy at the data."""
    return [LossTerm(CrossEntropy(), batch)]


def adversarial(training: Training, batch: Batch) -> list[LossTerm]:
    """Cross-entropy at attacked data, without a random start (Madry et al., 2018)."""
    plan = training.plan
    return [LossTerm(CrossEntropy(), attacked(training.classifier, batch, plan.radius, plan.attack_steps, plan.attack_rate))]


def dual(training: Training, batch: Batch) -> list[LossTerm]:
    """Adversarial cross-entropy, and after the warm-up the discrimination of data from ascents that start at uniform noise.

    The published source of images is another data set; here it is noise. The loss has no gradient penalty.

    References
    ----------
    Yin, Zhang, Steele, Shavit & Wang (2025), Joint discriminative-generative modeling via dual adversarial training, arXiv:2510.13872.
    """
    terms = adversarial(training, batch)
    if training.epoch <= training.plan.warmup:
        return terms
    start = uniform_noise(batch.inputs, training.draws)
    classes = torch.randint(training.num_classes, (len(start),), generator=training.draws)
    samples = ascended(training.classifier, start, classes, int(training.steps), training.plan.ascent_rate)
    return [*terms, LossTerm(Discrimination(), against(batch.inputs, samples), rising=True)]


def chained(training: Training, batch: Batch) -> list[LossTerm]:
    """Cross-entropy at the data, and the gradient of the likelihood with kept Langevin chains, some of which restart at noise.

    References
    ----------
    Grathwohl et al. (2020), arXiv:1912.03263, algorithm 1.
    """
    plan, count = training.plan, len(batch.inputs)
    chosen = torch.randint(len(training.chains), (count,), generator=training.draws)
    fresh = torch.rand(count, 1, generator=training.draws, dtype=batch.inputs.dtype) < plan.restart
    start = torch.where(fresh, uniform_noise(batch.inputs, training.draws), training.chains[chosen])
    ends = langevin(training.classifier, start, plan.langevin_steps, plan.langevin_rate, plan.langevin_noise, training.draws)
    training.chains[chosen] = ends
    # The mean over both halves is half of the difference of their means.
    return [LossTerm(CrossEntropy(), batch), LossTerm(Likelihood(), against(batch.inputs, ends), 2.0)]


def against(data: Tensor, samples: Tensor) -> Batch:
    """Return data, label 1, and samples, label 0, as one batch."""
    labels = torch.cat((torch.ones(len(data), dtype=torch.int64), torch.zeros(len(samples), dtype=torch.int64)))
    return Batch(torch.cat((data, samples)), labels)


def uniform_noise(like: Tensor, generator: torch.Generator) -> Tensor:
    """Return uniform noise in the box from 0 to 1, shaped as a tensor: the source of samples."""
    return torch.rand(like.shape, generator=generator, dtype=like.dtype)
