"""Objectives of second moments over the batch: variance, covariance and cross-correlation of the outputs."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.batch_layout import two_views
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.objective import Stateless
from contrastive_core.types import Batch


def off_diagonal_square(matrix: Tensor) -> Tensor:
    """Return the sum of the squares off the diagonal, of shape ()."""
    return matrix.square().sum() - matrix.diagonal().square().sum()


@final
@dataclass(frozen=True)
class VICReg(Stateless):
    r"""Variance, invariance and covariance of two views; outputs are not normalised.

    :math:`C = \lambda \langle (z - z')^2 \rangle + \mu [v(z) + v(z')] + \nu [c(z) + c(z')]`, with v the mean over units of
    :math:`\max(0, \gamma - \sqrt{\mathrm{var} + \epsilon})` and c the sum of squared covariances between units over their number.
    This is the form of the paper and of solo-learn. Lightly, pytorch-metric-learning and the official code halve the variance sum,
    which equals a variance weight of 12.5 here. Bounded outputs cannot reach a deviation of 1: give a smaller ``deviation`` for tanh units.

    Attributes
    ----------
    invariance, variance, covariance : float
        :math:`\lambda, \mu, \nu`.
    deviation : float
        :math:`\gamma`.
    epsilon : float
        :math:`\epsilon`, which keeps the gradient of the root finite.
    """

    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0
    deviation: float = 1.0
    epsilon: float = 1e-4

    source = "Bardes, Ponce & LeCun (2022), VICReg"
    verified = "value and gradient equal solo-learn; lightly and pytorch-metric-learning with half the variance weight"

    def __post_init__(self) -> None:
        require_at_least(0, invariance=self.invariance, variance=self.variance, covariance=self.covariance)
        require_positive(deviation=self.deviation, epsilon=self.epsilon)

    @property
    def strength(self) -> float:
        """0.02 over the largest weight."""
        return 0.02 / max(self.invariance, self.variance, self.covariance, 1.0)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the weighted sum."""
        views = two_views(output, batch)
        invariance = (views[0] - views[1]).square().mean()
        variance, covariance = output.new_zeros(()), output.new_zeros(())
        for view in views:
            moments = torch.cov(view.T).reshape(view.shape[1], view.shape[1])  # (n, n), over N - 1
            variance = variance + (self.deviation - (moments.diagonal() + self.epsilon).sqrt()).relu().mean()
            covariance = covariance + off_diagonal_square(moments) / view.shape[1]
        return self.invariance * invariance + self.variance * variance + self.covariance * covariance


@final
@dataclass(frozen=True)
class BarlowTwins(Stateless):
    r"""Cross-correlation of two views towards the identity.

    :math:`C = \sum_i (1 - R_{ii})^2 + \lambda \sum_{i \ne j} R_{ij}^2` with :math:`R = \hat z^T \hat z' / N` of outputs standardised
    unit by unit over the batch. Rows are not normalised.

    Attributes
    ----------
    redundancy : float
        :math:`\lambda`.
    epsilon : float
        Constant added to the variance, as in batch normalisation.
    """

    redundancy: float = 0.005
    epsilon: float = 1e-5

    source = "Zbontar, Jing, Misra, LeCun & Deny (2021), Barlow Twins"
    verified = "value and gradient equal lightly, and solo-learn but for its factor of 0.025"

    def __post_init__(self) -> None:
        require_at_least(0, redundancy=self.redundancy)
        require_positive(epsilon=self.epsilon)

    @property
    def strength(self) -> float:
        """0.0001, because the correlation of units that vary little is steep."""
        return 0.0001

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the sum over pairs of units."""
        first, second = (self._standardised(view) for view in two_views(output, batch))
        matrix = first.T @ second / len(first)  # (n, n)
        return (1 - matrix.diagonal()).square().sum() + self.redundancy * off_diagonal_square(matrix)

    def _standardised(self, rows: Tensor) -> Tensor:
        centred = rows - rows.mean(0)
        return centred / (centred.square().mean(0) + self.epsilon).sqrt()
