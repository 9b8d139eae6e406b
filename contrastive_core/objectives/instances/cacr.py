"""CACR: far positives attract more strongly, near negatives repel more strongly."""

from dataclasses import dataclass
from typing import final

from torch import Tensor

from contrastive_core.objectives.batch_layout import others_among, sample_of_rows, view_rows
from contrastive_core.objectives.checks import require_at_least
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.instances.multiview import VIEWS
from contrastive_core.objectives.objective import Stateless
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch


def weighted_mean(distance: Tensor, allowed: Tensor, sharpness: float) -> Tensor:
    r"""Return :math:`\sum_j \mathrm{softmax}_j(t\,d_{ij})\, d_{ij}` over the allowed pairs of each row, of shape (B,)."""
    weights = (sharpness * distance).masked_fill(~allowed, -float("inf")).softmax(1)
    return (weights * distance).sum(1)


@final
@dataclass(frozen=True)
class CACR(Stateless):
    r"""Contrastive attraction and contrastive repulsion on squared distances of directions.

    :math:`C = \langle \sum_m \mathrm{softmax}_m(t^+ d_{am})\, d_{am} \rangle_a - \langle \sum_j \mathrm{softmax}_j(-t^- d_{qj})\, d_{qj}
    \rangle_q`; m runs over the other views of the row's sample. Each pair of views repels once: q is a row of the earlier view, and j
    runs over the rows of other samples in the later view. Gradients flow through the weights. Both are as in the official code, whose
    version for ImageNet holds the weights. With two views the attraction is alignment; as :math:`t^- \to 0` the repulsion is minus the
    mean squared distance.

    Attributes
    ----------
    attraction : float
        :math:`t^+`.
    repulsion : float
        :math:`t^-`; the paper uses 0.9 for CIFAR-10 and 2 for its other data sets.
    """

    attraction: float = 1.0
    repulsion: float = 2.0

    needs = VIEWS
    source = "Zheng et al. (2021), contrastive attraction and contrastive repulsion"
    verified = "value equals a rewriting of the official code"
    strength = 0.005

    def __post_init__(self) -> None:
        require_at_least(0, attraction=self.attraction, repulsion=self.repulsion)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over rows."""
        rows, index = unit(output), view_rows(batch)
        count, views = index.shape
        sample, view = sample_of_rows(index), sample_of_rows(index.T)

        def term(part: slice, rows: Tensor) -> Tensor:
            same = sample[part, None] == sample[None, :]
            squares = rows.square().sum(1)
            # Squares are computed, not set to 1: a dead row has no direction and length 0.
            distance = squares[part, None] + squares[None, :] - 2 * rows[part] @ rows.T
            total = weighted_mean(distance, same & others_among(part, len(rows), rows), self.attraction).sum() / len(rows)
            for later in range(1, views):
                asking = view[part] < later
                found = ~same[asking] & (view == later)
                pushed = weighted_mean(distance[asking], found, -self.repulsion).sum()
                total = total - pushed / (count * views * (views - 1) / 2)
            return total

        return tiled(term, len(rows), len(rows), rows)
