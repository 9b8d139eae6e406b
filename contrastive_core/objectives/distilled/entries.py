"""Prediction of fixed targets: the output for a view finds its own entry among those of the batch."""

from dataclasses import dataclass
from itertools import permutations
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.batch_layout import view_rows
from contrastive_core.objectives.checks import require_positive
from contrastive_core.objectives.distilled.teacher import taught
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.instances.queue import TEACHER
from contrastive_core.objectives.log_softmax import matched
from contrastive_core.objectives.needs import Needs
from contrastive_core.objectives.objective import Stateless
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class EntryPrediction(Stateless):
    r"""Cross-entropy of the entry that a definition belongs to, with fixed entries (DefSent, DefSent+).

    :math:`C = \langle \log \sum_j e^{o_i^a \cdot t_j^b/\tau} - o_i^a \cdot t_i^b/\tau \rangle` over samples i and ordered pairs of views
    :math:`a \ne b`, with unit rows. The entry :math:`t_j^b` is the teacher's output for view b of sample j, and carries no gradient. The
    official code scores all entries of a dictionary by the inner product; here the batch is the dictionary and the score a cosine.

    Attributes
    ----------
    temperature : float
        :math:`\tau`, dimensionless.
    """

    temperature: float = 0.1

    needs = Needs(most=None, extras=(TEACHER,))
    source = "DefSent+ (2024), after DefSent (Tsukagoshi, Sasano & Takeda, 2021)"
    verified = "read in the official code, not run; equals an independent twin"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature)

    @property
    def strength(self) -> float:
        """0.01 of the temperature."""
        return 0.01 * self.temperature

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over samples and ordered pairs of views."""
        index, rows, entries = view_rows(batch).T, unit(output), taught(output, batch, width=True)
        pairs = permutations(index.unbind(0), 2)
        return torch.stack([matched(rows[a], entries[b], 1 / self.temperature) for a, b in pairs]).mean()
