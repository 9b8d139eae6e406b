"""Views made by learnt maps of the outputs, the augmenters, which are updated by the loss of outputs that have already moved."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.mixing.mixing import Mixing, given, with_extra
from contrastive_core.objectives.batch_layout import extra, partners, view_rows
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.needs import Extra, Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch

AUGMENTERS = Extra("augmenters", "(2, n, n)", Origin.LEARNT, "linear map of each view that makes a further view")


def augment(rows: Tensor, weights: Tensor) -> Tensor:
    """Return rows in the direction of ``rows @ weights`` and of their old lengths, of shape (N, n)."""
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return lengths * unit(unit(rows) @ weights)


def similarity_penalty(rows: Tensor, partner: Tensor) -> Tensor:
    r"""Return the regulariser against views that are too similar, of shape (), in O(B tile) memory.

    :math:`R = \langle [s_{ap} - o_a^-]_+ \rangle_a + \langle [o_a^+ - s_{ak}]_+ \rangle_{ak}`, where :math:`o_a^-` and :math:`o_a^+`
    are the smaller and the larger one of :math:`s_{ap}` and :math:`\max_k s_{ak}`. Scores s are cosines, p is the other view of a, and
    k runs over the rows of other samples. The first term pulls a positive down to the hardest negative. R is 0 where no positive is
    above the negatives and all negatives of a row are equal; it is 2 where views coincide and samples are orthogonal. Gradients flow
    through both margins, as in the authors' code.

    Parameters
    ----------
    rows : Tensor of shape (B, n)
        Embeddings of two views of each sample.
    partner : Tensor of shape (B,)
        Row of the other view of each sample.
    """
    number = torch.arange(len(rows), device=rows.device)
    count = len(rows) * (len(rows) - 2)

    def term(part: slice, directions: Tensor) -> Tensor:
        scores = directions[part] @ directions.T
        own = (number[None, :] == number[part, None]) | (number[None, :] == partner[part, None])
        positive = scores.gather(1, partner[part, None])
        hardest = scores.masked_fill(own, -float("inf")).amax(1, keepdim=True)
        above = positive - torch.minimum(positive, hardest)
        below = (torch.maximum(positive, hardest) - scores).masked_fill(own, 0.0)
        return above.sum() / len(number) + below.sum() / count

    return tiled(term, len(rows), len(rows), unit(rows))


@final
@dataclass(frozen=True)
class MetaAugmented(Mixing):
    r"""Adds contrasts with learnt views; the augmenters that make them are updated at outputs one inner step ahead.

    With views z and z', augmented views :math:`\hat z = z A_1` and :math:`\hat z' = z' A_2`, objective C and penalty R of
    :func:`similarity_penalty`, the loss is

    .. math:: L(z, A) = C(z, z') + w \sum_{(u, v)} (C(u, v) + r R(u, v))

    over the pairs :math:`(z, \hat z'), (\hat z, z')` and :math:`(\hat z, \hat z')`.

    The network lowers L at fixed A. The augmenters lower :math:`L(z - \eta B \nabla_z L, A)`: the loss of outputs after an inner step. By
    default they treat the moved outputs as constant, as the authors' code does; ``second_order`` adds their dependence on A, by central
    differences of the gradient, because objectives are differentiable once.

    Source: Qin et al. (2023), MCLRec, and the authors' code, which we read for pairs, penalty and order of updates. It differs in four
    points. There the inner step moves the parameters of the encoder, here the outputs. There every batch updates the encoder twice,
    before and after the augmenters; here network and augmenters move together, and the new augmenters act from the next batch on.
    Augmenters there have three layers and GELU and give rows of length 1; here one linear map, which starts near the identity, gives
    rows of their old length. Contrasts with augmented views there score by dot products at temperature 1; here C scores them like the
    given views, and the penalty scores by cosines.

    Attributes
    ----------
    weight : float
        Weight w of the contrasts with augmented views.
    penalty : float
        Weight r of the regulariser; 0 leaves it out.
    step : float
        Inner step :math:`\eta` along the force on each output; 0 updates augmenters where the outputs are.
    second_order : bool
        Whether the outer gradient follows the inner step.
    """

    weight: float = 0.1
    penalty: float = 0.1
    step: float = 0.1
    second_order: bool = False

    def __post_init__(self) -> None:
        require_positive(weight=self.weight)
        require_at_least(0, penalty=self.penalty, step=self.step)

    def refusal(self, objective: Objective) -> str | None:
        """Refuse objectives that do not pair two views."""
        return None if objective.needs.fewest == 2 and not given(objective) else "it does not pair two views of outputs alone"

    def needs(self, objective: Objective) -> Needs:
        """Return the objective's needs, with the augmenters, limited to two views."""
        return objective.needs._replace(most=2, extras=(*objective.needs.extras, AUGMENTERS))

    def start(self, started: Mapping[str, Tensor], width: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return two maps near the identity, so that training starts with views near the given ones."""
        device = generator.device
        drawn = torch.randn((2, width, width), generator=generator, device=device)
        return {AUGMENTERS.name: torch.eye(width, device=device) + 0.1 * drawn / width**0.5}

    def carry(self, carried: Mapping[str, Tensor], batch: Batch, seed: int) -> dict[str, Tensor]:
        """Return an empty dict: augmenters are learnt by gradient."""
        return {}

    def loss(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return L; its gradient in the augmenters, where they need one, is the outer gradient."""
        weights = extra(batch, AUGMENTERS.name)
        inner = self._whole(objective, output, held, with_extra(batch, AUGMENTERS.name, weights.detach()))
        if not weights.requires_grad:
            return inner
        fixed = batch._replace(extras={name: value.detach() for name, value in (batch.extras or {}).items()})
        outer = self._ahead(objective, output.detach(), held, fixed, weights)
        return inner + (outer - outer.detach())

    def _whole(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        index, weights = view_rows(batch, 2, 2), extra(batch, AUGMENTERS.name)
        partner = partners(index)

        def seen(rows: Tensor, which: tuple[int, ...]) -> Tensor:
            for view in which:
                rows = rows.index_copy(0, index[:, view], augment(rows[index[:, view]], weights[view]))
            return rows

        total = objective.loss(output, held, batch)
        for which in ((1,), (0,), (0, 1)):
            rows = seen(output, which)
            total = total + self.weight * objective.loss(rows, seen(held, which).detach(), batch)
            if self.penalty:
                total = total + self.weight * self.penalty * similarity_penalty(rows, partner)
        return total

    def _ahead(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, weights: Tensor) -> Tensor:
        """Return a function of the augmenters whose gradient is the outer one."""
        live = with_extra(batch, AUGMENTERS.name, weights)
        reach = self.step * len(output)
        moved = output - reach * self._slope(objective, output, held, batch)
        outer = self._whole(objective, moved, moved, live)
        if not self.second_order:
            return outer
        # The outputs move by -reach d(slope)/dA, and their effect on the loss is its slope there: a derivative of the gradient in A
        # along that slope. Its step balances truncation and rounding.
        along = self._slope(objective, moved, moved, batch)
        length = float(along.norm())
        if not reach or not length:
            return outer
        small: float = torch.finfo(output.dtype).eps ** (1 / 3) * float(output.norm()) / length
        ends = [self._whole(objective, output + sign * small * along, held, live) for sign in (1, -1)]
        return outer - reach * (ends[0] - ends[1]) / (2 * small)

    def _slope(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        leaf = output.detach().requires_grad_()
        slope: Tensor = torch.autograd.grad(self._whole(objective, leaf, held, batch), leaf, materialize_grads=True)[0]
        return slope
