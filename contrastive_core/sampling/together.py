"""Batches of whole groups of samples: the regions of an image, or the samples of a trial or patient."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.named.groups import groups_of
from contrastive_core.data.splits import Split
from contrastive_core.errors import InputError


@final
@dataclass(frozen=True)
class Together:
    """Random groups, each whole in one batch; a batch takes groups as long as they fit, and at least one.

    Attributes
    ----------
    by : str
        Array of the data that names the group of each sample: images, trials or patients.
    """

    by: str = "images"

    def __call__(self, split: Split, features: Callable[[], Tensor], batch_size: int, generator: torch.Generator) -> list[Tensor]:
        """Fill batches with groups in random order.

        Raises
        ------
        InputError
            If the data do not name such groups.
        """
        groups = groups_of(split.given, self.by)
        order = torch.argsort(groups, stable=True)
        members = torch.split(order, torch.bincount(groups).tolist())
        batches: list[list[Tensor]] = [[]]
        filled = 0
        for place in torch.randperm(len(members), generator=generator).tolist():
            if filled and filled + len(members[place]) > batch_size:
                batches.append([])
                filled = 0
            batches[-1].append(members[place])
            filled += len(members[place])
        found = [torch.cat(one) for one in batches]
        if any(len(one) < 2 for one in found):
            raise InputError(f"a batch of one sample has nothing to contrast; whole {self.by} need a larger batch size than {batch_size}")
        return found
