"""Data-parallel training: several processes share the samples of every batch, and take the same step."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.distributed as distributed
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.devices.on_device import held_by
from contrastive_core.errors import EqlabError, InputError
from contrastive_core.generators import generator_of
from contrastive_core.network import Network
from contrastive_core.types import Batch, Gradients

_SEEDS = 2**62
"""Bound of the seeds that ranks draw for generators of their own."""

_LETTERS = 4096
"""Bytes of a text that rank 0 tells, as many as the longest path of Linux has."""


class Ranks(NamedTuple):
    """Processes that train one network together, as ``torchrun`` starts them, and the place of this one among them.

    Every rank holds the whole network and the whole data set. It estimates the gradient on its part of a batch; the mean over all ranks is
    the gradient of the batch, so that parameters, optimiser and schedule stay the same on all ranks, to the bit. It equals the gradient
    of one process to rounding, if the rule draws nothing and moves no weights within a batch.

    Attributes
    ----------
    rank : int
        Number of this process, from 0. Rank 0 writes files and shows progress.
    size : int
        Number of processes.
    """

    rank: int = 0
    size: int = 1

    def share(self, batch: Batch) -> tuple[Batch, float]:
        """Return the rows of a batch that belong to this rank, and their weight in means.

        The weight is the number of rows. A batch with fewer rows than ranks is computed whole by every rank, with its weight divided among
        them.
        """
        rows = len(batch.labels)
        if self.size == 1 or rows < self.size:
            return batch, rows / self.size
        part = slice(rows * self.rank // self.size, rows * (self.rank + 1) // self.size)
        per_row: dict[str, Any] = {name: value[part] for name, value in batch._asdict().items() if isinstance(value, Tensor)}
        return batch._replace(**per_row), float(part.stop - part.start)

    def generator(self, common: torch.Generator) -> torch.Generator:
        """Return a generator of this rank's own draws; it advances the common one equally on all ranks.

        With one process it is the common generator itself.
        """
        if self.size == 1:
            return common
        return generator_of(int(torch.randint(_SEEDS, (1,), generator=common)), self.rank)

    def mean(self, gradients: Gradients, weight: float) -> Gradients:
        """Return the mean of the ranks' gradients, each with the weight of its samples."""
        if self.size == 1:
            return gradients
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients.values()])
        total = self.sum(torch.cat([flat * weight, flat.new_tensor([weight])]))
        parts = torch.split(total[:-1] / total[-1], [gradient.numel() for gradient in gradients.values()])
        return {name: part.view_as(gradient) for (name, gradient), part in zip(gradients.items(), parts, strict=True)}

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all ranks; the tensor itself may change."""
        if self.size > 1:
            with _together():
                distributed.all_reduce(values)
        return values

    def told(self, text: str) -> str:
        """Return the text that rank 0 gives here; the texts of the others are not read."""
        if self.size == 1:
            return text
        letters = torch.frombuffer(bytearray(text.encode().ljust(_LETTERS, b"\0")), dtype=torch.uint8)
        with _together():
            distributed.broadcast(letters, 0)
        return bytes(letters.tolist()).rstrip(b"\0").decode()


ALONE = Ranks()
"""One process, which shares with nobody."""


def started(environment: Mapping[str, str] = os.environ) -> int:
    """Return the number of processes that ``torchrun`` started, by its variable ``WORLD_SIZE``; 1 without it.

    Raises
    ------
    InputError
        If the variable is no number.
    """
    size = environment.get("WORLD_SIZE", "1")
    if not size.isdecimal() or int(size) < 1:
        raise InputError(
            f"WORLD_SIZE must be the number of processes that torchrun started, got {size!r}; unset it to train in one process"
        )
    return int(size)


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started, over gloo on CPUs and NCCL on CUDA devices; without it there is one.

    Yields
    ------
    Ranks
        Place of this process.

    Raises
    ------
    EqlabError
        If the others cannot be reached.
    """
    if started() == 1:
        yield ALONE
        return
    try:
        distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    except (RuntimeError, ValueError) as error:
        raise EqlabError(f"the processes of this run cannot reach each other ({error}); start them by torchrun") from error
    try:
        yield Ranks(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


@contextmanager
def _together() -> Iterator[None]:
    """Say in a sentence what it means that another process does not answer."""
    try:
        yield
    except RuntimeError as error:
        problem = str(error).splitlines()[0]
        raise EqlabError(
            f"another process of this run has ended ({problem}); the same command resumes from the last epoch's checkpoint"
        ) from error


def check_shared(network: Network, cost: Cost, ranks: Ranks, *, contrasted: bool = False, warm_start: bool = False) -> None:
    """Refuse training in several processes if a sample's gradient depends on the samples of other ranks.

    Raises
    ------
    InputError
        If the cost couples samples, a device writes whole batches, or free phases start from remembered states.
    """
    if ranks.size == 1:
        return
    reasons = {
        "the cost couples the samples of a batch": cost.coupled or contrasted,
        "devices write the contrast of a whole batch": held_by(network) is not network,
        "a warm start remembers the states of samples, which change ranks": warm_start,
    }
    for reason, holds in reasons.items():
        if holds:
            raise InputError(f"{ranks.size} processes cannot share a batch, because {reason}; train in one process")
