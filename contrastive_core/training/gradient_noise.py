r"""Noise of mini-batches' gradients, and the errors of these gradients as a share of it, over one update or many.

An error has a systematic part :math:`\bar e`, its mean over all mini-batches, and a random one of variance v. Over n updates the first
adds up to :math:`n |\bar e|` and the second to :math:`\sqrt{n v}`, as the noise does to :math:`\sqrt n\,\sigma`. The share that errors
have of the noise therefore is :math:`\sqrt{n |\bar e|^2 + v} / \sigma`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from contrastive_core.types import Gradients


def joined(gradients: Gradients) -> Tensor:
    """Return all entries of a gradient in one row, of shape (P,) and the dtype of the parameters."""
    return torch.cat([value.detach().flatten() for value in gradients.values()])


def spread(rows: Tensor) -> float:
    """Return the noise of mini-batches: the root of the summed sample variances of all entries of K gradients, of shape (K, P)."""
    return math.sqrt(float((rows - rows.mean(0)).square().sum(dtype=torch.float64)) / (len(rows) - 1))


class Errors(NamedTuple):
    """Moments of kinds of errors of K mini-batches' gradients, from which the size of every combination of them follows.

    Attributes
    ----------
    means : Tensor of shape (M, M)
        Products of the mean errors of every two kinds, in float64.
    covariances : Tensor of shape (M, M)
        Summed sample covariances of every two kinds, in float64.
    batches : int
        Number K of mini-batches.
    """

    means: Tensor
    covariances: Tensor
    batches: int

    @classmethod
    def of(cls, kinds: Sequence[Tensor]) -> Errors:
        """Return the moments of errors, each of shape (K, P)."""
        count = len(kinds[0])
        centres = torch.stack([kind.mean(0) for kind in kinds]).double()
        around = [(kind - kind.mean(0)).flatten() for kind in kinds]
        products = [[float((one * other).sum(dtype=torch.float64)) for other in around] for one in around]
        return cls(centres @ centres.T, torch.tensor(products, dtype=torch.float64) / (count - 1), count)

    def share(self, noise: float, updates: int, factors: Sequence[float] = (1.0,)) -> float:
        """Return the share of the noise that the sum of the errors has over many updates.

        For one update it is the root mean square of the errors over the noise. For more, the mean over K mini-batches stands for the
        systematic part, whose square it overestimates by a Kth of the variance: with few mini-batches this errs towards accuracy, where an
        estimate without bias is 0 too often.

        Parameters
        ----------
        noise : float
            Noise of a mini-batch, positive.
        updates : int
            Number of updates over which errors and noise add up.
        factors : sequence of float
            Factor of each kind of error.
        """
        weights = torch.tensor(tuple(factors), dtype=torch.float64)
        systematic, variance = (max(float(weights @ moments @ weights), 0.0) for moments in (self.means, self.covariances))
        return math.sqrt(updates * systematic + (1 - 1 / self.batches) * variance) / noise
