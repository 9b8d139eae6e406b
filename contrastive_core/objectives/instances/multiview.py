"""Objectives of any number of views, treated together instead of pair by pair."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.batch_layout import view_rows
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.log_softmax import even, leave_out_self, pooled, through
from contrastive_core.objectives.needs import Needs
from contrastive_core.objectives.objective import Tempered
from contrastive_core.types import Batch

VIEWS = Needs(fewest=2, most=None)
"""Two or more views of each instance."""


def between_views(rows: Tensor, index: Tensor, scale: float) -> Tensor:
    """Return the scaled similarities of each sample's views, of shape (N, M, M), with -inf on the diagonal."""
    views = rows[index]  # (N, M, n)
    own = torch.eye(index.shape[1], dtype=torch.bool, device=rows.device)
    return (scale * views @ views.transpose(1, 2)).masked_fill(own, -float("inf"))


@final
@dataclass(frozen=True)
class MVInfoNCE(Tempered):
    r"""Multi-view InfoNCE: one softmax for all views of a sample.

    Per sample :math:`\log \sum_l \sum_{(j,m) \ne (i,l)} e^{s/\tau} - \log \sum_{l \ne m} e^{s(i,l;\,i,m)/\tau}`, mean over
    samples. With two views it is at least NT-Xent, and equal to it only if both views have the same denominator. A collapsed batch
    gives :math:`\log\frac{MN - 1}{M - 1}`.

    Attributes
    ----------
    temperature : float
        :math:`\tau`, dimensionless.
    """

    temperature: float = 0.5

    needs = VIEWS
    source = "Koromilas et al. (2025), multi-view contrastive objectives"
    verified = "formula equal the official code in an earlier check; this code was not compared with it"

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over samples."""
        rows, scale, index = unit(output), 1 / self.temperature, view_rows(batch, 2)

        def denominators(sums: Tensor) -> Tensor:
            return sums[index].logsumexp(1).mean()

        positives = between_views(rows, index, scale).flatten(1).logsumexp(1)
        return through(rows, rows, scale, denominators, leave_out_self) - positives.mean()


@final
@dataclass(frozen=True)
class MVDHEL(Tempered):
    r"""Multi-view decoupled hyperspherical energy: alignment of all views together, uniformity inside each view.

    Per sample :math:`\sum_l \log \sum_{j \ne i} e^{s(i,l;\,j,l)/\tau} - \log \sum_{l < m} e^{s(i,l;\,i,m)/\tau}`,
    mean over samples. Logarithms are summed, because the product of M denominators in the official code overflows. With two views
    this is DHEL. A collapsed batch gives
    :math:`M \log(N-1) + (M-1)/\tau - \log\frac{M(M-1)}{2}`.

    Attributes
    ----------
    temperature : float
        :math:`\tau`, dimensionless.
    """

    temperature: float = 0.5

    needs = VIEWS
    source = "Koromilas et al. (2025), multi-view contrastive objectives"
    verified = "formula equal the official code in an earlier check; this code was not compared with it"

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over samples."""
        rows, scale, index = unit(output), 1 / self.temperature, view_rows(batch, 2)
        apart = torch.stack([pooled(view, view, scale, even(view), leave_out_self) for view in (rows[column] for column in index.T)]).sum()
        below = torch.ones(2 * (index.shape[1],), dtype=torch.bool, device=rows.device).tril(-1)
        positives = between_views(rows, index, scale)[:, below].logsumexp(1)  # (N,)
        return apart - positives.mean()
