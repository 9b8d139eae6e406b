"""Hard positives and negatives for supervised contrast, made by mixing features and labels."""

from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.errors import InputError
from contrastive_core.mixing.mixing import Mixing, drawing, given
from contrastive_core.objectives.needs import Labels, Needs
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch


class HardPairs(NamedTuple):
    """Mixed samples for each anchor that has both a positive and a negative.

    Attributes
    ----------
    anchors : Tensor of shape (K,)
        Rows of the anchors.
    positives, negatives : Tensor of shape (K, n)
        Mixed features.
    positive_labels, negative_labels : Tensor of shape (K, c)
        One-hot labels, mixed with the same weights.
    """

    anchors: Tensor
    positives: Tensor
    negatives: Tensor
    positive_labels: Tensor
    negative_labels: Tensor


def hard_pairs(
    features: Tensor, labels: Tensor, num_classes: int, generator: torch.Generator, least: float = 0.8, held: Tensor | None = None
) -> HardPairs:
    r"""Mix hard positives and hard negatives (Core-tuning, Zhang et al., 2021).

    A hard positive is :math:`\lambda` times the least similar positive plus :math:`1 - \lambda` times the most similar negative. A hard
    negative mixes two negatives in the same way. :math:`\lambda` is uniform between ``least`` and 1. Pairs are excluded by a mask of
    minus infinity. Multiplying by 0 would be wrong: in a search for the smallest cosine, an excluded pair would win over every true
    pair with a positive cosine.

    Parameters
    ----------
    features : Tensor of shape (B, n)
        Embeddings.
    labels : Tensor of shape (B,)
        Class indices.
    num_classes : int
        Number of classes.
    generator : torch.Generator
        Source of weights and second negatives.
    least : float
        Smallest weight of the first sample, in [0, 1].
    held : Tensor of shape (B, n), optional
        Embeddings by which pairs are chosen; None takes ``features``.

    Returns
    -------
    HardPairs
        Mixtures for every anchor that has a positive and a negative.
    """
    if not 0 <= least <= 1:
        raise InputError(f"the least weight of a mixture must lie in [0, 1], got {least}; 0.8 is usual")
    unit = normalize((features if held is None else held).detach())
    cosines, same = unit @ unit.T, labels[:, None] == labels[None, :]
    positive = same.clone().fill_diagonal_(False)
    anchors = torch.nonzero(positive.any(1) & (~same).any(1))[:, 0]
    if not len(anchors):
        raise InputError("no sample has a partner of its class and one of another class; give a batch of two or more classes")
    far = cosines.masked_fill(~positive, torch.inf).argmin(1)[anchors]
    near = cosines.masked_fill(same, -torch.inf).argmax(1)[anchors]
    other = torch.multinomial((~same)[anchors].double(), 1, generator=generator)[:, 0]
    weights = least + (1 - least) * torch.rand(2, len(anchors), 1, generator=generator, dtype=features.dtype)
    onehot = torch.nn.functional.one_hot(labels, num_classes).to(features.dtype)

    def mix(values: Tensor, weight: Tensor, first: Tensor, second: Tensor) -> Tensor:
        return weight * values[first] + (1 - weight) * values[second]

    return HardPairs(
        anchors,
        mix(features, weights[0], far, near),
        mix(features, weights[1], near, other),
        mix(onehot, weights[0], far, near),
        mix(onehot, weights[1], near, other),
    )


@final
@dataclass(frozen=True)
class HardPairMixing(Mixing):
    """Adds the mixed pairs as further rows; each gets the class with the largest share in it.

    Attributes
    ----------
    least : float
        Smallest weight of the first sample, above one half.
    """

    least: float = 0.8

    def __post_init__(self) -> None:
        if not 0.5 < self.least <= 1:
            raise InputError(f"the least weight of a mixture must be above 1/2 and at most 1, got {self.least}")

    def refusal(self, objective: Objective) -> str | None:
        """Refuse objectives that do not pair rows by their classes alone."""
        if objective.needs.labels is not Labels.CLASSES or objective.needs.fewest > 1:
            return "it does not pair rows by their classes"
        return None if not given(objective) else "it needs an extra with every row, and a mixture has none"

    def needs(self, objective: Objective) -> Needs:
        """Return the objective's needs."""
        return objective.needs

    def start(self, width: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return an empty dict: nothing is learnt."""
        return {}

    def loss(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return the objective's loss over all rows."""
        labels, classes = batch.labels, int(batch.labels.max()) + 1

        def pairs(rows: Tensor) -> HardPairs:
            return hard_pairs(rows, labels, classes, drawing(seed), self.least, held)

        made, still = pairs(output), pairs(held)
        names = torch.cat([labels, made.positive_labels.argmax(1), made.negative_labels.argmax(1)])
        # Mixtures are not views of any sample, and the objective does not need views.
        extended = batch._replace(labels=names, instances=None, views=None)
        return objective.loss(
            torch.cat([output, made.positives, made.negatives]), torch.cat([held, still.positives, still.negatives]), extended
        )
