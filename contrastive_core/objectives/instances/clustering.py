"""Objectives of clusters: balanced assignment to prototypes (SwAV), and contrast with cluster centres (PamC)."""

from dataclasses import dataclass
from math import log
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.batch_layout import extra, view_rows
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.log_softmax import even, leave_out_self, pooled, through
from contrastive_core.objectives.needs import Extra, Labels, Needs, Origin
from contrastive_core.objectives.objective import Objective, Stateless
from contrastive_core.types import Batch


def sinkhorn(logits: Tensor, iterations: int) -> Tensor:
    """Return a soft assignment whose rows sum to 1 and whose columns tend to N/K, of shape (N, K).

    The iteration works on logarithms, so that no exponential overflows. It ends with the rows, so that they sum to 1 exactly.

    Parameters
    ----------
    logits : Tensor of shape (N, K)
        Scores divided by the regularisation.
    iterations : int
        Number of normalisations of columns and rows.
    """
    plan = logits
    balance = log(logits.shape[0] / logits.shape[1])
    for _ in range(iterations):
        plan = plan - plan.logsumexp(0, keepdim=True) + balance
        plan = plan - plan.logsumexp(1, keepdim=True)
    return plan.exp()


@final
@dataclass(frozen=True)
class SwAV(Objective):
    r"""Swapped prediction of cluster codes between views.

    :math:`C = -\tfrac12 \sum_{a \in \{1, 2\}} \frac{1}{M - 1} \sum_{v \ne a} \langle q_a \cdot \log p_v \rangle` for M views: the first
    two give codes, and all views predict those of the others. p is the softmax of the cosines to K prototypes over T, and q the codes.
    The codes are the Sinkhorn assignment of the cosines over :math:`\epsilon` and carry no gradient. Prototypes are learnt; only their
    directions count. Uniform scores give :math:`\log K`. Further views are small windows
    of the picture in the paper, and here by the views' ``crops``.

    Attributes
    ----------
    temperature : float
        T, dimensionless.
    regularisation : float
        :math:`\epsilon` of Sinkhorn's iteration.
    iterations : int
        Number of Sinkhorn iterations.
    num_prototypes : int
        K; the default is the paper's value for ImageNet.
    """

    temperature: float = 0.1
    regularisation: float = 0.05
    iterations: int = 3
    num_prototypes: int = 3000

    needs = Needs(most=None, extras=(Extra("prototypes", "(K, n)", Origin.LEARNT, "the vectors that stand for the clusters"),))
    source = "Caron et al. (2020), SwAV"
    verified = "value and gradient equal lightly and solo-learn"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature, regularisation=self.regularisation)
        require_at_least(1, iterations=self.iterations)
        require_at_least(2, num_prototypes=self.num_prototypes)

    @property
    def strength(self) -> float:
        """0.01 of the temperature."""
        return 0.01 * self.temperature

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return prototypes in random directions."""
        return {"prototypes": unit(torch.randn((self.num_prototypes, width), generator=generator, device=generator.device))}

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return an empty dict: prototypes are learnt by gradient."""
        return {}

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over samples, codes and the views that predict them."""
        index, prototypes = view_rows(batch), unit(extra(batch, "prototypes"))
        with torch.no_grad():
            judged = unit(held) @ prototypes.T / self.regularisation
            codes = [sinkhorn(judged[column], self.iterations) for column in index.T[:2]]
        scores = (unit(output) @ prototypes.T / self.temperature).log_softmax(1)
        views = index.shape[1]
        swaps = [code * scores[index[:, view]] for place, code in enumerate(codes) for view in range(views) if view != place]
        return -torch.stack(swaps).sum(2).mean()


@final
@dataclass(frozen=True)
class PamC(Stateless):
    r"""Block contrast with the other clusters' centres in place of negatives.

    :math:`C = -\langle \log \sum_{p \in P(a)} e^{\tau' s_{ap}} \rangle_a + \langle \log [1 + \sum_{c \ne b} e^{\tau' \cos(\mu_b, \mu_c)}]
    \rangle_b` over rows a and clusters b. Clusters are given by the labels; P are the other rows of the row's cluster, and :math:`\mu`
    is the sum of the raw rows of a cluster. :math:`\tau'` is a factor here, not a divisor. Rows alone in their cluster do not count.
    Gradients flow through the centres. The official code learns the clusters beside this loss, and takes P from the edges of a graph,
    which the labels stand for here. It adds :math:`10^{-10}` inside the logarithms; this code adds nothing.

    Attributes
    ----------
    sharpness : float
        :math:`\tau'`.
    """

    sharpness: float = 1.0

    needs = Needs(fewest=1, most=None, labels=Labels.CLASSES)
    source = "Kulatilleke, Portmann & Chandra (2022), PamC"
    verified = "value equals a rewriting of the official code, with clusters as its graph"
    strength = 0.02

    def __post_init__(self) -> None:
        require_positive(sharpness=self.sharpness)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over the rows that are not alone in their cluster."""
        rows = unit(output)
        _, group, sizes = torch.unique(batch.labels, return_inverse=True, return_counts=True)
        centres = unit(output.new_zeros(len(sizes), output.shape[1]).index_add(0, group, output))
        share = (sizes[group] > 1).to(rows.dtype)
        share = share / share.sum().clamp(min=1)

        def same_cluster(logits: Tensor, part: slice) -> None:
            logits.masked_fill_(group[part, None] != group[None, :], -float("inf"))
            leave_out_self(logits, part)

        def own_counts_one(logits: Tensor, part: slice) -> None:
            logits[:, part].fill_diagonal_(0)

        apart = pooled(centres, centres, self.sharpness, even(centres), own_counts_one)
        return apart + through(rows, rows, self.sharpness, lambda sums: -torch.where(share > 0, share * sums, 0.0).sum(), same_cluster)
