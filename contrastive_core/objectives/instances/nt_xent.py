"""Objectives of two views: NT-Xent and its decoupled forms."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.batch_layout import partners, view_rows
from contrastive_core.objectives.checks import require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.log_softmax import leave_out, leave_out_self
from contrastive_core.objectives.objective import Stateless, Tempered
from contrastive_core.objectives.said import HEARD, Said, said
from contrastive_core.types import Batch


def aligned(rows: Tensor, partner: Tensor) -> Tensor:
    """Return the inner product of each row with its partner, of shape (B,)."""
    return (rows * rows[partner]).sum(1)


@final
@dataclass(frozen=True)
class NTXent(Tempered):
    r"""Normalised temperature-scaled cross-entropy (SimCLR): each row must find the other view of its sample among all rows.

    :math:`C = \langle \log \sum_{k \ne a} e^{s_{ak}/\tau} - s_{ap}/\tau \rangle_a`, mean over the 2 N rows, s their cosines. Gradients
    flow through all rows. A collapsed batch and an orthogonal one both give :math:`\log(2N - 1)`.

    Attributes
    ----------
    temperature : float
        :math:`\tau`, dimensionless.
    """

    temperature: float = 0.5

    hears = HEARD
    source = "Chen, Kornblith, Norouzi & Hinton (2020), SimCLR"
    verified = "value and gradient equal lightly, pytorch-metric-learning and solo-learn"

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over all rows."""
        rows, scale, told = unit(output), 1 / self.temperature, said(batch)
        partner, share = partners(view_rows(batch)), told.share(rows)
        return told.pooled(rows, rows, scale, share, told.weigh(leave_out_self)) - scale * (share * aligned(rows, partner)).sum()


@final
@dataclass(frozen=True)
class DCL(Tempered):
    r"""Decoupled contrastive learning: NT-Xent without the positive pair in the denominator.

    :math:`C = \langle \log \sum_{k \notin \{a, p\}} e^{s_{ak}/\tau} - s_{ap}/\tau \rangle_a`. Pairs are left out exactly. An
    additive :math:`\log 10^{-45}`, as in the official code, leaks at small temperatures.

    Attributes
    ----------
    temperature : float
        :math:`\tau`, dimensionless.
    """

    temperature: float = 0.1

    hears = HEARD
    source = "Yeh et al. (2022), Decoupled contrastive learning"
    verified = "value and gradient equal lightly; the official code agrees where its mask does not leak"

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over all rows."""
        rows, scale, partner = unit(output), 1 / self.temperature, partners(view_rows(batch))
        told = said(batch)
        return _decoupled(rows, scale, partner, told) - scale * (told.share(rows) * aligned(rows, partner)).sum()


def _decoupled(rows: Tensor, scale: float, partner: Tensor, told: Said) -> Tensor:
    own = torch.arange(len(rows), device=rows.device)
    return told.pooled(rows, rows, scale, told.share(rows), told.weigh(leave_out(torch.stack([own, partner], dim=1))))


@final
@dataclass(frozen=True)
class DCLW(Stateless):
    r"""Weighted DCL: the positive term of each row times :math:`w_i = 2 - N\,\mathrm{softmax}_i(s_{ip}/\sigma)`, over each view's N rows.

    The weights carry a gradient, as in the official code. With ``live=False`` they are held, as in lightly: the value is unchanged,
    the gradient differs.

    Attributes
    ----------
    temperature : float
        :math:`\tau`, dimensionless.
    sigma : float
        :math:`\sigma`, dimensionless.
    live : bool
        Whether the gradient flows through the weights.
    """

    temperature: float = 0.1
    sigma: float = 0.5
    live: bool = True

    hears = HEARD
    source = "Yeh et al. (2022), Decoupled contrastive learning"
    verified = "value and gradient equal lightly (held weights); live weights were not compared with a library"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature, sigma=self.sigma)

    @property
    def strength(self) -> float:
        """0.004 of the temperature."""
        return 0.004 * self.temperature

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over all rows."""
        index = view_rows(batch)
        rows, scale, partner = unit(output), 1 / self.temperature, partners(index)
        positive = aligned(rows, partner)
        judged = positive if self.live else aligned(unit(held), partner)
        weights = 2 - len(index) * (judged[index[:, 0]] / self.sigma).softmax(0)  # one per sample: both views have the same s_ip
        told = said(batch)
        # Each sample has two rows, and the mean over rows is one over samples where these weigh the same.
        share = told.share(rows)
        return _decoupled(rows, scale, partner, told) - scale * (share[index] * (weights * positive[index[:, 0]])[:, None]).sum()
