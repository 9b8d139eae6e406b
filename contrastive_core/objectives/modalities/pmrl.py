"""PMRL: the views of a sample must lie along one direction."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.batch_layout import view_rows
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.instances.multiview import VIEWS
from contrastive_core.objectives.log_softmax import even, pooled
from contrastive_core.objectives.objective import Stateless
from contrastive_core.types import Batch

_EQUAL = 1e-12
"""Gap below which two eigenvalues count as equal, and square below which a singular value counts as 0."""


def leading_direction(gram: Tensor) -> Tensor:
    r"""Return the leading eigenvector of each (M, M) Gram matrix, of shape (N, M), differentiable where it is simple.

    The derivative is that of first-order perturbation theory, :math:`dv = \sum_{k > 1} v_k (v_k^T dG\, v_1) / (\lambda_1 - \lambda_k)`.
    Autograd divides by every gap instead and gives NaN where two lower eigenvalues meet. The part towards an equal eigenvalue is
    dropped. The sign, which a solver leaves open, is chosen so that the direction points along the first view. The mean of the views
    would not fix it for two opposite views.
    """
    values, vectors = torch.linalg.eigh(gram.detach())  # ascending
    lead, others = vectors[:, :, -1], vectors[:, :, :-1]  # (N, M), (N, M, M - 1)
    gaps = values[:, -1:] - values[:, :-1]
    resolvent = torch.where(gaps > _EQUAL, 1 / gaps.clamp(min=_EQUAL), 0.0)
    lead = lead * torch.where(lead[:, :1] < 0, -1.0, 1.0)
    change = ((gram - gram.detach()) @ lead[:, :, None])[:, :, 0]  # 0, with the derivative of G v
    moved: Tensor = lead + ((others * resolvent[:, None, :]) @ (others.transpose(1, 2) @ change[:, :, None]))[:, :, 0]
    return moved


def singular_values(gram: Tensor) -> Tensor:
    """Return the roots of the eigenvalues of each Gram matrix, descending, of shape (N, M); a root of 0 has gradient 0."""
    squares = torch.linalg.eigvalsh(gram).flip(1)
    return torch.where(squares > _EQUAL, squares.clamp(min=_EQUAL).sqrt(), 0.0)


@final
@dataclass(frozen=True)
class PMRL(Stateless):
    r"""Principled multimodal representation learning: the largest singular value of a sample's views must dominate.

    With :math:`\sigma` the singular values of a sample's M unit views and u the leading direction, :math:`C = \langle -\log
    \mathrm{softmax}(\sigma/\tau_1)_1 \rangle + \lambda\,\mathrm{CE}(U U^T/\tau_2, I)`, U the directions of all samples. The values
    come from the M x M Gram matrix. The sign of u is that of its product with the first view, because the sign of an SVD depends on
    the solver. The first term does not depend on signs: views b and -b are the same to it.

    Attributes
    ----------
    value_temperature : float
        :math:`\tau_1` of the first term.
    temperature : float
        :math:`\tau_2` of the second term.
    weight : float
        :math:`\lambda`; 1 in the official code, which also trains a matching loss.
    """

    value_temperature: float = 0.05
    temperature: float = 0.1
    weight: float = 1.0

    needs = VIEWS
    source = "Liu et al. (2025), principled multimodal representation learning"
    verified = "both terms, their weight and temperatures as in the official code, read and not run"

    def __post_init__(self) -> None:
        require_positive(value_temperature=self.value_temperature, temperature=self.temperature)
        require_at_least(0, weight=self.weight)

    @property
    def strength(self) -> float:
        """0.02 of the smaller temperature."""
        return 0.02 * min(self.value_temperature, self.temperature)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over samples of both terms."""
        views = unit(output)[view_rows(batch, 2)]  # (N, M, n)
        gram = views @ views.transpose(1, 2)
        first = -(singular_values(gram) / self.value_temperature).log_softmax(1)[:, 0].mean()
        lead = unit((leading_direction(gram)[:, :, None] * views).sum(1))  # (N, n)
        own = (lead * lead).sum(1).mean()
        return first + self.weight * (pooled(lead, lead, 1 / self.temperature, even(lead)) - own / self.temperature)
