"""Features transformed before they are contrasted: positives pushed apart, negatives mixed."""

import torch
from torch import Tensor

from contrastive_core.errors import InputError


def extrapolate(first: Tensor, second: Tensor, generator: torch.Generator, shape: float = 2.0) -> tuple[Tensor, Tensor]:
    r"""Return positives moved away from each other (Zhu et al., 2021, on visualising feature transformation).

    :math:`\hat q = \lambda q + (1 - \lambda) k` and the same with both swapped, :math:`\lambda = 1 + \mathrm{Beta}(a, a)`: their sum stays,
    and for rows of equal length their product never rises.

    Parameters
    ----------
    first, second : Tensor of shape (B, n)
        q and k.
    generator : torch.Generator
        Source of one :math:`\lambda` per pair.
    shape : float
        a.

    Returns
    -------
    tuple of Tensor
        Both, not normalised.
    """
    if first.shape != second.shape:
        raise InputError(f"positives do not pair up: {tuple(first.shape)} and {tuple(second.shape)}")
    weight = 1 + beta(len(first), shape, generator).to(first)[:, None]
    return weight * first + (1 - weight) * second, weight * second + (1 - weight) * first


def interpolate(negatives: Tensor, generator: torch.Generator, shape: float = 1.6) -> Tensor:
    r"""Return negatives :math:`\lambda n + (1 - \lambda) n_\pi`, :math:`\lambda \sim \mathrm{Beta}(a, a)`, :math:`\pi` a random order.

    Of the same paper as :func:`extrapolate`; the queue's diversity grows at no cost.

    Parameters
    ----------
    negatives : Tensor of shape (K, n)
        The n.
    generator : torch.Generator
        Source of the order and of one :math:`\lambda` per negative.
    shape : float
        a.

    Returns
    -------
    Tensor of shape (K, n)
        Not normalised.
    """
    order = torch.randperm(len(negatives), generator=generator)
    weight = beta(len(negatives), shape, generator).to(negatives)[:, None]
    return weight * negatives + (1 - weight) * negatives[order]


def beta(count: int, shape: float, generator: torch.Generator) -> Tensor:
    """Draw from Beta(a, a) by inverting its distribution at uniform numbers of the generator, in float64."""
    from scipy.special import betaincinv

    if not shape > 0:
        raise InputError(f"the shape of a beta distribution must be positive, got {shape}")
    uniform = torch.rand(count, generator=generator, dtype=torch.float64)
    return torch.from_numpy(betaincinv(shape, shape, uniform.numpy()))
