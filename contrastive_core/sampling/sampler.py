"""What a sampler is: who meets whom in the batches of an epoch."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.splits import Split


class Sampler(ABC):
    """Makes the batches of an epoch; subclasses are frozen dataclasses whose fields are its settings."""

    @abstractmethod
    def epoch(self, split: Split, features: Callable[[], Tensor], batch_size: int, generator: torch.Generator) -> list[Tensor]:
        """Return the samples of each batch, in the order in which the batches are presented.

        Parameters
        ----------
        split : Split
            N samples; labels are for those that need them to check something, not to sample by.
        features : callable
            Returns the network's outputs for the split as they are now, of shape (N, n); costs a phase for every sample.
        batch_size : int
            Samples per batch, at least 2.
        generator : torch.Generator
            Source of all draws, advanced by every call.

        Returns
        -------
        list of Tensor
            Places in the split (int64), at least two and none twice in any batch.

        Raises
        ------
        InputError
            If the split cannot be sampled so.
        """


@final
@dataclass(frozen=True)
class Shuffled(Sampler):
    """Every sample once, in random order; the last batch has what is left."""

    def epoch(self, split: Split, features: Callable[[], Tensor], batch_size: int, generator: torch.Generator) -> list[Tensor]:
        """Cut a random order into batches."""
        order = torch.randperm(len(split.labels), generator=generator, device=generator.device)
        return list(torch.split(order.to(split.labels.device), batch_size))


def cluster(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return the cluster of each row by k-means, of shape (N,) and dtype int64.

    Parameters
    ----------
    rows : Tensor of shape (N, n)
        What is clustered, by distance.
    count : int
        Clusters, at most N.
    generator : torch.Generator
        Source of the first centres.
    """
    from sklearn.cluster import MiniBatchKMeans

    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    means = MiniBatchKMeans(min(count, len(rows)), n_init=1, batch_size=1024, random_state=seed)
    return torch.from_numpy(means.fit_predict(rows.detach().double().numpy())).long()
