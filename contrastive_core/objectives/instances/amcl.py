"""AMCL: several heads, each with its own learnt temperature for every pair."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError, ShapeError
from contrastive_core.objectives.batch_layout import extra, others_among, partners, sample_of_rows, view_rows
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import tiles, unit
from contrastive_core.objectives.needs import Extra, Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class AMCL(Objective):
    r"""Adaptive multi-head contrast: NT-Xent per head, at temperatures that a small network gives to every pair.

    The outputs are cut into H heads of d = n/H units. With :math:`\tau_{ij} = \tau_\mathrm{lo} + (\tau_\mathrm{hi} -
    \tau_\mathrm{lo})\,\sigma(f(z_i, z_j))` and :math:`\Omega(\tau) = \tfrac d2 \log \tau + 1/\tau`, :math:`C = \sum_h \langle
    \mathrm{NTXent}_i(s_{ij}/\tau_{ij}) + \beta\,\Omega(\tau_{ip}) - \beta\,\Omega(\tau_{in}) \rangle_i` with the positive p and the
    hardest negative n of each row, the one with the largest cosine. f is a learnt network with one hidden tanh layer per head; the
    gradient also flows through f into the rows, but not through the choice of n. The signs are those of the table of losses that the
    authors published. Code that they published later differs from it: :math:`f = -\phi(z_i) \cdot \phi(z_j)` with one :math:`\phi` for
    all heads, the mean of the 100 largest :math:`s/\tau` in place of the log-sum, and :math:`\log \tau + 1/\tau` summed over
    these negatives.

    Attributes
    ----------
    heads : int
        H, a divisor of the number of outputs.
    lowest, highest : float
        :math:`\tau_\mathrm{lo}, \tau_\mathrm{hi}`.
    weight : float
        :math:`\beta`.
    hidden : int
        Hidden units of f.
    """

    heads: int = 3
    lowest: float = 1e-5
    highest: float = 2.0
    weight: float = 0.1
    hidden: int = 8

    needs = Needs(
        extras=(
            Extra("first", "(H, 2 n/H + 1, units)", Origin.LEARNT, "weights of the temperatures' hidden layer, bias last"),
            Extra("last", "(H, units + 1)", Origin.LEARNT, "weights of the temperatures' output, bias last"),
        ),
        divisor="heads",
    )
    source = "Wang et al. (2023), adaptive multi-head contrastive learning"
    verified = "regulariser equals the authors' table of losses; the network of the temperatures is ours"

    def __post_init__(self) -> None:
        require_positive(lowest=self.lowest, highest=self.highest)
        require_at_least(0, weight=self.weight)
        require_at_least(1, heads=self.heads, hidden=self.hidden)
        if self.lowest >= self.highest:
            raise InputError(f"the lowest temperature {self.lowest} must be below the highest, {self.highest}; swap or correct them")

    @property
    def strength(self) -> float:
        """0.001, because the temperatures of some pairs are small."""
        return 0.001

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return small random weights, for which temperatures are near the middle of their range."""
        size = self._size(width)
        first = torch.randn((self.heads, 2 * size + 1, self.hidden), generator=generator, device=generator.device) / (2 * size) ** 0.5
        last = 0.1 * torch.randn((self.heads, self.hidden + 1), generator=generator, device=generator.device)
        return {"first": first, "last": last}

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return an empty dict: the network of the temperatures is learnt by gradient."""
        return {}

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the sum over heads of the mean over rows."""
        size, index = self._size(output.shape[1]), view_rows(batch)
        partner, sample = partners(index), sample_of_rows(index)
        cut = (torch.split(rows, size, 1) for rows in (output, held))
        width = len(output) * (self.hidden + 1)
        losses = []
        for rows, still, first, last in zip(*cut, extra(batch, "first"), extra(batch, "last"), strict=True):
            judges = (partner, hardest_negatives(unit(still), sample))

            def term(part: slice, rows: Tensor, first: Tensor, last: Tensor, judges: tuple[Tensor, Tensor] = judges) -> Tensor:
                return self._term(part, rows, first, last, judges)

            losses.append(tiled(term, len(output), width, unit(rows), first, last))
        return torch.stack(losses).sum()

    def _term(self, part: slice, rows: Tensor, first: Tensor, last: Tensor, judges: tuple[Tensor, Tensor]) -> Tensor:
        """Return the share of a slice of rows in one head's loss, given each row's positive and hardest negative."""
        size = rows.shape[1]
        asked, found = rows[part] @ first[:size], rows @ first[size:-1] + first[-1]
        scores = (asked[:, None] + found[None, :]).tanh() @ last[:-1] + last[-1]  # (T, B)
        temperatures = self.lowest + (self.highest - self.lowest) * scores.sigmoid()
        others = others_among(part, len(rows), rows)
        logs = (rows[part] @ rows.T / temperatures).masked_fill(~others, -float("inf")).log_softmax(1)
        positive, negative = (temperatures.gather(1, judge[part, None]) for judge in judges)
        regularisation = size / 2 * (positive.log() - negative.log()) + 1 / positive - 1 / negative
        return (self.weight * regularisation - logs.gather(1, judges[0][part, None])).sum() / len(rows)

    def _size(self, width: int) -> int:
        if width % self.heads:
            raise ShapeError(f"{width} outputs cannot be cut into {self.heads} heads of equal size; give a multiple of {self.heads}")
        return width // self.heads


def hardest_negatives(rows: Tensor, sample: Tensor) -> Tensor:
    """Return the most similar row of another sample for each unit row, of shape (B,), in O(B tile) memory."""
    found = [
        (rows[part] @ rows.T).masked_fill(sample[part, None] == sample[None, :], -float("inf")).argmax(1)
        for part in tiles(len(rows), len(rows))
    ]
    return torch.cat(found)
