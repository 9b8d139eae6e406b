"""Deep boosting: pairs of views must be ranked, and be ranked better than by an anchor branch."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.batch_layout import extra, two_views
from contrastive_core.objectives.checks import require_at_least
from contrastive_core.objectives.embeddings import tiles, unit
from contrastive_core.objectives.instances.queue import OWN_KEYS
from contrastive_core.objectives.needs import Needs
from contrastive_core.objectives.objective import Stateless
from contrastive_core.types import Batch

Pair = tuple[Tensor, Tensor]
"""Unit rows of the asking and of the found view, of shape (N, n) each."""


def hardest(views: Pair, branch: Pair | None = None) -> Tensor:
    """Return the other sample with the largest score of each asking row, of shape (N,), in O(N tile) memory.

    Parameters
    ----------
    views : Pair
        Rows whose cosines are the scores.
    branch : Pair, optional
        Rows of a second network, whose cosines are taken off.
    """
    found = torch.empty(len(views[0]), dtype=torch.int64, device=views[0].device)
    with torch.no_grad():
        for part in tiles(len(found), len(found)):
            scores = views[0][part] @ views[1].T
            if branch is not None:
                scores -= branch[0][part] @ branch[1].T
            scores[:, part].fill_diagonal_(-float("inf"))
            found[part] = scores.argmax(1)
    return found


@final
@dataclass(frozen=True)
class DeepBoosting(Stateless):
    r"""Deep boosting learning: a ranking loss of the hardest negatives, and a gain over an anchor branch that is asked for.

    With the cosines :math:`s_{ij}` of first and second views and :math:`t_{ij}` of the anchor branch's outputs,
    :math:`C = \sum_\mathrm{ways} \langle \max_{j \ne i} [m + s_{ij} - s_{ii}]_+ + \alpha B_i \rangle_i`. The relative form is
    :math:`B_i = \max_{j \ne i} [m + (t_{ii} - t_{ij}) - (s_{ii} - s_{ij})]_+`, and the absolute form
    :math:`B_i = [\tfrac m2 + t_{ii} - s_{ii}]_+ + \max_{j \ne i} [\tfrac m2 + s_{ij} - t_{ij}]_+`. The choice of j
    carries no gradient. The official code sums over the batch and trains the branch by the ranking loss alone; here the branch is the
    momentum encoder.

    Attributes
    ----------
    margin : float
        m, a difference of cosines.
    weight : float
        :math:`\alpha`.
    absolute : bool
        Whether the gain is asked for in the absolute form.
    """

    margin: float = 0.2
    weight: float = 1.0
    absolute: bool = True

    needs = Needs(extras=(OWN_KEYS,))
    source = "Diao et al. (2024), deep boosting learning"
    verified = "value and gradient equal a rewriting of the official code, in the mean over samples"
    strength = 0.002

    def __post_init__(self) -> None:
        require_at_least(0, margin=self.margin, weight=self.weight)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the sum over both ways of the mean over samples."""
        views, still, branch = (two_views(unit(rows), batch) for rows in (output, held, extra(batch, OWN_KEYS.name).detach()))
        return self._way(views, still, branch) + self._way(views[::-1], still[::-1], branch[::-1])

    def _way(self, views: Pair, still: Pair, branch: Pair) -> Tensor:
        ranked, boosted = hardest(still), hardest(still, branch)
        own, anchor = (views[0] * views[1]).sum(1), (branch[0] * branch[1]).sum(1)
        rank = self.margin + (views[0] * views[1][ranked]).sum(1) - own
        gain = (views[0] * views[1][boosted]).sum(1) - (branch[0] * branch[1][boosted]).sum(1)
        if self.absolute:
            boost = (self.margin / 2 + anchor - own).relu() + (self.margin / 2 + gain).relu()
        else:
            boost = (self.margin + anchor - own + gain).relu()
        return (rank.relu() + self.weight * boost).mean()
