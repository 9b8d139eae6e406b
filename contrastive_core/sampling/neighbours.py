"""Neighbours in feature space, used as further positives or as hard negatives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.data.splits import Split
from contrastive_core.errors import InputError
from contrastive_core.mixing.mixing import Mixing, drawing, with_extra
from contrastive_core.objectives.batch_layout import extra
from contrastive_core.objectives.checks import require_at_least
from contrastive_core.objectives.needs import Needs
from contrastive_core.objectives.objective import Objective
from contrastive_core.sampling.sampler import cluster
from contrastive_core.types import Batch


def clustered_positives(queries: Tensor, memory: Tensor, clusters: Tensor, count: int) -> Tensor:
    """Return the nearest members of each query's cluster in a memory, as further positives, without a gradient.

    The idea is that of BECLR (Poulakakis-Daktylidis & Jamali-Rad, 2024), without its optimal transport. A query belongs to the cluster
    of its nearest neighbour in the memory.

    Parameters
    ----------
    queries : Tensor of shape (B, n)
        Embeddings.
    memory : Tensor of shape (K, n)
        Embeddings of the memory.
    clusters : Tensor of shape (K,)
        Cluster of each member of the memory.
    count : int
        Number of positives for each query; a cluster that has fewer gives its nearest member again.

    Returns
    -------
    Tensor of shape (B, count)
        Indices into the memory, nearest first.
    """
    if not 1 <= count <= len(memory):
        raise InputError(f"cannot take {count} positives from a memory of {len(memory)}; choose a number from 1 to {len(memory)}")
    cosines = normalize(queries.detach()) @ normalize(memory.detach()).T
    own = clusters[cosines.argmax(1)]
    values, places = cosines.masked_fill(clusters[None, :] != own[:, None], -torch.inf).topk(count, dim=1)
    return torch.where(values == -torch.inf, places[:, :1], places)


def similar_batches(features: Tensor, batch_size: int, generator: torch.Generator) -> list[Tensor]:
    """Make batches of similar samples: repeatedly a random sample with its nearest neighbours among the samples left.

    Parameters
    ----------
    features : Tensor of shape (N, n)
        Features by whose cosine nearness is measured.
    batch_size : int
        Samples per batch, at least 2.
    generator : torch.Generator
        Source of the first samples.

    Returns
    -------
    list of Tensor
        Indices of each batch, the random sample first. Every sample appears once; a remainder of one sample is left out.
    """
    if batch_size < 2:
        raise InputError(f"a batch needs at least 2 samples, got {batch_size}")
    unit, made = normalize(features.detach()), []
    left = torch.ones(len(unit), dtype=torch.bool)
    for first in torch.randperm(len(unit), generator=generator).tolist():
        if not bool(left[first]) or int(left.sum()) < 2:
            continue
        cosines = (unit @ unit[first]).masked_fill(~left, -torch.inf)
        cosines[first] = torch.inf  # the sample itself comes first, also if it is a row of zeros
        batch = cosines.topk(min(batch_size, int(left.sum()))).indices
        left[batch] = False
        made.append(batch)
    return made


@final
@dataclass(frozen=True)
class SimilarBatches:
    """Batches of samples with similar outputs at the start of the epoch, which are hard negatives of each other."""

    def __call__(self, split: Split, features: Callable[[], Tensor], batch_size: int, generator: torch.Generator) -> list[Tensor]:
        """Gather neighbours among the outputs."""
        return similar_batches(features(), batch_size, generator)


@final
@dataclass(frozen=True)
class ClusteredPositives(Mixing):
    """Averages the objective over each row's key and over that key's nearest neighbours in its cluster of the queue.

    Attributes
    ----------
    clusters : int
        Number of clusters of the queue, by k-means for every batch: keep the queue at a few thousand.
    count : int
        Number of further positives.
    """

    clusters: int = 8
    count: int = 3

    def __post_init__(self) -> None:
        require_at_least(1, clusters=self.clusters, count=self.count)

    def refusal(self, objective: Objective) -> str | None:
        """Refuse objectives without keys and a queue of them."""
        names = {wanted.name for wanted in objective.needs.extras}
        return None if {"keys", "queue"} <= names else "it has no queue of keys to find positives in"

    def needs(self, objective: Objective) -> Needs:
        """Return the objective's needs."""
        return objective.needs

    def start(self, width: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return an empty dict: nothing is learnt."""
        return {}

    def loss(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return the mean over the positives."""
        keys, queue = extra(batch, "keys"), extra(batch, "queue")
        members = cluster(queue, self.clusters, drawing(seed))
        found = queue[clustered_positives(keys, queue, members, self.count)]  # (B, count, n)
        every = [keys, *found.unbind(1)]
        return torch.stack([objective.loss(output, held, with_extra(batch, "keys", key)) for key in every]).mean()
