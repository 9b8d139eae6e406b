"""Mixed positives for contrastive regression."""

import torch
from torch import Tensor

from contrastive_core.errors import InputError


def mix_positives(features: Tensor, labels: Tensor, anchor: int, generator: torch.Generator, count: int = 1) -> tuple[Tensor, Tensor]:
    r"""Mix pairs whose labels lie on both sides of an anchor's so that the mixture has its label (SupReMix, Wu et al., 2023).

    :math:`\lambda z_i + (1 - \lambda) z_j` with :math:`\lambda y_i + (1 - \lambda) y_j = y_a`. The paper's rule as its abstract and README
    state it; pairs are drawn uniformly here.

    Parameters
    ----------
    features : Tensor of shape (B, n)
        Embeddings.
    labels : Tensor of shape (B,)
        Real numbers.
    anchor : int
        The row a.
    generator : torch.Generator
        Source of the pairs.
    count : int
        How many mixtures.

    Returns
    -------
    positives : Tensor of shape (count, n)
        The mixtures, or no rows if no label is smaller, or none larger.
    weights : Tensor of shape (count,)
        The :math:`\lambda`.
    """
    if not 0 <= anchor < len(labels):
        raise InputError(f"row {anchor} of {len(labels)} cannot be the anchor")
    below, above = torch.nonzero(labels < labels[anchor])[:, 0], torch.nonzero(labels > labels[anchor])[:, 0]
    if not len(below) or not len(above):
        return features[:0], features.new_zeros(0)
    first = below[torch.randint(len(below), (count,), generator=generator)]
    second = above[torch.randint(len(above), (count,), generator=generator)]
    weights = (labels[second] - labels[anchor]) / (labels[second] - labels[first])
    return weights[:, None] * features[first] + (1 - weights)[:, None] * features[second], weights


def mix_negatives(features: Tensor, anchor: int, negatives: Tensor, weights: Tensor) -> Tensor:
    r"""Return the anchor-inclusive negatives :math:`\lambda z_a + (1 - \lambda) z_n` of the same paper, of shape (K, n)."""
    return weights[:, None] * features[anchor] + (1 - weights)[:, None] * features[negatives]
