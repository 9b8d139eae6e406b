"""Batches of neighbours in feature space, which are hard negatives of each other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.data.splits import Split
from contrastive_core.errors import InputError


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
