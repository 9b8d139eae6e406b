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

    :math:`C = \langle \sum_m \mathrm{softmax}_m(t^+ d_{am})\, d_{am} - \sum_j \mathrm{softmax}_j(-t^- d_{aj})\, d_{aj} \rangle_a`; m
    runs over the other views of the row's sample, j over the rows of other samples. Gradients flow through the weights, as in
    the official code. With two views the attraction is alignment; as :math:`t^- \to 0` the repulsion is minus the mean squared distance.

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
    verified = "formula equal the official code in an earlier check; this code was not compared with it"
    strength = 0.005

    def __post_init__(self) -> None:
        require_at_least(0, attraction=self.attraction, repulsion=self.repulsion)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over rows."""
        rows, sample = unit(output), sample_of_rows(view_rows(batch))

        def term(part: slice, rows: Tensor) -> Tensor:
            same = sample[part, None] == sample[None, :]
            squares = rows.square().sum(1)
            # Squares are computed, not set to 1: a dead row has no direction and length 0.
            distance = squares[part, None] + squares[None, :] - 2 * rows[part] @ rows.T
            pulled = weighted_mean(distance, same & others_among(part, len(rows), rows), self.attraction)
            return (pulled - weighted_mean(distance, ~same, -self.repulsion)).sum() / len(rows)

        return tiled(term, len(rows), len(rows), rows)
