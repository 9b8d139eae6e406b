"""Digits whose labels are numbers and vectors: the slant of their strokes, and their segments on a display."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contrastive_core.data.named.of_digits import Digits, digits
from contrastive_core.data.splits import Splits

SEGMENTS = ("1110111", "0010010", "1011101", "1011011", "0111010", "1101011", "1101111", "1010010", "1111111", "1111011")
"""Lit segments of each digit: top, upper left, upper right, middle, lower left, lower right, bottom."""
_PENALTY = 1.0


def load(data_dir: Path | None, seed: int) -> Splits:
    r"""Load the digits with ``numbers``, ``vectors`` and ``predictions``.

    ``numbers`` is the slant :math:`\mu_{xy}/\mu_{yy}` of the image's second moments, how many columns a stroke moves to the right from
    one row to the row below, in standard deviations over the training images. ``vectors`` are the seven segments of the digit on a
    display. ``predictions`` of the slant are those of a ridge regression on the pixels of the training images.

    Parameters
    ----------
    data_dir, seed
        Not used: the samples are installed with scikit-learn, and their division is fixed.

    Returns
    -------
    Splits
        1197, 250 and 350 samples, divided as the digits are.
    """
    of = digits()
    slant = standard_slants(of)
    pixels = np.column_stack([of.rows, np.ones(len(of.rows))])
    train = pixels[of.train]
    weights = np.linalg.solve(train.T @ train + _PENALTY * np.eye(65), train.T @ slant[of.train])
    return of.splits("digits-graded", "slants and segments", numbers=slant, predictions=pixels @ weights, vectors=lit(of.labels))


def lit(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the lit segments of digits, 0 or 1, of shape (N, 7)."""
    return np.array([list(map(int, SEGMENTS[label])) for label in labels])


def standard_slants(of: Digits) -> NDArray[np.float64]:
    """Return the slant of each image, of mean 0 and variance 1 over the training images, of shape (N,)."""
    slant = slants(of.images)
    standard: NDArray[np.float64] = (slant - slant[of.train].mean()) / slant[of.train].std()
    return standard


def slants(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the slant of each image, of shape (N,), from images of shape (N, H, W)."""
    ink = images / images.sum((1, 2), keepdims=True)
    rows, columns = (np.arange(side, dtype=np.float64) for side in images.shape[1:])
    down = rows[:, None] - (ink.sum(2) @ rows)[:, None, None]
    right = columns[None, :] - (ink.sum(1) @ columns)[:, None, None]
    slant: NDArray[np.float64] = (ink * down * right).sum((1, 2)) / (ink * down**2).sum((1, 2))
    return slant
