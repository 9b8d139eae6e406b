"""PamC with clusters that are learnt: soft assignments sharpen beside the contrast of clusters."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.batch_layout import extra
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.log_softmax import leave_out_self, through
from contrastive_core.objectives.needs import Extra, Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch


def soft_assignment(rows: Tensor, centres: Tensor) -> Tensor:
    """Return Student's kernel of one degree of freedom between rows and centres, over its sum; shape (B, K)."""
    distance = rows.square().sum(1, keepdim=True) + centres.square().sum(1) - 2 * rows @ centres.T
    closeness = 1 / (1 + distance.clamp(min=0))
    return closeness / closeness.sum(1, keepdim=True)


def sharpened(assignment: Tensor) -> Tensor:
    r"""Return :math:`q^2/f` over its sum in each row, with the frequencies f of the clusters; shape (B, K)."""
    weight = assignment.square() / assignment.sum(0)
    return weight / weight.sum(1, keepdim=True)


@final
@dataclass(frozen=True)
class PamCLearnt(Objective):
    r"""Block contrast of learnt clusters, with a divergence that sharpens their soft assignments.

    :math:`C = \alpha\,[-\langle \log \sum_{p \in P(a)} e^{\tau' s_{ap}} \rangle_a + \langle \log [1 + \sum_{c \ne b} e^{\tau' \cos(\mu_b,
    \mu_c)}] \rangle_b] + \beta\, \langle \mathrm{KL}(p_a \,\|\, q_a) \rangle_a`, with the soft assignment :math:`q_{ak} \propto 1/(1 +
    |o_a - m_k|^2)` to learnt centres m and its sharpened form p, which is held. :math:`\mu` is the sum of the rows whose largest
    assignment is the cluster, also held; clusters without rows do not count. P are the other views of the row's sample, which stand for
    the neighbours in the source's graph. The official code fits p once an epoch to all samples, and starts from k-means.

    Attributes
    ----------
    sharpness : float
        :math:`\tau'`, a factor.
    num_clusters : int
        Number of centres.
    contrast, divergence : float
        :math:`\alpha` and :math:`\beta`.
    """

    sharpness: float = 1.0
    num_clusters: int = 10
    contrast: float = 1.0
    divergence: float = 1.0

    needs = Needs(most=None, extras=(Extra("centres", "(K, n)", Origin.LEARNT, "the centres of the clusters"),))
    source = "Kulatilleke, Portmann & Chandra (2022), PamC"
    verified = "value equals a rewriting of the official code, with the views of a sample as its graph and p of the batch"
    strength = 0.01

    def __post_init__(self) -> None:
        require_positive(sharpness=self.sharpness)
        require_at_least(2, num_clusters=self.num_clusters)
        require_at_least(0, contrast=self.contrast, divergence=self.divergence)

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random centres of length about 1."""
        return {"centres": torch.randn((self.num_clusters, width), generator=generator, device=generator.device) / width**0.5}

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return an empty dict: centres are learnt by gradient."""
        return {}

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the contrast of clusters and the divergence."""
        centres = extra(batch, "centres")
        with torch.no_grad():
            judged = soft_assignment(held, centres)
            aims, group = sharpened(judged), torch.unique(judged.argmax(1), return_inverse=True)[1]
        assignment = soft_assignment(output, centres)
        divergence = (aims * (aims.log() - assignment.log())).sum(1).mean()
        assert batch.instances is not None
        rows, instances = unit(output), batch.instances
        sums = unit(output.new_zeros(int(group.max()) + 1, output.shape[1]).index_add(0, group, output))
        cosines = sums @ sums.T
        apart = (self.sharpness * cosines * (1 - torch.eye(len(sums), dtype=sums.dtype, device=sums.device))).logsumexp(1).mean()

        def same_sample(logits: Tensor, part: slice) -> None:
            logits.masked_fill_(instances[part, None] != instances[None, :], -float("inf"))
            leave_out_self(logits, part)

        pulled = through(rows, rows, self.sharpness, lambda totals: -totals.mean(), same_sample)
        return self.contrast * (pulled + apart) + self.divergence * divergence
