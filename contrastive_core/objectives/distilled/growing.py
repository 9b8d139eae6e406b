"""Views of growing strength, of which each follows the weaker one before it."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.batch_layout import view_rows
from contrastive_core.objectives.distilled.teacher import Distilled
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.log_softmax import even, leave_out_self, pooled
from contrastive_core.objectives.needs import Needs
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class GrowingViews(Distilled):
    r"""A strong view chases the weaker one: its similarities to the other samples follow those of the view before it (HiCLR).

    :math:`C = \langle \mathrm{CE}(\mathrm{softmax}_{j \ne i}(w_i \cdot w_j/\tau'), \mathrm{softmax}_{j \ne i}(s_i \cdot w_j/\tau))
    \rangle` over samples i and neighbouring views, the weaker one w and the stronger one s, as unit rows. The weaker view carries no
    gradient. The paper compares with a queue of past samples; here the other samples of the batch stand for it.

    Attributes
    ----------
    temperature, teacher_temperature : float
        :math:`\tau` and :math:`\tau'`, dimensionless.
    """

    temperature: float = 0.1
    teacher_temperature: float = 0.05

    needs = Needs(most=None)
    source = "HiCLR (2022), hierarchical consistency of growing augmentations"
    verified = "from the paper, not re-read; equals an independent twin"

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over samples and pairs of neighbouring views."""
        index, rows, still = view_rows(batch), unit(output), unit(held)
        steps = zip(index.T[:-1], index.T[1:], strict=True)
        return torch.stack([self._step(rows[strong], still[weak]) for weak, strong in steps]).mean()

    def _step(self, strong: Tensor, weak: Tensor) -> Tensor:
        def targets(part: slice) -> Tensor:
            logits = weak[part] @ weak.T / self.teacher_temperature
            leave_out_self(logits, part)
            return logits.softmax(1) / len(weak)

        return pooled(strong, weak, 1 / self.temperature, even(strong), leave_out_self, targets)
