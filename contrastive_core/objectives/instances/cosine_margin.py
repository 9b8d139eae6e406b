"""SimCTG: rows of different samples must be less alike than a margin allows."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.checks import require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.needs import Needs
from contrastive_core.objectives.objective import Stateless
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class CosineMargin(Stateless):
    r"""Hinge on the cosine of different rows, :math:`C = \langle \max(0, m - 1 + \cos(x_i, x_j)) \rangle_{i \ne j}`, in [0, m].

    Rows are the tokens of a text in the source, and the samples of a batch here; pairs of views of one sample are left out. The source
    adds it to a language model's likelihood, as ``"cross-entropy + simctg"`` does.

    Attributes
    ----------
    margin : float
        m, dimensionless; the largest difference of two cosines is 2.
    """

    margin: float = 0.5

    needs = Needs(fewest=1, most=None)
    source = "Su et al. (2022), SimCTG"
    verified = "value and gradient equal a rewriting of the official code, for samples of one view"
    strength = 0.001

    def __post_init__(self) -> None:
        require_positive(margin=self.margin)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over ordered pairs of rows of different samples; 0 if there are none."""
        rows = unit(output)
        instances = torch.arange(len(rows), device=rows.device) if batch.instances is None else batch.instances
        sizes = torch.unique(instances, return_counts=True)[1]
        pairs = len(rows) ** 2 - int(sizes.square().sum())

        def term(part: slice, rows: Tensor) -> Tensor:
            apart = instances[part, None] != instances[None, :]
            return torch.where(apart, (self.margin - 1 + rows[part] @ rows.T).relu(), 0.0).sum()

        return tiled(term, len(rows), len(rows), rows) / max(1, pairs)
