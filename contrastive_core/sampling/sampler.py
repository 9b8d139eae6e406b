"""Samplers: who meets whom in the batches of an epoch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.splits import Split

Sampler = Callable[[Split, Callable[[], Tensor], int, torch.Generator], list[Tensor]]
"""Maps a split, its features, a batch size and a generator to the batches of an epoch, in the order in which they are presented.

Each batch is a tensor of places in the split (int64), at least two and none twice. Labels of the split may be checked but not sampled by.
The features are a callable: it returns the network's outputs for the split as they are now, of shape (N, n), and costs a phase for every
sample. The batch size is at least 2. The generator is the source of all draws and is advanced by every call. A sampler is a frozen
dataclass whose fields are its settings, and raises ``InputError`` where the split cannot be sampled so.
"""


@final
@dataclass(frozen=True)
class Shuffled:
    """Every sample once, in random order; the last batch has what is left."""

    def __call__(self, split: Split, features: Callable[[], Tensor], batch_size: int, generator: torch.Generator) -> list[Tensor]:
        """Cut a random order into batches."""
        order = torch.randperm(len(split.labels), generator=generator, device=generator.device)
        return list(torch.split(order.to(split.labels.device), batch_size))


def cluster(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return the cluster of each row by k-means, of shape (N,) and dtype int64.

    Parameters
    ----------
    rows : Tensor of shape (N, n)
        Rows to be clustered, by distance.
    count : int
        Number of clusters, at most N.
    generator : torch.Generator
        Source of the first centres.
    """
    from sklearn.cluster import MiniBatchKMeans

    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    means = MiniBatchKMeans(min(count, len(rows)), n_init=1, batch_size=1024, random_state=seed)
    return torch.from_numpy(means.fit_predict(rows.detach().double().numpy())).long()
