"""Objectives of clusters: views must agree on the prototype that a balanced assignment gives them."""

from dataclasses import dataclass
from math import log
from typing import final

import torch
from torch import Tensor

from contrastive_core.costs.layout import extra, view_rows
from contrastive_core.costs.rows import unit
from contrastive_core.costs.settings import require_at_least, require_positive
from contrastive_core.objective import Extra, Needs, Objective, Origin
from contrastive_core.types import Batch


def sinkhorn(logits: Tensor, iterations: int) -> Tensor:
    """Return a soft assignment whose rows sum to 1 and whose columns tend to N/K, of shape (N, K).

    In the log domain, so that no exponential overflows; the last step is the rows', so that they are distributions exactly.

    Parameters
    ----------
    logits : Tensor of shape (N, K)
        Scores over the regularisation.
    iterations : int
        How often columns and rows are normalised.
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
    r"""Swapped prediction of cluster codes between two views.

    :math:`C = -\tfrac12 \langle q_1 \cdot \log p_2 + q_2 \cdot \log p_1 \rangle`, p the softmax of the cosines to K prototypes over
    T, q the codes: Sinkhorn of the cosines over :math:`\epsilon`, through which no gradient flows. Prototypes are learnt; their
    length does not count. Uniform scores have :math:`\log K`.

    Attributes
    ----------
    temperature : float
        T, dimensionless.
    regularisation : float
        :math:`\epsilon` of Sinkhorn's iteration.
    iterations : int
        Of Sinkhorn.
    num_prototypes : int
        K; the paper's 3000 is for ImageNet.
    """

    temperature: float = 0.1
    regularisation: float = 0.05
    iterations: int = 3
    num_prototypes: int = 3000

    needs = Needs(extras=(Extra("prototypes", "(K, n)", Origin.LEARNT, "the vectors that stand for the clusters"),))
    source = "Caron et al. (2020), SwAV"
    verified = "value and gradient equal lightly"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature, regularisation=self.regularisation)
        require_at_least(1, iterations=self.iterations)
        require_at_least(2, num_prototypes=self.num_prototypes)

    @property
    def strength(self) -> float:
        """0.04 of the temperature."""
        return 0.04 * self.temperature

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return prototypes in random directions."""
        return {"prototypes": unit(torch.randn((self.num_prototypes, width), generator=generator, device=generator.device))}

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return nothing: prototypes are learnt by gradient."""
        return {}

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over samples and both swaps."""
        index, prototypes = view_rows(batch), unit(extra(batch, "prototypes"))
        with torch.no_grad():
            judged = unit(held) @ prototypes.T / self.regularisation
            codes = [sinkhorn(judged[column], self.iterations) for column in index.T]
        scores = (unit(output) @ prototypes.T / self.temperature).log_softmax(1)
        first, second = scores[index[:, 0]], scores[index[:, 1]]
        return -0.5 * ((codes[0] * second).sum(1) + (codes[1] * first).sum(1)).mean()
