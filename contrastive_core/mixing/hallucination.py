"""Positives made by a small network, the hallucinator, which is trained by the objective."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.mixing.mixing import Mixing, drawing, given
from contrastive_core.objectives.batch_layout import extra, view_rows
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.needs import Extra, Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch

WEIGHTS = (
    Extra("hallucinator_in", "(n, h)", Origin.LEARNT, "weights from a feature to the hallucinator's hidden units"),
    Extra("hallucinator_out", "(h, n)", Origin.LEARNT, "weights from those to the change of the feature"),
)


def hallucinate(first: Tensor, second: Tensor, weights: tuple[Tensor, Tensor], reach: Tensor) -> Tensor:
    r"""Return :math:`\tilde k + \tanh(\tilde k W) V`, :math:`\tilde k = k + \lambda (k - q)` of unit rows, of shape (N, n).

    Only the second view moves: away from the first by asymmetric extrapolation, then by the output of a small network.

    Parameters
    ----------
    first, second : Tensor of shape (N, n)
        Unit rows q and k.
    weights : tuple of Tensor
        W of shape (n, h) and V of shape (h, n).
    reach : Tensor of shape (N,)
        Extrapolation :math:`\lambda` of each row.
    """
    away = second + reach[:, None] * (second - first)
    return away + (away @ weights[0]).tanh() @ weights[1]


@final
@dataclass(frozen=True)
class HallucinatedPositives(Mixing):
    """Averages the objective over the original views and over views with a hallucinated second view.

    The idea is that of Wu, Hobbs & Hovakimyan (2023), of which we know the abstract: asymmetric extrapolation, and a non-linear network
    that the objective trains. Sizes and the range of the extrapolation are our choice.

    Attributes
    ----------
    reach : float
        Largest extrapolation.
    hidden : int
        Units of the hallucinator.
    """

    reach: float = 0.5
    hidden: int = 32

    def __post_init__(self) -> None:
        require_positive(reach=self.reach)
        require_at_least(1, hidden=self.hidden)

    def refusal(self, objective: Objective) -> str | None:
        """Refuse objectives that do not pair two views."""
        return None if objective.needs.fewest == 2 and not given(objective) else "it does not pair two views of outputs alone"

    def needs(self, objective: Objective) -> Needs:
        """Return the objective's needs, with the hallucinator's weights, limited to two views."""
        return objective.needs._replace(most=2, extras=(*objective.needs.extras, *WEIGHTS))

    def start(self, started: Mapping[str, Tensor], width: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return small random weights, so that training starts near the extrapolated rows."""
        shapes = ((width, self.hidden), (self.hidden, width))
        return {
            wanted.name: 0.1 * torch.randn(shape, generator=generator) / shape[0] ** 0.5
            for wanted, shape in zip(WEIGHTS, shapes, strict=True)
        }

    def carry(self, carried: Mapping[str, Tensor], batch: Batch, seed: int) -> dict[str, Tensor]:
        """Return an empty dict: weights are learnt by gradient."""
        return {}

    def loss(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return the mean of both losses."""
        index = view_rows(batch, 2, 2)
        weights = (extra(batch, WEIGHTS[0].name), extra(batch, WEIGHTS[1].name))
        reach = self.reach * torch.rand(len(index), generator=drawing(seed), dtype=torch.float64).to(output)

        def seen(rows: Tensor) -> Tensor:
            made = hallucinate(unit(rows[index[:, 0]]), unit(rows[index[:, 1]]), weights, reach)
            lengths = torch.linalg.vector_norm(rows[index[:, 1]], dim=1, keepdim=True)
            return rows.index_copy(0, index[:, 1], lengths * made)

        return 0.5 * (objective.loss(output, held, batch) + objective.loss(seen(output), seen(held).detach(), batch))
