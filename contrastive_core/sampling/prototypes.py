"""Further positives from a memory of past embeddings, in parts around prototypes that last from batch to batch (BECLR)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.mixing.mixing import Mixing, drawing, with_extra
from contrastive_core.objectives.batch_layout import extra
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.instances.clustering import sinkhorn
from contrastive_core.objectives.needs import Extra, Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.sampling.sampler import cluster
from contrastive_core.types import Batch

CENTRES = Extra("memory_prototypes", "(P, n)", Origin.CARRIED, "the mean of each part of the memory")
MEMBERS = Extra("memory_parts", "(Q,)", Origin.CARRIED, "the part of each key in the queue (int64), newest first")
SEEN = Extra("memory_seen", "()", Origin.CARRIED, "the number of keys in the queue that a network gave (int64)")


def clustered_positives(queries: Tensor, memory: Tensor, members: Tensor, prototypes: Tensor, count: int) -> Tensor:
    """Return the nearest members of each query's part of a memory, as further positives, without a gradient.

    A query belongs to the part of its nearest prototype. A part with fewer members than wanted is left for the whole memory, as in the
    official code of BECLR.

    Parameters
    ----------
    queries : Tensor of shape (B, n)
        Embeddings.
    memory : Tensor of shape (K, n)
        Embeddings of the memory.
    members : Tensor of shape (K,)
        Part of each of them.
    prototypes : Tensor of shape (P, n)
        Prototype of each part.
    count : int
        Number of positives for each query.

    Returns
    -------
    Tensor of shape (B, count)
        Indices into the memory, nearest first.
    """
    if not 1 <= count <= len(memory):
        raise InputError(f"cannot take {count} positives from a memory of {len(memory)}; choose a number from 1 to {len(memory)}")
    rows = unit(queries.detach())
    own = (rows @ unit(prototypes).T).argmax(1)
    outside = members[None, :] != own[:, None]  # (B, K)
    outside &= ((~outside).sum(1) >= count)[:, None]
    return (rows @ unit(memory.detach()).T).masked_fill(outside, -torch.inf).topk(count, dim=1).indices


def means(memory: Tensor, members: Tensor, old: Tensor) -> Tensor:
    """Return the mean of each part of a memory, of shape (P, n); an empty part keeps its old prototype.

    Parameters
    ----------
    memory : Tensor of shape (K, n)
        Embeddings.
    members : Tensor of shape (K,)
        Part of each of them.
    old : Tensor of shape (P, n)
        Prototypes until now.
    """
    sizes = torch.bincount(members, minlength=len(old))[:, None]
    sums = torch.zeros_like(old).index_add(0, members, memory.to(old.dtype))
    return torch.where(sizes > 0, sums / sizes.clamp(min=1), old)


@final
@dataclass(frozen=True)
class ClusteredPositives(Mixing):
    r"""Averages the objective over each row's key and over that key's nearest neighbours in its part of the queue.

    The memory of BECLR (Poulakakis-Daktylidis & Jamali-Rad, 2024): k-means cuts the first ``warm_up`` keys into parts. From then on every
    batch of keys is assigned to the prototypes by balanced transport of the cosines over :math:`\epsilon`, and joins the queue. A
    prototype is the mean of its members in the queue, hence a moving average over past batches; without members it stays. The official
    code waits until its memory is full, and finds neighbours in the batch itself too. Its default is Euclidean distance in the
    transport, with cosines as an option, and it can average prototypes over time (by default it does not). Its loss is another one, and
    it also enhances the rows that are trained. Here keys that are found stay among the negatives of the queue.

    Attributes
    ----------
    clusters : int
        Number of prototypes.
    count : int
        Number of further positives.
    warm_up : int
        Keys before the first partition, until which there are no further positives; at most the whole queue.
    regularisation : float
        :math:`\epsilon` of the transport.
    iterations : int
        Number of normalisations of the transport.
    """

    clusters: int = 8
    count: int = 3
    warm_up: int = 1024
    regularisation: float = 0.05
    iterations: int = 10

    def __post_init__(self) -> None:
        require_at_least(1, clusters=self.clusters, count=self.count, iterations=self.iterations)
        require_at_least(max(self.clusters, self.count), warm_up=self.warm_up)
        require_positive(regularisation=self.regularisation)

    def refusal(self, objective: Objective) -> str | None:
        """Refuse objectives without keys and a queue of them; terms of a sum have theirs under names of their own."""
        names = {wanted.name for wanted in objective.needs.extras}
        return None if {"keys", "queue"} <= names else "it finds positives in a queue of keys; give an objective that has one, and no sum"

    def needs(self, objective: Objective) -> Needs:
        """Return the objective's needs, with the prototypes, the parts of the queue and the keys before the first partition."""
        return objective.needs._replace(extras=(*objective.needs.extras, CENTRES, MEMBERS, SEEN), warm_up=self.warm_up)

    def start(self, started: Mapping[str, Tensor], width: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return a memory without keys, and no prototypes yet."""
        queue = started["queue"]
        if len(queue) < max(self.clusters, self.count):
            raise InputError(
                f"a queue of {len(queue)} keys cannot give {self.clusters} clusters and {self.count} positives; "
                "raise the objective's length, or ask for fewer"
            )
        members = torch.zeros(len(queue), dtype=torch.int64, device=queue.device)
        return {CENTRES.name: queue.new_zeros(self.clusters, width), MEMBERS.name: members, SEEN.name: members.new_zeros(())}

    def carry(self, carried: Mapping[str, Tensor], batch: Batch, seed: int) -> dict[str, Tensor]:
        """Return the prototypes and parts after this batch's keys have joined the queue."""
        keys, queue = unit(extra(batch, "keys").detach()), carried["queue"]
        prototypes, members, before = extra(batch, CENTRES.name), extra(batch, MEMBERS.name), int(extra(batch, SEEN.name))
        seen = min(before + len(keys), len(queue))
        memory = queue[:seen]
        if self._parted(before, queue):
            plan = sinkhorn(keys @ unit(prototypes).T / self.regularisation, self.iterations)
            members = torch.cat([plan.argmax(1), members])[: len(queue)]
        elif self._parted(seen, queue):
            members = torch.cat([cluster(memory, self.clusters, drawing(seed)).to(members.device), members])[: len(queue)]
        if self._parted(seen, queue):
            prototypes = means(memory, members[:seen], prototypes)
        return {CENTRES.name: prototypes, MEMBERS.name: members, SEEN.name: torch.full_like(extra(batch, SEEN.name), seen)}

    def loss(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return the mean over the positives."""
        keys, queue, seen = extra(batch, "keys"), extra(batch, "queue"), int(extra(batch, SEEN.name))
        if not self._parted(seen, queue):
            return objective.loss(output, held, batch)
        memory = queue[:seen]
        found = clustered_positives(keys, memory, extra(batch, MEMBERS.name)[:seen], extra(batch, CENTRES.name), self.count)
        every = [keys, *memory[found].unbind(1)]
        return torch.stack([objective.loss(output, held, with_extra(batch, "keys", key)) for key in every]).mean()

    def _parted(self, seen: int, queue: Tensor) -> bool:
        """Return whether a queue with this many keys has been cut into parts."""
        return seen >= min(self.warm_up, len(queue))
