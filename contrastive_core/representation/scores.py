"""Scores of positive and negative pairs: their histograms, and how well a threshold tells them apart."""

from typing import NamedTuple

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.errors import InputError


class Scores(NamedTuple):
    """Cosines of the pairs of a batch.

    Attributes
    ----------
    positives, negatives : Tensor of shape (P,), (Q,)
        Cosines of two views of one sample, and of views of different samples; each pair once.
    """

    positives: Tensor
    negatives: Tensor


def pair_scores(features: Tensor, instances: Tensor) -> Scores:
    """Return the cosines of all pairs of rows, apart for pairs of one sample and of two.

    Parameters
    ----------
    features : Tensor of shape (R, n)
        Outputs for all views.
    instances : Tensor of shape (R,)
        Sample of each row.

    Returns
    -------
    Scores
        Cosines in float64.

    Raises
    ------
    InputError
        If there is no positive or no negative pair.
    """
    unit = normalize(features.double())
    rows, columns = torch.triu_indices(len(unit), len(unit), 1)
    cosines, same = (unit @ unit.T)[rows, columns], instances[rows] == instances[columns]
    if not bool(same.any()) or bool(same.all()):
        raise InputError("scores need positive and negative pairs; give two views of at least two samples")
    return Scores(cosines[same], cosines[~same])


def histogram(scores: Tensor, bins: int = 40) -> Tensor:
    """Return the density of cosines on equal bins from -1 to 1, of shape (bins,); its mean is 1/2."""
    counts = torch.histc(scores.clamp(-1, 1), bins, -1, 1)
    return counts / counts.sum() * bins / 2


def area_under_curve(scores: Scores) -> float:
    """Return the probability that a positive pair has the larger score than a negative one, ties counted by half; 1/2 is chance."""
    truth = torch.arange(2).flip(0).repeat_interleave(torch.tensor([len(scores.positives), len(scores.negatives)]))
    return float(roc_auc_score(truth.numpy(), torch.cat(scores).numpy()))
