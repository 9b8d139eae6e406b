"""Hard positives and negatives for supervised contrast, made by mixing features and labels."""

from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.errors import InputError
from contrastive_core.mixing.extrapolation import beta
from contrastive_core.mixing.mixing import Memoryless, drawing, given, with_extra
from contrastive_core.objectives.checks import require_positive
from contrastive_core.objectives.needs import Labels, Needs
from contrastive_core.objectives.objective import Objective
from contrastive_core.objectives.weighted_sum import OF_VALUES, SHARES, WeightedSum, class_outputs, embedded
from contrastive_core.types import Batch


class HardPairs(NamedTuple):
    """Hard positives, for each anchor that has both a positive and a negative, and a hard negative for each row.

    Attributes
    ----------
    anchors : Tensor of shape (K,)
        Rows of the anchors.
    positives : Tensor of shape (K, n)
        Mixed features of the anchors' hard positives.
    negatives : Tensor of shape (B, n)
        Mixed features of the rows' hard negatives.
    positive_labels, negative_labels : Tensor of shape (K, c) and (B, c)
        One-hot labels, mixed with the same weights.
    """

    anchors: Tensor
    positives: Tensor
    negatives: Tensor
    positive_labels: Tensor
    negative_labels: Tensor


def hard_pairs(
    features: Tensor,
    labels: Tensor,
    num_classes: int,
    generator: torch.Generator,
    least: float = 0.8,
    held: Tensor | None = None,
    shape: float = 1.0,
) -> HardPairs:
    r"""Mix hard positives and hard negatives (Core-tuning, Zhang et al., 2021).

    A hard positive is :math:`\lambda` times the least similar positive plus :math:`1 - \lambda` times the most similar negative, with
    :math:`\lambda \sim \mathrm{Beta}(a, a)`. A hard negative is a random sample with a share of :math:`\max(\lambda', l)` and the row
    itself with the rest, :math:`\lambda' \sim \mathrm{Beta}(a, a)`; the sample may be of the row's class. Pairs are excluded by a mask
    of minus infinity. The official code multiplies by 0 instead, so that in its search for the smallest cosine an excluded pair wins
    over every true pair with a positive cosine.

    Parameters
    ----------
    features : Tensor of shape (B, n)
        Embeddings.
    labels : Tensor of shape (B,)
        Class indices.
    num_classes : int
        Number of classes.
    generator : torch.Generator
        Source of weights and random samples.
    least : float
        Smallest share l of the random sample in a hard negative, in [0, 1].
    held : Tensor of shape (B, n), optional
        Embeddings by which pairs are chosen; None takes ``features``.
    shape : float
        a, the parameter of the beta distribution; 1 is uniform.

    Returns
    -------
    HardPairs
        Mixtures.
    """
    if not 0 <= least <= 1:
        raise InputError(f"the least share of the random sample must lie in [0, 1], got {least}; 0.8 is usual")
    unit = normalize((features if held is None else held).detach())
    cosines, same = unit @ unit.T, labels[:, None] == labels[None, :]
    positive = same.clone().fill_diagonal_(False)
    anchors = torch.nonzero(positive.any(1) & (~same).any(1))[:, 0]
    if not len(anchors):
        raise InputError("no sample has a partner of its class and one of another class; give a batch of two or more classes")
    far = cosines.masked_fill(~positive, torch.inf).argmin(1)[anchors]
    near = cosines.masked_fill(same, -torch.inf).argmax(1)[anchors]
    rows = torch.arange(len(features), device=features.device)
    other = torch.randperm(len(features), generator=generator)
    kept = beta(len(anchors), shape, generator).to(features)[:, None]
    taken = beta(len(features), shape, generator).to(features).clamp(min=least)[:, None]
    onehot = torch.nn.functional.one_hot(labels, num_classes).to(features.dtype)

    def mix(values: Tensor, weight: Tensor, first: Tensor, second: Tensor) -> Tensor:
        return weight * values[first] + (1 - weight) * values[second]

    return HardPairs(
        anchors,
        mix(features, kept, far, near),
        mix(features, taken, other, rows),
        mix(onehot, kept, far, near),
        mix(onehot, taken, other, rows),
    )


def classes_of(vectors: Tensor) -> Tensor:
    """Return a class for each distinct vector of labels, of shape (B,); vectors that differ by rounding alone share one."""
    found: Tensor = torch.unique(vectors.double().mul(2**30).round(), dim=0, return_inverse=True)[1]
    return found


@final
@dataclass(frozen=True)
class HardPairMixing(Memoryless):
    """Adds the mixed pairs as further rows; a mixture of two classes is a class of its own, as in the official code.

    In a sum, supervised terms learn the shares of the classes in a mixture, which is the cross-entropy of Core-tuning. Linear outputs of a
    mixture are the mixture of the outputs. Pairs are chosen by the embedding. Each supervised term is one mean over samples and mixtures,
    where the paper has a mean of each.

    Attributes
    ----------
    least : float
        Smallest share of the random sample in a hard negative.
    shape : float
        Parameter of the beta distribution of the shares; 1 is uniform.
    """

    least: float = 0.8
    shape: float = 1.0

    def __post_init__(self) -> None:
        require_positive(shape=self.shape)
        if not 0 <= self.least <= 1:
            raise InputError(f"the least share of the random sample must lie in [0, 1], got {self.least}; 0.8 is usual")

    def refusal(self, objective: Objective) -> str | None:
        """Refuse objectives that do not pair rows by their classes alone."""
        if objective.needs.labels is not Labels.CLASSES or objective.needs.fewest > 1:
            return "it does not pair rows by their classes"
        if isinstance(objective, WeightedSum) and any(isinstance(term.cost, OF_VALUES) for term in objective.terms):
            return "a mixture of outputs has no input to compare with"
        return None if not given(objective) else "it needs an extra with every row, and a mixture has none"

    def needs(self, objective: Objective) -> Needs:
        """Return the objective's needs."""
        return objective.needs

    def loss(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return the objective's loss over all rows."""
        outputs = class_outputs(objective, output, batch)
        labels, classes = batch.labels, outputs or int(batch.labels.max()) + 1
        judged = embedded(objective, held)

        def pairs(rows: Tensor) -> HardPairs:
            return hard_pairs(rows, labels, classes, drawing(seed), self.least, judged, self.shape)

        made, still = pairs(output), pairs(held)
        onehot = torch.nn.functional.one_hot(labels, classes).to(output.dtype)
        shares = torch.cat([onehot, made.positive_labels, made.negative_labels])
        # Mixtures are not views of any sample, and the objective does not need views.
        extended = batch._replace(labels=classes_of(shares), instances=None, views=None)
        if outputs is not None:
            extended = with_extra(extended, SHARES, shares)
        return objective.loss(
            torch.cat([output, made.positives, made.negatives]), torch.cat([held, still.positives, still.negatives]), extended
        )
