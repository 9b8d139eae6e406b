"""Hard negatives made by mixing the hardest ones there are."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.errors import InputError


def mix_hard_negatives(
    queries: Tensor, negatives: Tensor, generator: torch.Generator, *, hardest: int = 1024, pairs: int = 1024, with_query: int = 128
) -> Tensor:
    r"""Return synthetic negatives for each query (MoCHi, Kalantidis et al., 2020), without a graph.

    Of the N negatives nearest to a query, first :math:`\alpha n_i + (1 - \alpha) n_j`, :math:`\alpha \sim U(0, 1)`, then
    :math:`\beta q + (1 - \beta) n_j`, :math:`\beta \sim U(0, \tfrac12)`, all normalised. They join the objective's denominator,
    after some epochs without. The sizes are those of the paper's scale; read in an unofficial repository, not re-read in the paper.

    Parameters
    ----------
    queries : Tensor of shape (B, n)
        Embeddings.
    negatives : Tensor of shape (K, n)
        A queue of others.
    generator : torch.Generator
        Source of partners and weights.
    hardest : int
        N, at most K.
    pairs, with_query : int
        How many of each kind.

    Returns
    -------
    Tensor of shape (B, pairs + with_query, n)
        Of unit length.
    """
    if hardest < 1 or pairs < 0 or with_query < 0 or not len(negatives):
        raise InputError(f"mixing needs negatives and numbers of at least 0, got {len(negatives)}, {hardest}, {pairs} and {with_query}")
    unit, pool = normalize(queries.detach()), normalize(negatives.detach())
    near = pool[(unit @ pool.T).topk(min(hardest, len(pool)), dim=1).indices]  # (B, N, n)
    rows = torch.arange(len(unit))[:, None]

    def some(count: int) -> Tensor:
        return near[rows, torch.randint(near.shape[1], (len(unit), count), generator=generator)]

    def weights(count: int, most: float) -> Tensor:
        return most * torch.rand(len(unit), count, 1, generator=generator, dtype=unit.dtype)

    alpha, beta = weights(pairs, 1.0), weights(with_query, 0.5)
    mixed = alpha * some(pairs) + (1 - alpha) * some(pairs)
    harder = beta * unit[:, None] + (1 - beta) * some(with_query)
    return normalize(torch.cat([mixed, harder], dim=1), dim=2)
