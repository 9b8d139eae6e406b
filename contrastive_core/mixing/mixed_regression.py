"""Mixing shares for contrastive regression with SupReMix."""

from dataclasses import dataclass
from typing import final

from torch import Tensor

from contrastive_core.mixing.extrapolation import beta
from contrastive_core.mixing.mixing import Memoryless, drawing, with_extra
from contrastive_core.objectives.checks import require_positive
from contrastive_core.objectives.needs import Needs
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch

SHARE = "mixing"
"""Name of the extra that holds the shares."""


@final
@dataclass(frozen=True)
class MixedRegression(Memoryless):
    """Draws the shares with which SupReMix (Wu et al., 2023) mixes anchors into negatives.

    The objective itself makes the mixtures, also those of positives.

    Attributes
    ----------
    shape : float
        Shape of the beta distribution.
    """

    shape: float = 2.0

    def __post_init__(self) -> None:
        require_positive(shape=self.shape)

    def refusal(self, objective: Objective) -> str | None:
        """Refuse objectives that take no shares."""
        return None if any(wanted.name == SHARE for wanted in objective.needs.extras) else "only supremix takes shares to mix with"

    def needs(self, objective: Objective) -> Needs:
        """Return the objective's needs without the shares."""
        return objective.needs._replace(extras=tuple(wanted for wanted in objective.needs.extras if wanted.name != SHARE))

    def loss(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return the objective's loss with drawn shares."""
        shares = beta(len(output), self.shape, drawing(seed)).to(output)
        return objective.loss(output, held, with_extra(batch, SHARE, shares))
