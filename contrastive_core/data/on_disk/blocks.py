"""Order in which rows of a file are presented: blocks in random order, and the rows of some blocks shuffled together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from contrastive_core.data.on_disk.rows import MappedRows

RUN = 2**22
"""Bytes of a block, which are read in one run."""
HELD = 64
"""Blocks that are held in memory and shuffled together."""


class Blocks(NamedTuple):
    """Sizes of the shuffle.

    Attributes
    ----------
    rows : int
        Rows of a block; they follow each other in the split.
    held : int
        Rows that are held and shuffled together, a multiple of the batch size.
    """

    rows: int
    held: int

    def words(self) -> str:
        """Return how rows are shuffled."""
        return f"blocks of {self.rows} rows are read in random order, and {self.held} rows are shuffled together"


def blocks_of(inputs: MappedRows, batch_size: int) -> Blocks:
    """Return the sizes for some rows, which follow from the bytes of a row and the batch size alone."""
    rows = max(1, RUN // max(inputs.stored.row, 1))
    return Blocks(rows, batch_size * max(1, rows * HELD // batch_size))


def windows(count: int, blocks: Blocks, generator: torch.Generator) -> list[Tensor]:
    """Draw the order of an epoch.

    Parameters
    ----------
    count : int
        Number of rows.
    blocks : Blocks
        Sizes.
    generator : torch.Generator
        Source of the order.

    Returns
    -------
    list of Tensor
        Indices of rows that are held together, in the order in which they are presented; each row is in one of them.
    """
    at = generator.device
    starts = torch.randperm(-(-count // blocks.rows), generator=generator, device=at) * blocks.rows
    order = (starts[:, None] + torch.arange(blocks.rows, device=at)).flatten()
    parts = torch.split(order[order < count], blocks.held)
    return [part[torch.randperm(len(part), generator=generator, device=at)].cpu() for part in parts]


def presented(inputs: MappedRows, order: list[Tensor], batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Read rows window by window, and present them in batches.

    Yields
    ------
    tuple of Tensor
        Inputs of shape (B, n_in) on their device, and the indices of their rows on the CPU.
    """
    for window in order:
        ascending, at = np.unique(window.numpy(), return_inverse=True)
        held = inputs.held(ascending)  # rows in ascending order, so that every block is read in one run
        for start in range(0, len(window), batch_size):
            part = slice(start, start + batch_size)
            yield inputs.inputs(held[at[part]]), window[part]
        del held  # before the next window is read, so that one is in memory
