"""Real samples, repeated to balance generated ones."""

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
    """Return a random order in which real samples appear several times and generated ones once (AdaInf, Wang et al., 2024).

    Generated samples dilute the real ones. The more there are, the more often the real ones should be repeated, and the weaker the
    views should be: about half as strong in the paper's settings. The strength of views is set in ``MultiView``.

    Parameters
    ----------
    num_real, num_generated : int
        Numbers of samples; real ones have the first indices.
    times : int
        Number of times that each real one stands, at least 1.
    generator : torch.Generator
        Source of the order.

    Returns
    -------
    Tensor of shape (times * num_real + num_generated,)
        Sample indices.
    """
    if num_real < 1 or num_generated < 0 or times < 1:
        raise InputError(
            f"replication needs real samples and times of at least 1, got {num_real} real, {num_generated} generated, {times} times"
        )
    every = torch.cat([torch.arange(num_real).repeat(times), torch.arange(num_real, num_real + num_generated)])
    return every[torch.randperm(len(every), generator=generator)]


@final
@dataclass(frozen=True)
class Replicated:
    """Every real sample several times in an epoch, but never twice in a batch; generated ones, whose label is negative, once.

    Attributes
    ----------
    times : int
        Number of times.
    """

    times: int = 2

    def __post_init__(self) -> None:
        require_at_least(1, times=self.times)

    def __call__(self, split: Split, features: Callable[[], Tensor], batch_size: int, generator: torch.Generator) -> list[Tensor]:
        """Shuffle the split anew for each repetition, which has all real samples and its part of the generated ones."""
        if bool((split.labels >= 0).all()):
            return [batch for _ in range(self.times) for batch in Shuffled()(split, features, batch_size, generator)]
        real, made = ((split.labels < 0).eq(which).nonzero()[:, 0] for which in (False, True))
        parts = made[torch.randperm(len(made), generator=generator)].tensor_split(self.times)
        each = [torch.cat([real, part]) for part in parts]
        orders = [rows[torch.randperm(len(rows), generator=generator)] for rows in each]
        return [batch for order in orders for batch in torch.split(order, batch_size) if len(batch) > 1]
