"""Objectives of ranking: positives must score above negatives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import softplus

from contrastive_core.objectives.batch_layout import extra, two_views
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import tiles, unit
from contrastive_core.objectives.instances.queue import OWN_KEYS
from contrastive_core.objectives.labelled.supervised import CLASSES
from contrastive_core.objectives.needs import Needs
from contrastive_core.objectives.objective import Stateless
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class MW(Stateless):
    r"""Logistic Mann-Whitney loss: the score of every positive pair against that of every negative pair, of any query.

    :math:`C = \langle \log(1 + e^{(s^- - s^+)/\tau}) \rangle` over the N pairs of views of a sample and the N (N - 1) pairs of views
    of different samples. It bounds the area under the ROC curve, :math:`1 - \mathrm{AUC} \le C / \log 2`; equal scores give
    :math:`\log 2`. Takes O(N³) time.

    Attributes
    ----------
    temperature : float
        :math:`\tau`; our source states none, and 1 leaves the scores as they are.
    """

    temperature: float = 1.0

    source = "Sheikholeslami, Hosseini, Bechard, Daruru & Rajeswar (2025), AUC-driven learning for neural retrieval"
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
        size = len(first)

        def term(part: slice, first: Tensor, second: Tensor) -> Tensor:
            pairs = torch.arange(part.start, part.stop, device=first.device)
            asked, found = pairs // size, pairs % size
            apart = asked != found
            negative = (first[asked[apart]] * second[found[apart]]).sum(1)
            positive = (first * second).sum(1)
            return softplus((negative[:, None] - positive[None, :]) / self.temperature).sum() / (size * size * (size - 1))

        return tiled(term, size * size, size, first, second)


Margins = Callable[[Tensor, Tensor], Tensor | float]
"""Returns the margins for pairs (a, p), given as two index tensors of shape (T,), and every n: a (T, B) tensor or one number."""


def triplet_mean(output: Tensor, batch: Batch, margins: Margins) -> Tensor:
    r"""Return the mean over violated triplets of :math:`\max(0, m + d_{ap} - d_{an})` of unit rows, of shape (); 0 if none is.

    Parameters
    ----------
    output : Tensor of shape (B, n)
        Embeddings.
    batch : Batch
        Batch with classes, of which a and p share one, and n has another; or with ``pairs``, which say so instead: 1 for (a, p), 0 for
        (a, n).
    margins : Margins
        Margin m of each triplet (a, p, n).
    """
    rows, labels, relation = unit(output), batch.labels, (batch.extras or {}).get("pairs")
    size = len(rows)

    def violations(part: slice, rows: Tensor) -> Tensor:
        pairs = torch.arange(part.start, part.stop, device=rows.device)
        asked, found = pairs // size, pairs % size
        alike = labels[asked] == labels[found] if relation is None else relation.flatten()[pairs] > 0
        asked, found = asked[alike & (asked != found)], found[alike & (asked != found)]
        near = labels[asked, None] == labels[None, :] if relation is None else relation[asked] != 0
        return (margins(asked, found) - pair_gaps(rows, asked, found)).relu().masked_fill(near, 0.0)  # (T, B)

    with torch.no_grad():  # the choice of triplets carries no gradient
        violated = sum(int((violations(part, rows) > 0).sum()) for part in tiles(size * size, size))
    return tiled(lambda part, rows: violations(part, rows).sum(), size * size, size, rows) / max(1, violated)


def pair_gaps(rows: Tensor, asked: Tensor, found: Tensor) -> Tensor:
    """Return :math:`d_{an} - d_{ap}` for every row n, of shape (T, B); coincident rows have gradient 0.

    Parameters
    ----------
    rows : Tensor of shape (B, n)
        Unit embeddings.
    asked, found : Tensor of shape (T,)
        Indices of a and p.
    """
    # Without matrix products, which would round a distance of 0 to 1e-4 in float32.
    apart = torch.cdist(rows[asked], rows, compute_mode="donot_use_mm_for_euclid_dist")
    near: Tensor = torch.linalg.vector_norm(rows[asked] - rows[found], dim=1)
    return apart - near[:, None]


@final
@dataclass(frozen=True)
class Triplet(Stateless):
    r"""Triplet margin loss on directions, over all triplets of the batch.

    :math:`C` is the mean over violated triplets of :math:`\max(0, m + d_{ap} - d_{an})`, d the chord between two directions. Their choice
    carries no gradient. Takes O(B³) time. Data with ``pairs`` name the triplets: answers to the question which two of three samples are
    the most similar give two triplets for each question (Bobu et al., 2023, SIRL).

    Attributes
    ----------
    margin : float
        m, a distance between directions.
    """

    margin: float = 0.2

    hears = frozenset({"pairs"})
    needs = CLASSES
    source = "Schroff, Kalenichenko & Philbin (2015), FaceNet"
    verified = "value and gradient equal pytorch-metric-learning"
    strength = 0.0002

    def __post_init__(self) -> None:
        require_at_least(0, margin=self.margin)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over violated triplets."""
        return triplet_mean(output, batch, lambda asked, found: self.margin)


@final
@dataclass(frozen=True)
class AdaptiveTriplet(Stateless):
    r"""Triplet loss of classes with margins from a second network, the anchor branch; a variant of deep boosting learning.

    The margin of a triplet is :math:`m_{apn} = m + d'_{an} - d'_{ap}`, with the distances :math:`d'` of the anchor branch: a triplet must
    be separated better than there, by m. The branch carries no gradient; if all its distances are equal, this is :class:`Triplet`.
    The official form, with cosines, pairs of views and the hardest n alone, is ``deep-boosting``. Takes O(B³) time.

    Attributes
    ----------
    margin : float
        m, the required gain in separation over the anchor branch.
    """

    margin: float = 0.2

    needs = Needs(fewest=1, most=None, labels=CLASSES.labels, extras=(OWN_KEYS,))
    source = "Diao et al. (2024), deep boosting learning"
    verified = "our variant of the official code's relative form; reduces to the triplet loss"
    strength = 0.0002

    def __post_init__(self) -> None:
        require_at_least(0, margin=self.margin)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over violated triplets."""
        branch = unit(extra(batch, "keys").detach())
        return triplet_mean(output, batch, lambda asked, found: self.margin + pair_gaps(branch, asked, found))
