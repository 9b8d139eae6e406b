"""WhitenedCSE: the positives of a row are whitenings of its units in several shuffled groupings."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError, ShapeError
from contrastive_core.objectives.batch_layout import extra, two_views
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.log_softmax import matched
from contrastive_core.objectives.needs import Extra, Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch


def inverse_root(matrices: Tensor) -> Tensor:
    r"""Return :math:`S^{-1/2}` of symmetric positive matrices, of shape (..., g, g), differentiable also where eigenvalues meet.

    The derivative is :math:`V [F \circ (V^T dS\, V)] V^T`, where F holds the divided differences of :math:`\lambda^{-1/2}`,
    :math:`-1 / (\sqrt{\lambda_i \lambda_j} (\sqrt{\lambda_i} + \sqrt{\lambda_j}))`, which are finite. Autograd of an
    eigendecomposition would divide by the gaps between eigenvalues.
    """
    values, vectors = torch.linalg.eigh(matrices.detach())
    roots = values.sqrt()
    constant = vectors @ torch.diag_embed(1 / roots) @ vectors.transpose(-1, -2)
    a, b = roots[..., :, None], roots[..., None, :]
    inner = vectors.transpose(-1, -2) @ (matrices - matrices.detach()) @ vectors
    root: Tensor = constant + vectors @ (-inner / (a * b * (a + b))) @ vectors.transpose(-1, -2)
    return root


def whitened(rows: Tensor, judged: Tensor, group_size: int, shrinkage: float) -> Tensor:
    """Return the rows with every group of consecutive units whitened by ZCA, of shape (N, n).

    Parameters
    ----------
    rows : Tensor of shape (N, n)
        Rows to whiten.
    judged : Tensor of shape (N, n)
        Rows that give covariance and mean: ``rows`` themselves, or held ones.
    group_size : int
        Units in a group, a divisor of n.
    shrinkage : float
        Share of the mean variance mixed into the covariance, which keeps its root finite for few rows.
    """
    groups = rows.view(len(rows), -1, group_size).transpose(0, 1)  # (G, N, g)
    basis = judged.view(len(rows), -1, group_size).transpose(0, 1)
    centred = basis - basis.mean(1, keepdim=True)
    covariance = centred.transpose(1, 2) @ centred / len(rows)
    scale = covariance.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    identity = torch.eye(group_size, dtype=rows.dtype, device=rows.device)
    # The constant keeps the root finite even for a group of dead units, which has no variance at all.
    covariance = (1 - shrinkage) * covariance + (shrinkage * scale + torch.finfo(rows.dtype).eps) * identity
    return ((groups - basis.mean(1, keepdim=True)) @ inverse_root(covariance)).transpose(0, 1).reshape(rows.shape)


@final
@dataclass(frozen=True)
class WhitenedCSE(Objective):
    r"""InfoNCE of group-whitened embeddings, with shuffles of the units as positives.

    A whitening permutes the units, cuts them into groups, whitens each group over the batch and permutes the units back. P permutations
    give each row of the first view P positives in the second view; the row itself is whitened with the first permutation. :math:`C` is
    the mean over permutations of :math:`\mathrm{CE}(\cos(w_0(a), w_p(b))/\tau, I)`. The whitening matrix carries no gradient, as in the
    official code, unless ``live`` is set. The permutations change from batch to batch.

    Attributes
    ----------
    temperature : float
        :math:`\tau`.
    group_size : int
        Units in a group, a divisor of the number of outputs; the official code cuts 768 units into 128 groups of 6.
    shuffles : int
        Number of permutations P.
    shrinkage : float
        Share of the mean variance mixed into the covariance; needed if the batch is not larger than a group.
    live : bool
        Whether the gradient flows through the whitening matrix.
    """

    temperature: float = 0.05
    group_size: int = 6
    shuffles: int = 3
    shrinkage: float = 1e-3
    live: bool = False

    needs = Needs(
        extras=(Extra("permutations", "(P, n)", Origin.CARRIED, "the orders in which units are grouped (int64)"),), divisor="group_size"
    )
    source = "Zhuo et al. (2023), WhitenedCSE"
    verified = "read in the official code, not run; whitening tested in closed form"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature)
        require_at_least(1, group_size=self.group_size, shuffles=self.shuffles)
        require_at_least(0, shrinkage=self.shrinkage)
        if self.shrinkage > 1:
            raise InputError(f"shrinkage is a share and must lie in [0, 1], got {self.shrinkage}")

    @property
    def strength(self) -> float:
        """0.0001 of the temperature, because whitening amplifies the directions that vary least."""
        return 0.0001 * self.temperature

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random permutations."""
        orders = [torch.randperm(width, generator=generator, device=generator.device) for _ in range(self.shuffles)]
        return {"permutations": torch.stack(orders)}

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the permutations, each composed with the last one: new shuffles that need no generator."""
        orders = extra(batch, "permutations")
        return {"permutations": orders[:, orders[-1]]}

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over samples and shuffles."""
        if output.shape[1] % self.group_size:
            raise ShapeError(
                f"{output.shape[1]} outputs cannot be cut into groups of {self.group_size}; "
                "take another number of outputs, or a group_size that divides it"
            )
        judged = two_views(output if self.live else held, batch)
        views = two_views(output, batch)
        orders = extra(batch, "permutations")
        anchor = self._shuffled(views[0], judged[0], orders[0])
        terms = [matched(anchor, self._shuffled(views[1], judged[1], order), 1 / self.temperature) for order in orders]
        return torch.stack(terms).mean()

    def _shuffled(self, rows: Tensor, judged: Tensor, order: Tensor) -> Tensor:
        white = whitened(rows[:, order], judged[:, order], self.group_size, self.shrinkage)
        return unit(white[:, torch.argsort(order)])
