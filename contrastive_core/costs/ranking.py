"""Objectives of order: positives must score above negatives."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import softplus

from contrastive_core.costs.layout import extra, two_views
from contrastive_core.costs.queue import KEYS
from contrastive_core.costs.rows import unit
from contrastive_core.costs.settings import require_at_least, require_positive
from contrastive_core.costs.supervised import CLASSES
from contrastive_core.objective import Needs, Plain
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class MW(Plain):
    r"""Logistic Mann-Whitney loss: every positive pair's score against every negative one's, of any query.

    :math:`C = \langle \log(1 + e^{(s^- - s^+)/\tau}) \rangle` over the N pairs of views of a sample and the N (N - 1) pairs of views
    of different samples. It bounds the area under the ROC curve: :math:`1 - \mathrm{AUC} \le C / \log 2`; equal scores have
    :math:`\log 2`. O(N³) time and O(N²) memory.

    Attributes
    ----------
    temperature : float
        :math:`\tau`; scores are used as they are at 1. Not stated in our reference.
    """

    temperature: float = 1.0

    source = "Optimizing What Matters: AUC-driven learning for robust neural retrieval (2025)"
    verified = "from the paper, not re-read; bound and closed form tested"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature)

    @property
    def strength(self) -> float:
        """0.02 of the temperature."""
        return 0.02 * self.temperature

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over pairs of pairs."""
        first, second = two_views(unit(output), batch)
        scores = first @ second.T / self.temperature
        negative = scores[~torch.eye(len(scores), dtype=torch.bool, device=scores.device)]
        return torch.stack([softplus(negative - positive).mean() for positive in scores.diagonal()]).mean()


def triplet_mean(output: Tensor, labels: Tensor, margin: Tensor | float) -> Tensor:
    r"""Return the mean over violated triplets of :math:`\max(0, m + d_{ap} - d_{an})` of unit rows, of shape (); 0 if none is.

    Parameters
    ----------
    output : Tensor of shape (B, n)
        Embeddings.
    labels : Tensor of shape (B,)
        Classes: a and p share one, n is of another.
    margin : float or Tensor of shape (B, B, B)
        m of the triplet (a, p, n).
    """
    distance = distances(output)
    same = labels[:, None] == labels[None, :]
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    violation = (margin + distance[:, :, None] - distance[:, None, :]).relu()
    violation = torch.where(positive[:, :, None] & ~same[:, None, :], violation, 0.0)
    return violation.sum() / (violation > 0).sum().clamp(min=1)


def distances(output: Tensor) -> Tensor:
    """Return the distance of every two directions, of shape (B, B); coincident ones have gradient 0."""
    rows = unit(output)
    return torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")  # its products would round 0 to 1e-4 in float32


@final
@dataclass(frozen=True)
class Triplet(Plain):
    r"""Triplet margin loss on directions, over all triplets of the batch.

    :math:`C` is the mean over violated triplets of :math:`\max(0, m + d_{ap} - d_{an})`, d the distance on the sphere's chord; their choice
    carries no gradient. O(B³) memory.

    Attributes
    ----------
    margin : float
        m.
    """

    margin: float = 0.2

    needs = CLASSES
    source = "Schroff, Kalenichenko & Philbin (2015), FaceNet"
    verified = "value and gradient equal pytorch-metric-learning"
    strength = 0.0002

    def __post_init__(self) -> None:
        require_at_least(0, margin=self.margin)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over violated triplets."""
        return triplet_mean(output, batch.labels, self.margin)


@final
@dataclass(frozen=True)
class AdaptiveTriplet(Plain):
    r"""Triplet loss whose margin a second, anchor branch sets for each triplet.

    As :class:`Triplet`, with :math:`m_{apn} = \max(m, d'_{an} - d'_{ap})` of the anchor branch's distances: a triplet must be told apart at
    least as well as there. The branch carries no gradient. O(B³) memory.

    Attributes
    ----------
    margin : float
        Least margin.
    """

    margin: float = 0.2

    needs = Needs(fewest=1, most=None, labels=CLASSES.labels, extras=(KEYS,))
    source = "margins from an anchor branch, as in distance-based losses with adaptive margin"
    verified = "from the paper, not re-read; reduces to the triplet loss"
    strength = 0.0002

    def __post_init__(self) -> None:
        require_at_least(0, margin=self.margin)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over violated triplets."""
        anchor = distances(extra(batch, "keys").detach())
        return triplet_mean(output, batch.labels, (anchor[:, None, :] - anchor[:, :, None]).clamp(min=self.margin))
