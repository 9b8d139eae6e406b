"""Objectives of real-valued labels: distances between rows must follow those between labels."""

from dataclasses import dataclass
from math import log
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.batch_layout import extra, numbers, others_among
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import tiles, unit
from contrastive_core.objectives.log_softmax import pooled
from contrastive_core.objectives.needs import Extra, Labels, Needs, Origin
from contrastive_core.objectives.objective import Stateless, Tempered
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class ConR(Stateless):
    r"""Contrastive regulariser for regression: rows with similar predictions but distant labels repel each other.

    With :math:`P = \{|\Delta y| \le w\}` without the row itself and :math:`N = \{|\Delta y| > w, |\Delta \hat y| \le w\}`, :math:`C =
    -\langle \mathrm{mean}_P \log \frac{e^{s/\tau}}{\sum_P e^{s/\tau} + \sum_N \eta\, e^{\epsilon |\Delta y|} e^{s/\tau}} \rangle_a`,
    mean over all rows; a row without N or without P adds 0. This code follows the formula. The official code adds 1 to the denominator
    for each row that is not a positive, and divides 0 by 0 for a row without positives.

    Attributes
    ----------
    temperature : float
        :math:`\tau`; 0.2 in the paper, 0.07 in its code.
    window : float
        w, in units of the labels.
    push : float
        :math:`\eta`.
    growth : float
        :math:`\epsilon`, per unit of the labels.
    """

    temperature: float = 0.2
    window: float = 1.0
    push: float = 1.0
    growth: float = 0.01

    needs = Needs(
        fewest=1, most=None, labels=Labels.NUMBERS, extras=(Extra("predictions", "(B,)", Origin.GIVEN, "the predicted number of each row"),)
    )
    source = "Keramati, Meng & Evans (2023), ConR"
    verified = "formula checked before against the official code, which has the quirk named above; this code was not compared with it"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature, push=self.push)
        require_at_least(0, window=self.window, growth=self.growth)

    @property
    def strength(self) -> float:
        """0.01 of the temperature."""
        return 0.01 * self.temperature

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over rows."""
        rows, labels, predictions = unit(output), numbers(batch), extra(batch, "predictions").detach().reshape(-1)

        def relations(part: slice) -> tuple[Tensor, Tensor, Tensor]:
            apart = (labels[part, None] - labels[None, :]).abs().to(rows.dtype)
            alike = apart <= self.window
            negative = ~alike & ((predictions[part, None] - predictions[None, :]).abs() <= self.window)
            alike[:, part].fill_diagonal_(False)
            return apart, alike, negative

        def weigh(logits: Tensor, part: slice) -> None:
            apart, alike, negative = relations(part)
            logits.add_(torch.where(negative, log(self.push) + self.growth * apart, 0.0)).masked_fill_(~(alike | negative), -float("inf"))

        found = [relations(part)[1:] for part in tiles(len(rows), len(rows))]
        positives = torch.cat([alike.sum(1) for alike, _ in found]).to(rows.dtype)
        counts = (positives > 0) & torch.cat([negative.any(1) for _, negative in found])
        share = counts.to(rows.dtype) / len(rows)

        def targets(part: slice) -> Tensor:
            return relations(part)[1] * (share[part] / positives[part].clamp(min=1))[:, None]

        return pooled(rows, rows, 1 / self.temperature, share, weigh, targets)


@final
@dataclass(frozen=True)
class SupReMix(Tempered):
    r"""Supervised contrast for regression with mixed pairs.

    Rows with equal labels are positives. Each row a also gets a mixed positive :math:`\lambda z_i + (1-\lambda) z_j`, where i and j have
    the nearest labels below and above and :math:`\lambda y_i + (1-\lambda) y_j = y_a`. For every negative n it gets a mixed negative
    :math:`\lambda_n z_a + (1-\lambda_n) z_n`, with the label mixed in the same way. Mixed rows are normalised. A column with a label at
    distance :math:`|\Delta y|` counts :math:`1 + |\Delta y|` times in the denominator. C is the mean of minus the log-probability over
    the positives of a row, averaged over rows with a positive. The shares :math:`\lambda_n` come with the batch, for example drawn from
    a Beta distribution. The official code has more mixed positives, and :math:`1/(1 + |\Delta y|)` as another choice of weights.

    Attributes
    ----------
    temperature : float
        :math:`\tau`; scale the labels so that a difference of 1 is large.
    """

    temperature: float = 0.07

    needs = Needs(
        fewest=1,
        most=None,
        labels=Labels.NUMBERS,
        extras=(Extra("mixing", "(B,)", Origin.GIVEN, "lambda of each row as negative, in (0, 1)"),),
    )
    source = "Wu et al. (2023), SupReMix"
    verified = "weights and temperature as in a copy of its code, read and not run; the choice of mixed pairs is our own"

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over the rows that have a positive."""
        rows, labels, mixing = unit(output), numbers(batch).to(output.dtype), extra(batch, "mixing").detach().to(output.dtype)
        _, group, sizes = torch.unique(labels, return_inverse=True, return_counts=True)
        there = (labels > labels.min()) & (labels < labels.max())  # rows with a neighbour in label on both sides
        count = sizes[group] - 1 + there.to(torch.int64)
        share = (count > 0).to(rows.dtype) / ((count > 0).sum().clamp(min=1) * count.clamp(min=1))  # weight of each positive of a row

        def term(part: slice, rows: Tensor) -> Tensor:
            similarity, apart = rows[part] @ rows.T, (labels[part, None] - labels[None, :]).abs()
            positive = (apart == 0) & others_among(part, len(rows), rows)
            # The cosine of a with its mix with n, both unit: (l + (1-l) s) / |l a + (1-l) n|.
            length = (mixing.square() + (1 - mixing).square() + 2 * mixing * (1 - mixing) * similarity).clamp(min=1e-12).sqrt()
            mixed = (mixing + (1 - mixing) * similarity) / length
            real = (similarity / self.temperature + apart.log1p()).masked_fill((apart == 0) & ~positive, -float("inf"))
            fake = (mixed / self.temperature + ((1 - mixing) * apart).log1p()).masked_fill(apart == 0, -float("inf"))
            made = (rows[part] * _between(part, rows, labels)).sum(1) / self.temperature
            logits = torch.cat([real, fake, made[:, None].masked_fill(~there[part, None], -float("inf"))], dim=1)
            pulled = torch.where(positive, similarity, 0.0).sum(1) / self.temperature + torch.where(there[part], made, 0.0)
            # Select before multiplying: a row without positives may have an empty sum, and -inf * 0 would be NaN.
            return torch.where(count[part] > 0, share[part] * (count[part] * logits.logsumexp(1) - pulled), 0.0).sum()

        return tiled(term, len(rows), 2 * len(rows), rows)


def _between(part: slice, rows: Tensor, labels: Tensor) -> Tensor:
    """Return the unit mix of each row's neighbours in label, one below and one above, of shape (T, n); 0 if one is missing."""
    steps = labels[None, :] - labels[part, None]  # positive where the other label is above
    sides = [torch.where(side > 0, side, float("inf")) for side in (steps, -steps)]
    above, below = (side.amin(1, keepdim=True) for side in sides)
    there = torch.isfinite(above) & torch.isfinite(below)
    # Equally near rows are averaged, so that the result does not depend on the order of the rows.
    ties = [((side == least) & there).to(rows.dtype) for side, least in zip(sides, (above, below), strict=True)]
    upper, lower = (tie @ rows / tie.sum(1, keepdim=True).clamp(min=1) for tie in ties)
    share = torch.where(there, above / (above + below), 0.0)
    return unit(share * lower + (1 - share) * upper)
