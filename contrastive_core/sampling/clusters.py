"""Batches by cluster: at most one sample of each cluster, or samples of one cluster only."""

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
    """Make batches in which no two samples share a pseudo-class (G-SimCLR, Chakraborty et al., 2020), to avoid false negatives.

    Classes with the most samples left come first, with ties in random order, so that as many samples as possible are shown.

    Parameters
    ----------
    classes : Tensor of shape (N,)
        Pseudo-class of each sample, for example from k-means.
    batch_size : int
        Samples per batch, at most the number of pseudo-classes.
    generator : torch.Generator
        Source of all orders.

    Returns
    -------
    list of Tensor
        Indices of each batch. Samples are left out once fewer classes than ``batch_size`` have samples left.
    """
    names, counts = torch.unique(classes, return_counts=True)
    if not 2 <= batch_size <= len(names):
        raise InputError(f"a batch of {batch_size} needs as many pseudo-classes, got {len(names)}; choose from 2 to {len(names)}")
    members = [torch.nonzero(classes == name)[:, 0] for name in names]
    members = [group[torch.randperm(len(group), generator=generator)] for group in members]
    left, made = counts.clone(), []
    while int((left > 0).sum()) >= batch_size:
        chosen = (left + torch.rand(len(left), generator=generator)).topk(batch_size).indices  # the fraction breaks ties at random
        left[chosen] -= 1
        made.append(torch.stack([members[place][left[place]] for place in chosen.tolist()]))
    return [made[place] for place in torch.randperm(len(made), generator=generator).tolist()]


def inside_clusters(classes: Tensor, batch_size: int, generator: torch.Generator) -> list[Tensor]:
    """Make batches of one cluster each, so that a stage learns features other than those that separate the clusters (MCL).

    Parameters
    ----------
    classes : Tensor of shape (N,)
        Cluster of each sample in the features of earlier stages.
    batch_size : int
        Samples per batch.
    generator : torch.Generator
        Source of all orders.

    Returns
    -------
    list of Tensor
        Indices of each batch. A remainder of one sample is left out, because it has no negatives.
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
    """Batches with at most one sample of each pseudo-class, where pseudo-classes are clusters of the inputs.

    The paper (Chakraborty et al., 2020) clusters the codes of a denoising autoencoder instead, as :meth:`of_codes` does.

    Attributes
    ----------
    per_sample : int
        Pseudo-classes per sample of a batch. With more of them batches differ more, and fewer samples are left out.
    """

    per_sample: int = 2

    def __post_init__(self) -> None:
        require_at_least(1, per_sample=self.per_sample)

    def __call__(self, split: Split, features: Callable[[], Tensor], batch_size: int, generator: torch.Generator) -> list[Tensor]:
        """Cluster the inputs, and spread every cluster over the batches."""
        return one_per_class(cluster(split.inputs, self.per_sample * batch_size, generator), batch_size, generator)

    def of_codes(self, codes: Tensor, batch_size: int, generator: torch.Generator) -> OnePerGiven:
        """Cluster codes of the training samples, once.

        Parameters
        ----------
        codes : Tensor of shape (N, n)
            Code of each training sample.
        batch_size : int
            Samples per batch.
        generator : torch.Generator
            Source of the first centres.

        Returns
        -------
        OnePerGiven
            Batches with at most one sample of each cluster.
        """
        return OnePerGiven(cluster(codes, self.per_sample * batch_size, generator))


@final
@dataclass(frozen=True, eq=False)
class OnePerGiven:
    """Batches with at most one sample of each given pseudo-class.

    Attributes
    ----------
    classes : Tensor of shape (N,)
        Pseudo-class of each training sample.
    """

    classes: Tensor

    def __call__(self, split: Split, features: Callable[[], Tensor], batch_size: int, generator: torch.Generator) -> list[Tensor]:
        """Spread every pseudo-class over the batches."""
        return one_per_class(self.classes, batch_size, generator)


@final
@dataclass(frozen=True)
class InsideClusters:
    """Batches of one cluster each, where clusters are those of the outputs at the start of the epoch (MCL, Zhang et al., 2024).

    Attributes
    ----------
    clusters : int
        Number of clusters of k-means.
    """

    clusters: int = 10

    def __post_init__(self) -> None:
        require_at_least(1, clusters=self.clusters)

    def __call__(self, split: Split, features: Callable[[], Tensor], batch_size: int, generator: torch.Generator) -> list[Tensor]:
        """Cluster the outputs, and cut every cluster into batches."""
        return inside_clusters(cluster(features(), self.clusters, generator), batch_size, generator)

    def of_stages(self, features: Sequence[Tensor], generator: torch.Generator) -> InsideGiven:
        """Cluster the outputs of networks from earlier stages, once; samples are together if they are in every stage.

        Parameters
        ----------
        features : sequence of Tensor of shape (N, n)
            Outputs for the training samples, the first stage first.
        generator : torch.Generator
            Source of the first centres. With an equal generator a later stage finds the same clusters again.

        Returns
        -------
        InsideGiven
            Batches inside the combined clusters.

        Raises
        ------
        InputError
            If no two samples share their clusters.
        """
        found = torch.stack([cluster(rows, self.clusters, generator) for rows in features], dim=1)
        combined = torch.unique(found, dim=0, return_inverse=True)[1]
        if int(combined.bincount().max()) < 2:
            raise InputError(f"no two samples share their clusters of all {len(features)} stages; give fewer sampler.clusters")
        return InsideGiven(combined)


@final
@dataclass(frozen=True, eq=False)
class InsideGiven:
    """Batches of one cluster each, for given clusters, as in the later stages of MCL.

    Attributes
    ----------
    clusters : Tensor of shape (N,)
        Cluster of each training sample.
    """

    clusters: Tensor

    def __call__(self, split: Split, features: Callable[[], Tensor], batch_size: int, generator: torch.Generator) -> list[Tensor]:
        """Cut every cluster into batches."""
        return inside_clusters(self.clusters, batch_size, generator)
