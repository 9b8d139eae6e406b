"""AR2: a retriever looks for negatives that a ranker takes for the positive, and the ranker learns to tell them apart."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from contrastive_core.errors import InputError
from contrastive_core.objectives.batch_layout import extra, partners, view_rows
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.distilled.teacher import taught
from contrastive_core.objectives.embeddings import tiles, unit
from contrastive_core.objectives.instances.queue import TEACHER
from contrastive_core.objectives.needs import Extra, Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class RetrieverRanker(Objective):
    r"""Game of a retriever and a ranker over the negatives that the retriever finds (AR2).

    The network is the retriever. Candidates of row a are the other view of its sample, :math:`d_+`, and the K rows of other samples with
    the largest cosines. :math:`p_a = \mathrm{softmax}(\cos/\tau)` over them. The ranker scores two samples together, :math:`r = v \cdot
    \tanh(W^T [t_a t_k, |t_a - t_k|])` of a teacher's unit rows t, and :math:`q_a = \mathrm{softmax}(r)`.
    :math:`C = \langle \lambda \sum_k R_k \log p_a(k) - (1 - \lambda) \sum_k q_a(k) \log p_a(k) - \log q_a(d_+) \rangle_a` with the reward
    :math:`R_k = \log \sigma(r_{d_+} - r_k) < 0`.

    Outputs see the first two terms, with the ranker fixed: the retriever raises the probability of candidates that the ranker confuses, and
    follows the ranker's distribution. W and v are learnt by the last term alone. The official code alternates some steps of each, and its
    ranker is a network of both texts; here both step together, and the ranker's encoder is a teacher. A ranker of the retriever's own
    outputs would let them collapse, because it sees no differences that the retriever hides.

    Attributes
    ----------
    temperature : float
        :math:`\tau`, dimensionless.
    candidates : int
        K; fewer where the batch has fewer negatives.
    adversarial : float
        :math:`\lambda`, in [0, 1].
    hidden : int
        Hidden units of the ranker.
    """

    temperature: float = 0.1
    candidates: int = 8
    adversarial: float = 0.5
    hidden: int = 16

    needs = Needs(
        extras=(
            TEACHER,
            Extra("ranker", "(2, n, h)", Origin.LEARNT, "the ranker's weights W from product and distance of two targets"),
            Extra("readout", "(h,)", Origin.LEARNT, "the ranker's weights v to its score"),
        )
    )
    source = "AR2 (2021), adversarial retriever-ranker"
    verified = "read in the official code, not run; equals an independent twin"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature)
        require_at_least(1, candidates=self.candidates, hidden=self.hidden)
        if not 0 <= self.adversarial <= 1:
            raise InputError(f"the adversarial weight is a share in [0, 1], got {self.adversarial}; 0.5 is usual")

    @property
    def strength(self) -> float:
        """0.01 of the temperature."""
        return 0.01 * self.temperature

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return a ranker with normal weights, scaled by the root of what they sum over."""
        weights = torch.randn((2, width, self.hidden), generator=generator, device=generator.device) / (2 * width) ** 0.5
        readout = torch.randn(self.hidden, generator=generator, device=generator.device) / self.hidden**0.5
        return {"ranker": weights, "readout": readout}

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return an empty dict: the ranker is learnt by gradient."""
        return {}

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over rows."""
        found, known = retrieved(held, batch, self.candidates), taught(output, batch, width=True)

        def term(part: slice, rows: Tensor, ranker: Tensor, readout: Tensor) -> Tensor:
            chosen = found[part]
            log_p = ((rows[part, None] * rows[chosen]).sum(2) / self.temperature).log_softmax(1)
            anchors, others = known[part, None], known[chosen]
            pairs = torch.cat([anchors * others, (anchors - others).abs()], 2)
            scores = (pairs @ ranker.flatten(0, 1)).tanh() @ readout  # (T, 1 + K)
            log_q = scores.log_softmax(1)
            reward = logsigmoid(scores[:, :1] - scores).detach()
            aims = self.adversarial * reward - (1 - self.adversarial) * log_q.detach().exp()
            return ((aims * log_p).sum(1) - log_q[:, 0]).sum() / len(rows)

        width = found.shape[1] * max(4 * output.shape[1], self.hidden)
        return tiled(term, len(output), width, unit(output), extra(batch, "ranker"), extra(batch, "readout"))


def retrieved(rows: Tensor, batch: Batch, count: int) -> Tensor:
    """Return the candidates of each row: its other view, then the rows of other samples with the largest cosines.

    Parameters
    ----------
    rows : Tensor of shape (B, n)
        Outputs of the retriever.
    batch : Batch
        Batch of two views of each sample.
    count : int
        Number of negatives, K.

    Returns
    -------
    Tensor of shape (B, 1 + K)
        Row numbers (int64); K is B - 2 where that is fewer.
    """
    directions, partner = unit(rows.detach()), partners(view_rows(batch))
    found = torch.empty((len(rows), min(count, len(rows) - 2)), dtype=torch.int64, device=rows.device)
    for part in tiles(len(rows), len(rows)):
        cosines = directions[part] @ directions.T
        cosines[:, part].fill_diagonal_(-torch.inf)
        cosines.scatter_(1, partner[part, None], -torch.inf)
        found[part] = cosines.topk(found.shape[1], dim=1).indices
    return torch.cat([partner[:, None], found], 1)
