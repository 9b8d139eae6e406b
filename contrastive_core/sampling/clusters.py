"""Batches made of pseudo-classes: either no two samples of one, or samples of one alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.splits import Split
from contrastive_core.errors import InputError
from contrastive_core.objectives.checks import require_at_least
from contrastive_core.sampling.sampler import cluster


def one_per_class(classes: Tensor, batch_size: int, generator: torch.Generator) -> list[Tensor]:
    """Make batches in which no two samples share a pseudo-class (G-SimCLR, Chakraborty et al., 2020), so that no negative is a false one.

    The classes with most samples left come first, ties in random order, so that as many samples as possible are shown.

    Parameters
    ----------
    classes : Tensor of shape (N,)
        The pseudo-class of each sample, such as from k-means of an autoencoder's code.
    batch_size : int
        Samples per batch, at most the number of pseudo-classes.
    generator : torch.Generator
        Source of all orders.

    Returns
    -------
    list of Tensor
        Indices; what is left when fewer classes than a batch holds have samples is not shown.
    """
    names, counts = torch.unique(classes, return_counts=True)
    if not 2 <= batch_size <= len(names):
        raise InputError(f"a batch of {batch_size} cannot have a pseudo-class each: there are {len(names)}; choose from 2 to these")
    members = [torch.nonzero(classes == name)[:, 0] for name in names]
    members = [group[torch.randperm(len(group), generator=generator)] for group in members]
    left, made = counts.clone(), []
    while int((left > 0).sum()) >= batch_size:
        chosen = (left + torch.rand(len(left), generator=generator)).topk(batch_size).indices
        left[chosen] -= 1
        made.append(torch.stack([members[place][left[place]] for place in chosen.tolist()]))
    return [made[place] for place in torch.randperm(len(made), generator=generator).tolist()]


def inside_clusters(classes: Tensor, batch_size: int, generator: torch.Generator) -> list[Tensor]:
    """Make batches of one cluster each (MCL, Zhang et al., 2024), so that a stage learns other features than told the clusters apart.

    Parameters
    ----------
    classes : Tensor of shape (N,)
        The cluster of each sample, in the features of the stages before, as one number.
    batch_size : int
        Samples per batch.
    generator : torch.Generator
        Source of all orders.

    Returns
    -------
    list of Tensor
        Indices; a rest of one sample is left out, since it has nothing to be contrasted with.
    """
    if batch_size < 2:
        raise InputError(f"a batch needs at least 2 samples, got {batch_size}")
    made: list[Tensor] = []
    for name in torch.unique(classes):
        group = torch.nonzero(classes == name)[:, 0]
        made += torch.split(group[torch.randperm(len(group), generator=generator)], batch_size)
    made = [batch for batch in made if len(batch) > 1]
    return [made[place] for place in torch.randperm(len(made), generator=generator).tolist()]


@final
@dataclass(frozen=True)
class OnePerClass:
    """Batches with no two samples of a pseudo-class, which are clusters of the inputs.

    The paper clusters the codes of an autoencoder; here the inputs themselves.

    Attributes
    ----------
    per_sample : int
        Pseudo-classes per sample of a batch: with more of them, batches are less alike, and fewer samples are left out.
    """

    per_sample: int = 2

    def __post_init__(self) -> None:
        require_at_least(1, per_sample=self.per_sample)

    def __call__(self, split: Split, features: Callable[[], Tensor], batch_size: int, generator: torch.Generator) -> list[Tensor]:
        """Cluster the inputs, and spread every cluster over the batches."""
        return one_per_class(cluster(split.inputs, self.per_sample * batch_size, generator), batch_size, generator)


@final
@dataclass(frozen=True)
class InsideClusters:
    """Batches of one cluster each, of the outputs as they are at the start of the epoch.

    Attributes
    ----------
    clusters : int
        By k-means.
    """

    clusters: int = 10

    def __post_init__(self) -> None:
        require_at_least(1, clusters=self.clusters)

    def __call__(self, split: Split, features: Callable[[], Tensor], batch_size: int, generator: torch.Generator) -> list[Tensor]:
        """Cluster the outputs, and cut every cluster into batches."""
        return inside_clusters(cluster(features(), self.clusters, generator), batch_size, generator)

    def of_stages(self, features: Sequence[Tensor], generator: torch.Generator) -> InsideGiven:
        """Cluster what networks of earlier stages answer, once, and combine: samples are together that every stage put together.

        Parameters
        ----------
        features : sequence of Tensor of shape (N, n)
            Outputs for the training samples, the first stage first.
        generator : torch.Generator
            Source of the first centres. A later stage that starts from the same one finds the clusters that an earlier stage was shown.

        Returns
        -------
        InsideGiven
            Batches inside the combined clusters.

        Raises
        ------
        InputError
            If no two samples are together.
        """
        found = torch.stack([cluster(rows, self.clusters, generator) for rows in features], dim=1)
        combined = torch.unique(found, dim=0, return_inverse=True)[1]
        if int(combined.bincount().max()) < 2:
            raise InputError(f"no two samples share their clusters of all {len(features)} stages; give fewer sampler.clusters")
        return InsideGiven(combined)


@final
@dataclass(frozen=True, eq=False)
class InsideGiven:
    """Batches of one cluster each, of clusters that stay what they are (MCL's later stages).

    Attributes
    ----------
    clusters : Tensor of shape (N,)
        The cluster of each training sample.
    """

    clusters: Tensor

    def __call__(self, split: Split, features: Callable[[], Tensor], batch_size: int, generator: torch.Generator) -> list[Tensor]:
        """Cut every cluster into batches."""
        return inside_clusters(self.clusters, batch_size, generator)
