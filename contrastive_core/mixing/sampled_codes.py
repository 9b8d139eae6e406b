"""Sampled codes: the second view is a draw around its code, so that samples can be contrasted without augmentation."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.mixing.mixing import Memoryless, drawing, given
from contrastive_core.objectives.batch_layout import view_rows
from contrastive_core.objectives.checks import require_positive
from contrastive_core.objectives.needs import Needs
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class SampledCodes(Memoryless):
    r"""Applies the objective to codes and draws: each second view becomes :math:`o + \sigma |o| \epsilon / \sqrt n`, ε normal.

    With ``--views none`` both views show the sample as it is, and a code is contrasted with its own encoding as in cMIM, which samples it
    from a Gaussian of learnt width; the width is a setting here, in units of the length of the code.

    Attributes
    ----------
    width : float
        :math:`\sigma`.
    """

    width: float = 0.3

    def __post_init__(self) -> None:
        require_positive(width=self.width)

    def refusal(self, objective: Objective) -> str | None:
        """Refuse objectives that do not pair two views of outputs alone."""
        return None if objective.needs.fewest == 2 and not given(objective) else "it does not pair two views of outputs alone"

    def needs(self, objective: Objective) -> Needs:
        """Return the objective's needs, limited to two views."""
        return objective.needs._replace(most=2)

    def loss(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return the objective's loss with the second views drawn anew."""
        places = view_rows(batch, 2, 2)[:, 1]
        noise = torch.randn((len(places), output.shape[1]), generator=drawing(seed), dtype=output.dtype).to(output.device)

        def seen(rows: Tensor) -> Tensor:
            codes = rows[places]
            spread = self.width * torch.linalg.vector_norm(codes, dim=1, keepdim=True) / output.shape[1] ** 0.5
            return rows.index_copy(0, places, codes + spread * noise)

        return objective.loss(seen(output), seen(held), batch)
