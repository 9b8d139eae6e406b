"""Few-shot tests: classes from a few samples each, with and without alignment of support and queries by optimal transport."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.data.splits import Split
from contrastive_core.errors import InputError


class FewShot(NamedTuple):
    """Accuracy over all episodes.

    Attributes
    ----------
    plain : float
        Share of queries that are nearest to the prototype of their class.
    aligned : float
        Accuracy with prototypes that are transported to the queries.
    """

    plain: float
    aligned: float


def transport(cost: Tensor, regularisation: float, iterations: int = 200) -> Tensor:
    r"""Return the entropic optimal transport plan between two uniform measures, by Sinkhorn's iterations on logarithms.

    The plan minimises :math:`\sum_{ij} \pi_{ij} c_{ij} - \epsilon H(\pi)` with rows that sum to 1/P and columns that sum to 1/Q.

    Parameters
    ----------
    cost : Tensor of shape (..., P, Q)
        c; each of several problems is solved on its own.
    regularisation : float
        :math:`\epsilon`, positive, in units of the cost.
    iterations : int
        Iterations; the last one makes the rows exact.

    Returns
    -------
    Tensor of shape (..., P, Q)
        :math:`\pi`, in float64.

    References
    ----------
    Cuturi (2013), Sinkhorn distances.
    """
    if not 0 < regularisation < math.inf:
        raise InputError(f"the regularisation of a transport must be positive, got {regularisation}; 0.05 is usual")
    scores = -cost.double() / regularisation
    few, many = (-math.log(size) for size in cost.shape[-2:])
    columns = torch.zeros_like(scores[..., :1, :])
    for _ in range(iterations):
        rows = few - (scores + columns).logsumexp(-1, keepdim=True)
        columns = many - (scores + rows).logsumexp(-2, keepdim=True)
    rows = few - (scores + columns).logsumexp(-1, keepdim=True)
    return (scores + rows + columns).exp()


def aligned(prototypes: Tensor, queries: Tensor, regularisation: float = 0.05) -> Tensor:
    """Return prototypes as means of the queries to which an optimal plan transports them, of shape (..., P, n).

    The cost is the squared distance. A mean shift between support and queries moves all prototypes alike, and the plan undoes it.

    References
    ----------
    Poulakakis-Daktylidis & Jamali-Rad (2024), BECLR; the rule was read in the authors' code (stypoumic/BECLR), the strength is ours.
    """
    plan = transport(torch.cdist(prototypes.double(), queries.double()).square(), regularisation)
    return (plan / plan.sum(-1, keepdim=True)) @ queries.double()


def few_shot(features: Split, ways: int = 5, shots: int = 1, queries: int = 15, episodes: int = 100, seed: int = 0) -> FewShot:
    """Test features in episodes of a few classes, each from a few samples of its own.

    Parameters
    ----------
    features : Split
        Features in place of inputs, of shape (N, n), and class indices.
    ways, shots, queries : int
        Classes of an episode, and samples of each class that make its prototype or ask for their class. Fewer classes than ``ways`` are
        all taken; classes with too few samples are left out.
    episodes : int
        Number of episodes.
    seed : int
        Seed of the choices.

    Returns
    -------
    FewShot
        Accuracies, in [0, 1].

    Raises
    ------
    InputError
        If fewer than two classes have enough samples.
    """
    generator = torch.Generator().manual_seed(seed)
    unit = normalize(features.inputs.double())
    members = [(features.labels == label).nonzero()[:, 0] for label in torch.unique(features.labels)]
    members = [rows for rows in members if len(rows) >= shots + queries]
    if len(members) < 2:
        raise InputError(f"a few-shot test needs two classes of {shots + queries} samples; test more samples, or ask fewer of each class")
    ways = min(ways, len(members))
    truth = torch.arange(ways).repeat_interleave(queries)
    support, asked = [], []
    for _ in range(episodes):
        chosen = torch.randperm(len(members), generator=generator)[:ways]
        drawn = [members[int(one)][torch.randperm(len(members[int(one)]), generator=generator)[: shots + queries]] for one in chosen]
        support.append(torch.stack([unit[rows[:shots]].mean(0) for rows in drawn]))
        asked.append(torch.cat([unit[rows[shots:]] for rows in drawn]))
    prototypes, wanted = torch.stack(support), torch.stack(asked)  # (episodes, ways, n) and (episodes, ways * queries, n)
    decided = (torch.cdist(wanted, centres).argmin(2) for centres in (prototypes, aligned(prototypes, wanted)))
    return FewShot(*(float((classes == truth).double().mean()) for classes in decided))
