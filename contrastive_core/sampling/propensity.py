"""Pairs drawn against the bias of what is easy to find."""

import torch
from torch import Tensor

from contrastive_core.errors import InputError


def draw_pairs(propensities: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    r"""Draw partners with probability :math:`\propto 1/p`, and return them with weights that undo it (DebCSE, Miao et al., 2023).

    A pair that shallow similarity alone makes likely is drawn less often. With the weights :math:`w_j = p_j \sum_k (1/p_k) / K`, a
    weighted mean over drawn partners has the expectation of the plain mean over all of them.

    Parameters
    ----------
    propensities : Tensor of shape (B, K)
        How likely each partner is by what shall not count, positive; 0 for a partner that is not allowed.
    count : int
        Partners per row, drawn with replacement.
    generator : torch.Generator
        Source of the draws.

    Returns
    -------
    places : Tensor of shape (B, count)
        The partners.
    weights : Tensor of shape (B, count)
        Importance weights, of mean 1.
    """
    allowed = propensities > 0
    if not bool(propensities.isfinite().all()) or bool((propensities < 0).any()) or not bool(allowed.any(1).all()):
        raise InputError("propensities must be finite and not negative, and every row needs a partner with a positive one")
    inverse = torch.where(allowed, 1 / propensities, 0.0)
    shares = inverse / inverse.sum(1, keepdim=True)
    places = torch.multinomial(shares, count, replacement=True, generator=generator)
    return places, 1 / (shares.gather(1, places) * allowed.sum(1, keepdim=True))
