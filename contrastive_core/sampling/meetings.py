"""Measure of a sampler: how alike the samples are that meet in a batch."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.data.splits import Split


class Meetings(NamedTuple):
    """Pairs of samples that meet in the batches of an epoch.

    Attributes
    ----------
    alike : float
        Share of the pairs whose samples are of one class.
    cosine : float
        Mean cosine of the pairs' inputs.
    """

    alike: float
    cosine: float


def meetings(split: Split, batches: Sequence[Tensor]) -> Meetings:
    """Return how alike the samples are that meet.

    Batches that show every sample once have a mean cosine of at least about that of all pairs, because the squared length of a mean of
    inputs is convex. A sampler can therefore make large batches more alike, but hardly less alike than a random order does.

    Parameters
    ----------
    split : Split
        Samples with their classes.
    batches : sequence of Tensor
        Indices of the samples of each batch.
    """
    unit = normalize(split.inputs.double())
    pairs, alike, cosine = 0, 0.0, 0.0
    for rows in batches:
        label = split.labels[rows]
        pairs += len(rows) * (len(rows) - 1)
        known = label[label >= 0]  # generated samples have none
        alike += float(torch.bincount(known).square().sum()) - len(known)
        # The squared length of a sum holds every pair twice, and each row's own square.
        cosine += float(unit[rows].sum(0).square().sum() - unit[rows].square().sum())
    return Meetings(alike / max(1, pairs), cosine / max(1, pairs))
