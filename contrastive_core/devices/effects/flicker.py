"""Noise whose power falls as one over the frequency. Any use can be drawn by itself, without a history."""

import math

import torch
from torch import Tensor

from contrastive_core.devices.effect import Draws, normal


def flicker(like: Tensor, draws: Draws, octaves: int) -> Tensor:
    r"""Draw standard normal numbers that are correlated between uses of a device as 1/f noise is.

    The sum over octaves k of numbers that are redrawn every :math:`2^k` uses (Voss's algorithm, as Gardner, 1978, reports it; recalled).
    Over a span of N uses that starts at a multiple of :math:`2^{K-1}` and is one itself, its expected periodogram is

    .. math:: S(f) = \frac{1}{K} \sum_{k=0}^{K-1} \frac{1}{2^k}\, \frac{\sin^2(\pi f 2^k)}{\sin^2(\pi f)},

    which goes as 1/f between the last and the first octave, within a quarter.

    Parameters
    ----------
    like : Tensor
        Tensor of the shape, dtype and device of the result.
    draws : Draws
        Draws of an array; ``octaves`` of them are made.
    octaves : int
        Number K of octaves.

    Returns
    -------
    Tensor
        Noise of unit variance at every use.
    """
    total = torch.zeros_like(like)
    for k in range(octaves):
        total += normal(like.shape, like, draws.octave(k))
    return total / math.sqrt(octaves)
