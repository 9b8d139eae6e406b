"""Synthetic hard negatives, mixed from the hardest negatives of a queue."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.errors import InputError
from contrastive_core.mixing.mixing import Memoryless, drawing
from contrastive_core.objectives.batch_layout import extra
from contrastive_core.objectives.checks import require_at_least
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.instances.queue import QueueInfoNCE
from contrastive_core.objectives.log_softmax import through
from contrastive_core.objectives.needs import Needs
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch


def mix_hard_negatives(
    queries: Tensor, negatives: Tensor, generator: torch.Generator, *, hardest: int = 1024, pairs: int = 1024, with_query: int = 128
) -> Tensor:
    r"""Return synthetic negatives for each query (MoCHi, Kalantidis et al., 2020), without a gradient.

    They are mixed from the N negatives nearest to the query: first :math:`\alpha n_i + (1 - \alpha) n_j` with :math:`\alpha \sim
    U(0, 1)`, then :math:`\beta q + (1 - \beta) n_j` with :math:`\beta \sim U(0, \tfrac12)`, all normalised. In the paper they join the
    denominator of the objective after some epochs without them. The default sizes have the paper's scale; they were read in an
    unofficial repository, not in the paper.

    Parameters
    ----------
    queries : Tensor of shape (B, n)
        Embeddings.
    negatives : Tensor of shape (K, n)
        Queue of negatives.
    generator : torch.Generator
        Source of partners and weights.
    hardest : int
        Number N of nearest negatives, at most K.
    pairs, with_query : int
        Number of mixtures of each kind.

    Returns
    -------
    Tensor of shape (B, pairs + with_query, n)
        Mixtures of unit length.

    Raises
    ------
    InputError
        If there is nothing to mix, or fewer negatives than ``hardest``.
    """
    if hardest < 1 or pairs < 0 or with_query < 0 or not len(negatives):
        raise InputError(f"mixing needs negatives and numbers of at least 0, got {len(negatives)}, {hardest}, {pairs} and {with_query}")
    if hardest > len(negatives):
        raise InputError(f"there are {len(negatives)} negatives, fewer than the {hardest} hardest; lower hardest")
    unit, pool = normalize(queries.detach()), normalize(negatives.detach())
    near = pool[(unit @ pool.T).topk(hardest, dim=1).indices]  # (B, N, n)
    rows = torch.arange(len(unit))[:, None]

    def some(count: int) -> Tensor:
        return near[rows, torch.randint(near.shape[1], (len(unit), count), generator=generator)]

    def weights(count: int, most: float) -> Tensor:
        return most * torch.rand(len(unit), count, 1, generator=generator, dtype=unit.dtype)

    alpha, beta = weights(pairs, 1.0), weights(with_query, 0.5)
    mixed = alpha * some(pairs) + (1 - alpha) * some(pairs)
    harder = beta * unit[:, None] + (1 - beta) * some(with_query)
    return normalize(torch.cat([mixed, harder], dim=1), dim=2)


@final
@dataclass(frozen=True)
class MixedNegatives(Memoryless):
    """Adds to the denominator of InfoNCE, for each query, mixtures of its hardest negatives in the queue.

    The defaults suit queues of about a thousand keys; those of :func:`mix_hard_negatives` have the paper's scale.

    Attributes
    ----------
    hardest, pairs, with_query : int
        Arguments of :func:`mix_hard_negatives`.
    """

    hardest: int = 64
    pairs: int = 64
    with_query: int = 16

    def __post_init__(self) -> None:
        require_at_least(1, hardest=self.hardest)
        require_at_least(0, pairs=self.pairs, with_query=self.with_query)
        if not self.pairs + self.with_query:
            raise InputError("there is nothing to mix with 0 pairs and 0 mixtures with the query; give more of either")

    def refusal(self, objective: Objective) -> str | None:
        """Refuse objectives without a queue, or with a queue that is too short."""
        if not isinstance(objective, QueueInfoNCE):
            return "hard negatives are mixed from the queue of infonce-queue"
        if objective.length < self.hardest:
            return (
                f"its queue holds {objective.length}, fewer than the {self.hardest} hardest; lower mixer.hardest or raise objective.length"
            )
        return None

    def needs(self, objective: Objective) -> Needs:
        """Return the objective's needs."""
        return objective.needs

    def loss(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return InfoNCE with the mixtures."""
        rows, queue, scale = unit(output), extra(batch, "queue"), 1 / float(vars(objective)["temperature"])
        sizes = {"hardest": self.hardest, "pairs": self.pairs, "with_query": self.with_query}
        made = mix_hard_negatives(held, queue, drawing(seed), **sizes)  # (B, S, n), chosen at held outputs: no gradient
        positive = scale * (rows * unit(extra(batch, "keys"))).sum(1)
        others = torch.logaddexp(positive, (scale * torch.einsum("bn,bsn->bs", rows, made)).logsumexp(1))
        return through(rows, queue, scale, lambda sums: torch.logaddexp(sums, others).mean()) - positive.mean()
