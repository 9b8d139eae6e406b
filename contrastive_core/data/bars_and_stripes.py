"""Bars and stripes: pictures of whole columns or whole rows, the smallest data with structure that is known exactly."""

from __future__ import annotations

from pathlib import Path

import torch

from contrastive_core.data.catalog import describe
from contrastive_core.data.division import fixed_order
from contrastive_core.data.splits import Split, Splits, assemble

SIDE = 4
"""Pixels along each side."""


def load(data_dir: Path | None, seed: int) -> Splits:
    r"""Return all pictures of 4x4 pixels whose columns (class 0, bars) or rows (class 1, stripes) are each wholly on or off.

    Each class has 16 pictures. The empty and the full picture belong to both, so that there are 30 different ones, and labels have an
    error of at least 1/16. The entropy of the pictures is :math:`\tfrac{28}{32}\log 32 + \tfrac{4}{32}\log 16 = 3.379` nats: no
    model has a higher mean log likelihood than minus that.

    Parameters
    ----------
    data_dir : Path, optional
        Not used: the pictures are computed.
    seed : int
        Not used: there are no other pictures.

    Returns
    -------
    Splits
        The 32 pictures ten times for training, and once each for validation and for testing.
    """
    entry = describe("bars-and-stripes")
    lines = (torch.arange(2**SIDE)[:, None] >> torch.arange(SIDE)) & 1
    bars = lines[:, None, :].expand(-1, SIDE, -1)
    pictures = torch.cat((bars, bars.transpose(1, 2))).reshape(-1, SIDE * SIDE).float()
    labels = torch.arange(2).repeat_interleave(2**SIDE)
    order = torch.from_numpy(fixed_order(entry.num_train) % len(labels))
    once = Split(pictures, labels)
    return assemble(
        Split(pictures[order], labels[order]),
        once,
        once,
        num_classes=entry.num_classes,
        source="bars-and-stripes: all pictures of 4x4 pixels, the same in every split",
        shape=(1, SIDE, SIDE),
    )
