"""Objectives with graded positives: the similarity that two samples should have is that of their label vectors."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from contrastive_core.objectives.batch_layout import others_among, two_views
from contrastive_core.objectives.checks import require_positive
from contrastive_core.objectives.embeddings import tiles, unit
from contrastive_core.objectives.log_softmax import even, leave_out_self, pooled
from contrastive_core.objectives.needs import Labels, Needs
from contrastive_core.objectives.objective import Stateless, Tempered
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch

VECTORS = Needs(fewest=1, most=None, labels=Labels.VECTORS)
"""Label vectors, and any number of views."""


@final
@dataclass(frozen=True)
class SoftLabel(Stateless):
    r"""Soft-label contrast (Dialog2Flow): the similarities of two views follow those of their labels.

    :math:`C = \tfrac12 [\mathrm{CE}(S/\tau, \mathrm{softmax}(T/\tau')) + \mathrm{CE}(S^T/\tau, \mathrm{softmax}(T^T/\tau'))]`, T the
    cosines between the label vectors of the two views. This is the weighted term of CWCL with row-normalised weights.

    Attributes
    ----------
    temperature : float
        :math:`\tau`, dimensionless.
    label_temperature : float
        :math:`\tau'`, dimensionless.
    """

    temperature: float = 0.05
    label_temperature: float = 0.35

    needs = Needs(labels=Labels.VECTORS)
    source = "Burdisso, Madikeri & Motlicek (2024), Dialog2Flow"
    verified = "read in the official code, not run; identity with CWCL tested"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature, label_temperature=self.label_temperature)

    @property
    def strength(self) -> float:
        """0.01 of the temperature."""
        return 0.01 * self.temperature

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over samples and directions."""
        views, labels = two_views(unit(output), batch), two_views(unit(batch.labels.to(output.dtype)), batch)
        return (self._one_way(*views, *labels) + self._one_way(*views[::-1], *labels[::-1])) / 2

    def _one_way(self, rows: Tensor, columns: Tensor, asked: Tensor, found: Tensor) -> Tensor:
        def targets(part: slice) -> Tensor:
            return (asked[part] @ found.T / self.label_temperature).softmax(1) / len(rows)

        return pooled(rows, columns, 1 / self.temperature, even(rows), targets=targets)


@final
@dataclass(frozen=True)
class SoftSupCon(Tempered):
    r"""Supervised contrast with soft masks (MultiSupCon, BaCon): positives count by the cosine of their label vectors.

    :math:`C = \langle -\sum_p w_{ap} \log p_{ap} / \sum_p w_{ap} \rangle_a` over :math:`p \ne a`, w the positive part of the cosine.
    Rows that share no label with another row do not count. With one-hot label vectors this is SupCon.

    Attributes
    ----------
    temperature : float
        :math:`\tau`, dimensionless.
    """

    temperature: float = 0.1

    needs = VECTORS
    source = "BaCon (2023) and MultiSupCon (2022), soft masks in SupCon"
    verified = "read in the official code of BaCon, not run; identity with SupCon tested"

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over the rows that have a positive."""
        rows, labels = unit(output), unit(batch.labels.to(output.dtype))

        def weights(part: slice) -> Tensor:
            tile = (labels[part] @ labels.T).relu_()
            tile[:, part].fill_diagonal_(0)
            return tile

        sums = torch.cat([weights(part).sum(1) for part in tiles(len(rows), len(rows))])
        share = (sums > 0).to(rows.dtype) / (sums > 0).sum().clamp(min=1)

        def targets(part: slice) -> Tensor:
            return weights(part) * (share[part] / sums[part].clamp(min=torch.finfo(rows.dtype).tiny))[:, None]

        return pooled(rows, rows, 1 / self.temperature, share, leave_out_self, targets)


@final
@dataclass(frozen=True)
class SoftCon(Tempered):
    r"""Soft contrast for several labels: the probability of a pair is regressed to the cosine of its label vectors.

    :math:`C = \langle \mathrm{BCE}(\sigma(s_{ij}/\tau), \cos(l_i, l_j)) \rangle_{i \ne j}` for non-negative labels.

    Attributes
    ----------
    temperature : float
        :math:`\tau`, dimensionless; our source does not state it.
    """

    temperature: float = 0.1

    needs = VECTORS
    source = "Wang, Albrecht & Zhu (2024), SoftCon"
    verified = "from the paper, not re-read; no official loss code was found"

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over pairs of rows."""
        rows, labels = unit(output), unit(batch.labels.to(output.dtype))
        pairs = len(rows) * (len(rows) - 1)

        def term(part: slice, rows: Tensor) -> Tensor:
            others = others_among(part, len(rows), rows)
            logits, alike = rows[part] @ rows.T / self.temperature, (labels[part] @ labels.T).clamp(0, 1)
            return binary_cross_entropy_with_logits(logits[others], alike[others], reduction="sum") / pairs

        return tiled(term, len(rows), len(rows), rows)
