"""Objectives of distances on the sphere: alignment of positives and uniformity of all rows."""

from dataclasses import dataclass
from math import log
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.batch_layout import two_views
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.log_softmax import leave_out_self, through
from contrastive_core.objectives.needs import Needs
from contrastive_core.objectives.objective import Stateless
from contrastive_core.types import Batch


def alignment(first: Tensor, second: Tensor, power: float) -> Tensor:
    r"""Return :math:`\langle |x - y|^\alpha \rangle` of paired rows, of shape (); coincident pairs have gradient 0."""
    distance: Tensor = torch.linalg.vector_norm(first - second, dim=1)
    return distance.pow(power).mean()


def uniformity(rows: Tensor, sharpness: float) -> Tensor:
    r"""Return :math:`\log \langle e^{-t |x_i - x_j|^2} \rangle_{i < j}` of unit rows, of shape (), in O(N tile) memory.

    On the sphere :math:`-t|x - y|^2 = 2t (x \cdot y - 1)`, a log-softmax of temperature 1/2t.
    """
    pairs = len(rows) * (len(rows) - 1)
    return through(rows, rows, 2 * sharpness, lambda sums: sums.logsumexp(0), leave_out_self) - 2 * sharpness - log(pairs)


@final
@dataclass(frozen=True)
class Alignment(Stateless):
    r"""Alignment of two views, :math:`C = \langle |x - y|^\alpha \rangle` on the sphere; on its own it collapses.

    Attributes
    ----------
    power : float
        :math:`\alpha`.
    """

    power: float = 2.0

    source = "Wang & Isola (2020), alignment and uniformity"
    verified = "value and gradient equal lightly, in the sum of both"
    strength = 0.01

    def __post_init__(self) -> None:
        require_at_least(1, power=self.power)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over samples."""
        first, second = two_views(unit(output), batch)
        return alignment(first, second, self.power)


@final
@dataclass(frozen=True)
class Uniformity(Stateless):
    r"""Uniformity of all rows on the sphere, :math:`C = \log \langle e^{-t|x_i - x_j|^2} \rangle_{i<j}`.

    C is 0 if all rows coincide and -2t if they are orthonormal.

    Attributes
    ----------
    sharpness : float
        :math:`t`.
    """

    sharpness: float = 2.0

    needs = Needs(fewest=1, most=None)
    source = "Wang & Isola (2020), alignment and uniformity"
    verified = "value and gradient equal lightly, in the sum of both"
    strength = 0.01

    def __post_init__(self) -> None:
        require_positive(sharpness=self.sharpness)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the loss over all pairs of rows."""
        return uniformity(unit(output), self.sharpness)


@final
@dataclass(frozen=True)
class AlignmentUniformity(Stateless):
    r"""Alignment plus uniformity, :math:`C = \langle|x-y|^\alpha\rangle + \tfrac{\lambda}{2}\,[u_t(x) + u_t(y)]` over two views.

    Attributes
    ----------
    power : float
        :math:`\alpha`.
    sharpness : float
        :math:`t`; lightly's default is 1.
    weight : float
        :math:`\lambda`.
    """

    power: float = 2.0
    sharpness: float = 2.0
    weight: float = 1.0

    source = "Wang & Isola (2020), alignment and uniformity"
    verified = "value and gradient equal lightly"
    strength = 0.01

    def __post_init__(self) -> None:
        require_positive(sharpness=self.sharpness)
        require_at_least(1, power=self.power)
        require_at_least(0, weight=self.weight)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the loss over samples and pairs of samples."""
        first, second = two_views(unit(output), batch)
        spread = uniformity(first, self.sharpness) + uniformity(second, self.sharpness)
        return alignment(first, second, self.power) + self.weight / 2 * spread


@final
@dataclass(frozen=True)
class Scattering(Stateless):
    r"""Repulsion from the batch's centre on the sphere, :math:`C = -\langle |z_i - \bar z|^2 \rangle`, which is :math:`|\bar z|^2 - 1`.

    Attributes
    ----------
    weight : float
        Factor of the loss.
    """

    weight: float = 1.0

    needs = Needs(fewest=1, most=None)
    source = "CircuitGCL (2025), contrastive learning and label rebalancing in analog circuits"
    verified = "as in a public copy of its code, read and not run; closed form tested"
    strength = 0.01

    def __post_init__(self) -> None:
        require_positive(weight=self.weight)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return minus the mean squared distance to the centre."""
        rows = unit(output)
        return -self.weight * (rows - rows.mean(0)).square().sum(1).mean()
