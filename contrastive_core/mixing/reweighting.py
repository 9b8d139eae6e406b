"""Fixed reweighting: a head without parameters that weighs one output less than the one before."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.mixing.mixing import Memoryless, given
from contrastive_core.objectives.checks import require_at_least
from contrastive_core.objectives.needs import Needs
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class FixedReweighting(Memoryless):
    r"""Applies the objective to outputs times :math:`\kappa^{-i}`, i = 0, 1, ...; probes and measures see the outputs as they are.

    Xue, Gan, Ni, Joshi & Mirzasoleiman (2024) replace a projection head by it; the weights are those of the authors' code, read and not
    run.

    Attributes
    ----------
    decay : float
        :math:`\kappa`, at least 1; 1 changes nothing.
    """

    decay: float = 1.1

    def __post_init__(self) -> None:
        require_at_least(1, decay=self.decay)

    def refusal(self, objective: Objective) -> str | None:
        """Refuse objectives that compare the outputs with others, which would not be weighted."""
        return "it compares outputs with those of another network, which keep their weights" if given(objective) else None

    def needs(self, objective: Objective) -> Needs:
        """Return the objective's needs."""
        return objective.needs

    def loss(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return the objective's loss for the weighted outputs."""
        weights = self.decay ** -torch.arange(output.shape[1], dtype=output.dtype, device=output.device)
        return objective.loss(output * weights, held * weights, batch)
