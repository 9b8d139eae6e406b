"""Real samples repeated beside generated ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.splits import Split
from contrastive_core.errors import InputError
from contrastive_core.objectives.checks import require_at_least
from contrastive_core.sampling.sampler import Shuffled


def replicate(num_real: int, num_generated: int, times: int, generator: torch.Generator) -> Tensor:
    """Return the order of an epoch in which each real sample stands several times, and each generated one once (AdaInf, Wang et al., 2024).

    Generated samples dilute the real ones: the more there are, the more often the real ones are to be repeated and the weaker views
    should be (in the paper's settings about half as strong; here that is the strength of ``MultiView``).

    Parameters
    ----------
    num_real, num_generated : int
        Samples; the real ones have the first indices.
    times : int
        Number of times that each real one stands, at least 1.
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


@final
@dataclass(frozen=True)
class Replicated:
    """Every sample several times in an epoch, all being real ones, and never twice in a batch.

    Attributes
    ----------
    times : int
        Number of times.
    """

    times: int = 2

    def __post_init__(self) -> None:
        require_at_least(1, times=self.times)

    def __call__(self, split: Split, features: Callable[[], Tensor], batch_size: int, generator: torch.Generator) -> list[Tensor]:
        """Go through the split as often."""
        return [batch for _ in range(self.times) for batch in Shuffled()(split, features, batch_size, generator)]
