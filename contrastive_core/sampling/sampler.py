"""Interface of samplers, which choose the samples of each batch of an epoch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.splits import Split

Sampler = Callable[[Split, Callable[[], Tensor], int, torch.Generator], list[Tensor]]
"""Maps a split, a function for its features, a batch size and a generator to the batches of an epoch, in order of presentation.

Each batch is a tensor of indices into the split (int64), at least two and none twice. Samplers may check the labels of the split but must
not sample by them. The function returns the network's present outputs for the split, of shape (N, n), at the cost of a phase per sample.
The batch size is at least 2. All draws come from the generator, which advances with every call. A sampler is a frozen dataclass whose
fields are settings, and raises ``InputError`` if the split cannot be sampled in this way.
"""


@final
@dataclass(frozen=True)
class Shuffled:
    """Every sample once, in random order; the last batch may be smaller."""

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
