"""Pairs of one class near each other, pairs of two classes apart by a margin."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.batch_layout import others_among
from contrastive_core.objectives.checks import require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.labelled.supervised import CLASSES
from contrastive_core.objectives.objective import Stateless
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class PairMargin(Stateless):
    r"""Contrastive loss of pairs with a margin.

    :math:`C = \tfrac12 \langle d^2 \rangle_+ + \tfrac12 \langle \max(0, m - d)^2 \rangle_-`, with the chord d between two directions,
    over pairs of one class and pairs of two classes. The source has distances of any length and sums over given pairs; a kind of
    pairs that the batch lacks counts as 0.

    Attributes
    ----------
    margin : float
        m, a distance between directions; the largest one is 2.
    """

    margin: float = 1.0

    needs = CLASSES
    source = "Hadsell, Chopra & LeCun (2006), Dimensionality reduction by learning an invariant mapping"
    verified = "from the paper, not re-read; closed form tested"
    strength = 0.01

    def __post_init__(self) -> None:
        require_positive(margin=self.margin)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over both kinds of pairs."""
        rows, labels = unit(output), batch.labels
        size = len(rows)
        same = int((torch.unique(labels, return_counts=True)[1].square()).sum()) - size
        counts = max(1, same), max(1, size * (size - 1) - same)

        def term(part: slice, rows: Tensor) -> Tensor:
            # Without matrix products, which would round a distance of 0 to 1e-4 in float32.
            apart = torch.cdist(rows[part], rows, compute_mode="donot_use_mm_for_euclid_dist")
            alike = labels[part, None] == labels[None, :]
            near = apart.square().masked_fill(~(alike & others_among(part, size, rows)), 0.0)
            far = (self.margin - apart).relu().square().masked_fill(alike, 0.0)
            return (near.sum() / counts[0] + far.sum() / counts[1]) / 2

        return tiled(term, size, size, rows)
