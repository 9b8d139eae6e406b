"""Objectives of classes: rows of one class attract each other."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.batch_layout import others_among
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.log_softmax import leave_out_self
from contrastive_core.objectives.needs import Labels, Needs
from contrastive_core.objectives.objective import Tempered
from contrastive_core.objectives.said import SAID, said
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch

CLASSES = Needs(fewest=1, most=None, labels=Labels.CLASSES)
"""Class labels, and any number of views."""


def class_sums(rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of the *other* rows of each row's class, of shape (B, n), and their number, of shape (B,); O(B n)."""
    _, group = torch.unique(labels, return_inverse=True)
    num_groups = int(group.max()) + 1
    sums = rows.new_zeros(num_groups, rows.shape[1]).index_add(0, group, rows)
    sizes = torch.bincount(group, minlength=num_groups).to(rows.dtype)
    return sums[group] - rows, sizes[group] - 1


@final
@dataclass(frozen=True)
class SupCon(Tempered):
    r"""Supervised contrastive loss, the form with the sum outside the logarithm.

    :math:`C = \langle -\frac{1}{|P(a)|} \sum_{p \in P(a)} [s_{ap}/\tau - \log \sum_{k \ne a} e^{s_{ak}/\tau}] \rangle_a`, P the other
    rows of the row's class. The mean is over rows with positives; without any the loss is 0. The official code multiplies
    by :math:`\tau/\tau_\mathrm{base}` and counts rows without positives as 0 in the mean.

    Attributes
    ----------
    temperature : float
        :math:`\tau`, dimensionless.
    """

    temperature: float = 0.1

    needs = CLASSES
    hears = frozenset(SAID)
    source = "Khosla et al. (2020), Supervised contrastive learning"
    verified = "value and gradient equal pytorch-metric-learning"

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over the rows that have a positive."""
        rows, scale, told = unit(output), 1 / self.temperature, said(batch)
        if told.positives is None:
            sums, counts = class_sums(rows, batch.labels)
        else:
            sums, counts = told.positives.to(rows.dtype) @ rows, told.positives.sum(1).to(rows.dtype)
        anchors = (counts > 0).to(rows.dtype) * (1 if told.weights is None else told.weights.to(rows.dtype))
        share = anchors / (anchors.sum().clamp(min=1) if told.weights is None else anchors.sum().clamp(min=torch.finfo(rows.dtype).tiny))
        means = sums / counts.clamp(min=1)[:, None]
        return told.pooled(rows, rows, scale, share, told.weigh(leave_out_self)) - scale * (share * (rows * means).sum(1)).sum()


@final
@dataclass(frozen=True)
class FocalSupCon(Tempered):
    r"""Supervised contrast of Core-tuning, in which hard positives weigh more.

    :math:`C = -\langle \frac1B \sum_{p \in P(a)} (1 - p_{ap}) \log p_{ap} \rangle_a`, :math:`p_{ap} = e^{s_{ap}/\tau} / \sum_{k \ne
    a} e^{s_{ak}/\tau}`, mean over the rows that have positives. The gradient flows through the weight.

    Attributes
    ----------
    temperature : float
        :math:`\tau`, dimensionless.
    """

    temperature: float = 0.07

    needs = CLASSES
    source = "Zhang et al. (2021), Core-tuning"
    verified = "read in the official code, not run"

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over the rows that have a positive."""
        rows, labels = unit(output), batch.labels
        anchors = (class_sums(rows, labels)[1] > 0).sum().clamp(min=1)

        def term(part: slice, rows: Tensor) -> Tensor:
            others = others_among(part, len(rows), rows)
            logs = (rows[part] @ rows.T / self.temperature).masked_fill(~others, -float("inf")).log_softmax(1)
            # Select before multiplying: the diagonal is -inf, and -inf * 0 would be NaN.
            terms = torch.where((labels[part, None] == labels[None, :]) & others, logs, 0.0)
            return -((1 - terms.exp()) * terms).sum() / (len(rows) * anchors)

        return tiled(term, len(rows), len(rows), rows)
