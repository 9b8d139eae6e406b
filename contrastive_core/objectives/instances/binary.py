"""Binary noise contrast: each pair alone is told to be one or not."""

from dataclasses import dataclass
from typing import final

from torch import Tensor
from torch.nn.functional import softplus

from contrastive_core.objectives.batch_layout import two_views
from contrastive_core.objectives.checks import require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.objective import Stateless
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class BinaryNCE(Stateless):
    r"""Logistic regression of pairs: two views of a sample against views of two samples, with equal weight.

    :math:`C = \tfrac12 \langle \log(1 + e^{-s^+/\tau}) \rangle + \tfrac12 \langle \log(1 + e^{s^-/\tau}) \rangle` over the N pairs of
    views of a sample and the N (N - 1) pairs of a first view and the second view of another sample. The ratio of densities that the
    source writes as f is :math:`e^{s/\tau}` here; equal scores of 0 give :math:`\log 2`.

    Attributes
    ----------
    temperature : float
        :math:`\tau`, dimensionless; the source has none, and 0.1 is ours.
    """

    temperature: float = 0.1

    source = "Qiu, Wang, Bai, Yang & Wang (2022), Contrastive UCB"
    verified = "from the paper, not re-read; closed form tested"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature)

    @property
    def strength(self) -> float:
        """0.02 of the temperature."""
        return 0.02 * self.temperature

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean of both kinds of pairs."""
        first, second = two_views(unit(output), batch)
        size, scale = len(first), 1 / self.temperature
        positive = softplus(-scale * (first * second).sum(1)).mean()

        def term(part: slice, first: Tensor, second: Tensor) -> Tensor:
            logits = scale * first[part] @ second.T
            return softplus(logits).sum() - softplus(logits.diagonal(part.start)).sum()

        return (positive + tiled(term, size, size, first, second) / (size * (size - 1))) / 2
