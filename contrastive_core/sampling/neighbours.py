"""Neighbours in feature space: as further positives, and as hard negatives of one batch."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.errors import InputError


def clustered_positives(queries: Tensor, memory: Tensor, clusters: Tensor, count: int) -> Tensor:
    """Return for each query the nearest members of its cluster in a memory, as further positives, without a graph.

    The idea is that of BECLR (Poulakakis-Daktylidis & Jamali-Rad, 2024), without its optimal transport; a query belongs to the cluster
    of the nearest member.

    Parameters
    ----------
    queries : Tensor of shape (B, n)
        Embeddings.
    memory : Tensor of shape (K, n)
        Embeddings that are kept.
    clusters : Tensor of shape (K,)
        The cluster of each.
    count : int
        How many for each query; the smallest cluster has as many.

    Returns
    -------
    Tensor of shape (B, count)
        Indices into the memory, nearest first.
    """
    smallest = int(torch.unique(clusters, return_counts=True)[1].min())
    if not 1 <= count <= smallest:
        raise InputError(f"{count} positives from clusters of {smallest} or more; choose a number from 1 to that")
    cosines = normalize(queries.detach()) @ normalize(memory.detach()).T
    own = clusters[cosines.argmax(1)]
    return cosines.masked_fill(clusters[None, :] != own[:, None], -torch.inf).topk(count, dim=1).indices


def similar_batches(features: Tensor, batch_size: int, generator: torch.Generator) -> list[Tensor]:
    """Make batches of samples that are near each other: a random sample with its nearest of those that are left, again and again.

    Parameters
    ----------
    features : Tensor of shape (N, n)
        In which nearness is measured, by the cosine.
    batch_size : int
        Samples per batch, at least 2.
    generator : torch.Generator
        Source of the first samples.

    Returns
    -------
    list of Tensor
        Indices, each sample once, the first of a batch in front; a rest of one sample is left out.
    """
    if batch_size < 2:
        raise InputError(f"a batch needs at least 2 samples, got {batch_size}")
    unit, made = normalize(features.detach()), []
    left = torch.ones(len(unit), dtype=torch.bool)
    for first in torch.randperm(len(unit), generator=generator).tolist():
        if not bool(left[first]) or int(left.sum()) < 2:
            continue
        cosines = (unit @ unit[first]).masked_fill(~left, -torch.inf)
        cosines[first] = torch.inf
        batch = cosines.topk(min(batch_size, int(left.sum()))).indices
        left[batch] = False
        made.append(batch)
    return made
