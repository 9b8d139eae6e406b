"""Regions of digits, with the image that each is of and its place there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contrastive_core.data.named.arrays import own_data
from contrastive_core.data.named.modal_digits import digits_of_splits
from contrastive_core.data.splits import Splits

SIDE, STEP = 4, 2
_INK = 0.2


def load(data_dir: Path | None, seed: int) -> Splits:
    """Load nine regions of 4x4 pixels of each digit, two pixels apart, so that neighbours overlap by half.

    ``images`` is the number of the image in its split. ``positions`` are the row and column of a region in steps of two pixels, so that
    regions of one image that touch have a distance of 1.

    Parameters
    ----------
    data_dir, seed
        Not used: the samples are installed with scikit-learn, and their division is fixed.

    Returns
    -------
    Splits
        10773, 2250 and 3150 regions; those of an image stand one after the other, and have its class.
    """
    return own_data(_regions(), source="digits-regions: scikit-learn's load_digits, nine regions of 4x4 pixels")


def foreground(data_dir: Path | None, seed: int) -> Splits:
    """Load the regions with ``weights`` of 1 for those whose mean grey level is at least 0.2, the foreground, and 0 for the others.

    Parameters
    ----------
    data_dir, seed
        Not used, as in :func:`load`.

    Returns
    -------
    Splits
        The regions of :func:`load`.
    """
    arrays = _regions()
    arrays["weights"] = (arrays["inputs"].mean((1, 2)) >= _INK).astype(np.float64)
    return own_data(arrays, source="digits-foreground: scikit-learn's load_digits, regions weighted by their ink")


def _regions() -> dict[str, NDArray[Any]]:
    images, labels, split = digits_of_splits()
    starts = [(row, column) for row in range(0, 8 - SIDE + 1, STEP) for column in range(0, 8 - SIDE + 1, STEP)]
    parts = np.stack([images[:, row : row + SIDE, column : column + SIDE] for row, column in starts], axis=1)  # (N, 9, 4, 4)
    return {
        "inputs": parts.reshape(-1, SIDE, SIDE),
        "labels": labels.repeat(len(starts)),
        "split": split.repeat(len(starts)),
        "images": np.arange(len(images)).repeat(len(starts)),
        "positions": np.tile(np.array(starts) / STEP, (len(images), 1)),
    }
