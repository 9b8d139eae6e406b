"""Extrapolated positives and interpolated negatives."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.mixing.mixing import Memoryless, drawing, given, with_extra
from contrastive_core.objectives.batch_layout import extra, view_rows
from contrastive_core.objectives.checks import require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.needs import Needs
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch


def extrapolate(first: Tensor, second: Tensor, generator: torch.Generator, shape: float = 2.0) -> tuple[Tensor, Tensor]:
    r"""Move the two rows of each positive pair away from each other.

    :math:`\hat q = \lambda q + (1 - \lambda) k` and :math:`\hat k = \lambda k + (1 - \lambda) q` with :math:`\lambda = 1 +
    \mathrm{Beta}(a, a)`. The sum of the two does not change, and for rows of equal length the inner product never grows. Zhu et al.
    (2021), improving contrastive learning by visualising feature transformation.

    Parameters
    ----------
    first, second : Tensor of shape (B, n)
        q and k.
    generator : torch.Generator
        Source of one :math:`\lambda` per pair.
    shape : float
        Parameter a of the beta distribution.

    Returns
    -------
    tuple of Tensor
        Moved q and k, not normalised.
    """
    if first.shape != second.shape:
        raise InputError(f"positives do not pair up: {tuple(first.shape)} and {tuple(second.shape)}")
    weight = 1 + beta(len(first), shape, generator).to(first)[:, None]
    return weight * first + (1 - weight) * second, weight * second + (1 - weight) * first


def interpolate(negatives: Tensor, generator: torch.Generator, shape: float = 1.6) -> Tensor:
    r"""Mix each negative with another one.

    :math:`\lambda n + (1 - \lambda) n_\pi` with :math:`\lambda \sim \mathrm{Beta}(a, a)` and a random order :math:`\pi`.

    The source is that of :func:`extrapolate`. Mixing makes a queue more diverse without further keys.

    Parameters
    ----------
    negatives : Tensor of shape (K, n)
        Negatives n.
    generator : torch.Generator
        Source of the order and of one :math:`\lambda` per negative.
    shape : float
        Parameter a of the beta distribution.

    Returns
    -------
    Tensor of shape (K, n)
        Mixed negatives, not normalised.
    """
    order = torch.randperm(len(negatives), generator=generator)
    weight = beta(len(negatives), shape, generator).to(negatives)[:, None]
    return weight * negatives + (1 - weight) * negatives[order]


def beta(count: int, shape: float, generator: torch.Generator) -> Tensor:
    """Draw float64 numbers from Beta(a, a), by inverting its distribution function at uniform numbers."""
    from scipy.special import betaincinv

    if not shape > 0:
        raise InputError(f"the shape of a beta distribution must be positive, got {shape}; 1 is uniform")
    uniform = torch.rand(count, generator=generator, dtype=torch.float64)
    return torch.from_numpy(betaincinv(shape, shape, uniform.numpy()))


@final
@dataclass(frozen=True)
class ExtrapolatedPositives(Memoryless):
    """Applies the objective to views whose directions :func:`extrapolate` has moved apart; lengths are kept.

    Attributes
    ----------
    shape : float
        Shape of the beta distribution.
    """

    shape: float = 2.0

    def __post_init__(self) -> None:
        require_positive(shape=self.shape)

    def refusal(self, objective: Objective) -> str | None:
        """Refuse objectives that do not pair two views."""
        return None if objective.needs.fewest == 2 and not given(objective) else "it does not pair two views of outputs alone"

    def needs(self, objective: Objective) -> Needs:
        """Return the objective's needs, limited to two views."""
        return objective.needs._replace(most=2)

    def loss(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return the objective's loss for the moved rows."""
        index = view_rows(batch, 2, 2)

        def seen(rows: Tensor) -> Tensor:
            moved = torch.cat(extrapolate(unit(rows[index[:, 0]]), unit(rows[index[:, 1]]), drawing(seed), self.shape))
            places = index.T.reshape(-1)
            return rows.index_copy(0, places, torch.linalg.vector_norm(rows[places], dim=1, keepdim=True) * moved)

        return objective.loss(seen(output), seen(held), batch)


@final
@dataclass(frozen=True)
class InterpolatedNegatives(Memoryless):
    """Applies the objective to a queue that :func:`interpolate` mixes anew for every batch.

    Attributes
    ----------
    shape : float
        Shape of the beta distribution.
    """

    shape: float = 1.6

    def __post_init__(self) -> None:
        require_positive(shape=self.shape)

    def refusal(self, objective: Objective) -> str | None:
        """Refuse objectives without a queue."""
        return None if any(wanted.name in QUEUES for wanted in objective.needs.extras) else "it has no queue of negatives to mix"

    def needs(self, objective: Objective) -> Needs:
        """Return the objective's needs."""
        return objective.needs

    def loss(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return the objective's loss for the mixed queue."""
        generator = drawing(seed)
        name = next(wanted.name for wanted in objective.needs.extras if wanted.name in QUEUES)
        queue = extra(batch, name)
        width = queue.shape[-1]
        mixtures = [unit(interpolate(part, generator, self.shape)) for part in queue.reshape(-1, queue.shape[-2], width)]
        return objective.loss(output, held, with_extra(batch, name, torch.stack(mixtures).view_as(queue)))


QUEUES = ("queue", "queues")
"""Names of extras that hold negatives."""
