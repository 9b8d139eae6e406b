"""Real samples repeated beside generated ones."""

import torch
from torch import Tensor

from contrastive_core.errors import InputError


def replicate(num_real: int, num_generated: int, times: int, generator: torch.Generator) -> Tensor:
    """Return the order of an epoch in which each real sample stands several times, and each generated one once (AdaInf, Wang et al., 2024).

    Generated samples dilute the real ones: the more there are, the more often the real ones are to be repeated and the weaker views
    should be (in the paper's settings about half as strong; here that is the strength of ``MultiView``).

    Parameters
    ----------
    num_real, num_generated : int
        Samples; the real ones have the first indices.
    times : int
        How often each real one stands, at least once.
    generator : torch.Generator
        Source of the order.

    Returns
    -------
    Tensor of shape (times * num_real + num_generated,)
        Indices.
    """
    if num_real < 1 or num_generated < 0 or times < 1:
        raise InputError(f"replication needs real samples and a number of times of at least 1, got {num_real}, {num_generated}, {times}")
    every = torch.cat([torch.arange(num_real).repeat(times), torch.arange(num_real, num_real + num_generated)])
    return every[torch.randperm(len(every), generator=generator)]
