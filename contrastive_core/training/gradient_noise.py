r"""Noise of mini-batches' gradients, and the errors of these gradients as a share of it, over one update or many.

An error has a systematic part :math:`\bar e`, its mean over all mini-batches, and a random one of variance v. Over n updates the first
adds up to :math:`n |\bar e|` and the second to :math:`\sqrt{n v}`, as the noise does to :math:`\sqrt n\,\sigma`. The share that errors
have of the noise therefore is :math:`\sqrt{n |\bar e|^2 + v} / \sigma`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive_core.types import Gradients


def joined(gradients: Gradients) -> Tensor:
    """Return all entries of a gradient in one row, of shape (P,) and the dtype of the parameters."""
    return torch.cat([value.detach().flatten() for value in gradients.values()])


def spread(rows: Tensor) -> float:
    """Return the noise of mini-batches: the root of the summed sample variances of all entries of K gradients, of shape (K, P)."""
    return float(torch.linalg.vector_norm(rows - rows.mean(0))) / math.sqrt(len(rows) - 1)


class Errors(NamedTuple):
    """Moments of kinds of errors of K mini-batches' gradients, from which the size of every combination of them follows.

    Attributes
    ----------
    means : ndarray of shape (M, M)
        Products of the mean errors of every two kinds, in float64.
    covariances : ndarray of shape (M, M)
        Summed sample covariances of every two kinds, in float64.
    batches : int
        Number K of mini-batches.
    """

    means: NDArray[np.float64]
    covariances: NDArray[np.float64]
    batches: int

    @classmethod
    def of(cls, kinds: Sequence[Tensor]) -> Errors:
        """Return the moments of errors, each of shape (K, P)."""
        count, rows = len(kinds[0]), torch.cat(tuple(kinds))
        # Everything follows from the products of all rows, which one pass over the entries gives.
        products = (rows @ rows.T).double().cpu().numpy().reshape(len(kinds), count, len(kinds), count)
        means = products.mean((1, 3))
        return cls(means, (np.einsum("akbk->ab", products) - count * means) / (count - 1), count)

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
        weights = np.array(factors, dtype=float)
        systematic, variance = (max(float(weights @ moments @ weights), 0.0) for moments in (self.means, self.covariances))
        return math.sqrt(updates * systematic + (1 - 1 / self.batches) * variance) / noise
