"""Digits with what is known of samples and pairs: weights, given negatives, and positives by matching."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contrastive_core.data.named.arrays import own_data
from contrastive_core.data.named.modal_digits import digits_of_splits
from contrastive_core.data.splits import Splits

AXES = 4
"""Principal components by whose signs images form communities."""
INSIDE = 0.5
"""Weight of a pair of one community among the negatives."""
HARD = 2
"""Most similar images of other digits that are negatives of an image."""
NEIGHBOURS = 3
"""Nearest images among which mutual neighbours are looked for."""


def weighted(data_dir: Path | None, seed: int) -> Splits:
    """Load the digits with ``weights``, ``pair_weights`` and ``negatives``.

    The weight of a sample is the standard deviation of its pixels over the largest one. Pairs of one community, images whose first four
    principal components have the same signs, weigh 0.5 among the negatives, and others 1. Each image has three negatives: the two most
    similar training images of other digits, by cosine, and itself without the upper half of its frequencies.

    Parameters
    ----------
    data_dir, seed
        Not used: the samples are installed with scikit-learn, and their division is fixed.

    Returns
    -------
    Splits
        1197, 250 and 350 samples, divided as the digits are.
    """
    images, labels, split = digits_of_splits()
    rows, train = images.reshape(-1, 64), split == 0
    centre = rows[train].mean(0)
    axes = np.linalg.svd(rows[train] - centre, full_matrices=False)[2][:AXES]
    community = ((rows - centre) @ axes.T > 0) @ (1 << np.arange(AXES))
    cosines = np.where(labels[:, None] != labels[train], _unit(rows) @ _unit(rows[train]).T, -1.0)
    hard = rows[train][np.argsort(-cosines, axis=1, kind="stable")[:, :HARD]]
    arrays = {
        "inputs": images,
        "labels": labels,
        "split": split,
        "weights": rows.std(1) / rows.std(1).max(),
        "pair_weights": np.where(community[:, None] == community, INSIDE, 1.0),
        "negatives": np.concatenate([hard, _blurred(images).reshape(-1, 1, 64)], 1),
    }
    return own_data(arrays, source="digits-weighted: scikit-learn's load_digits, weights, communities and negatives")


def neighbours(data_dir: Path | None, seed: int) -> Splits:
    """Load the digits with ``pairs`` and ``weights``.

    Two images are positives if each is among the three nearest images of the other, by cosine and without labels. The weight of a sample
    is its mean cosine to its positives, the reliability of the match, and 0 without any.

    Parameters
    ----------
    data_dir, seed
        Not used, as in :func:`weighted`.

    Returns
    -------
    Splits
        1197, 250 and 350 samples; neighbours are of the same split.
    """
    images, labels, split = digits_of_splits()
    rows = _unit(images.reshape(-1, 64))
    cosines = np.where(split[:, None] == split, rows @ rows.T, -1.0)
    np.fill_diagonal(cosines, -1.0)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :NEIGHBOURS]
    chosen = np.zeros(cosines.shape, dtype=bool)
    np.put_along_axis(chosen, nearest, True, 1)
    mutual = chosen & chosen.T
    reliability = (cosines * mutual).sum(1) / np.maximum(1, mutual.sum(1))
    pairs = (mutual | np.eye(len(rows), dtype=bool)).astype(np.int64)  # two views of an image are positives too
    arrays = {"inputs": images, "labels": labels, "split": split, "pairs": pairs, "weights": np.clip(reliability, 0, 1)}
    return own_data(arrays, source="digits-neighbours: scikit-learn's load_digits, mutual neighbours as positives")


def asymmetric(data_dir: Path | None, seed: int) -> Splits:
    """Load the digits with ``pairs`` of which zeros alone attract each other; other images attract their own views only.

    Parameters
    ----------
    data_dir, seed
        Not used, as in :func:`weighted`.

    Returns
    -------
    Splits
        1197, 250 and 350 samples.
    """
    images, labels, split = digits_of_splits()
    pairs = (((labels[:, None] == 0) & (labels == 0)) | np.eye(len(labels), dtype=bool)).astype(np.int64)
    arrays = {"inputs": images, "labels": labels, "split": split, "pairs": pairs}
    return own_data(arrays, source="digits-asymmetric: scikit-learn's load_digits, pairs of zeros as positives")


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _blurred(images: NDArray[np.float64]) -> NDArray[np.float64]:
    waves = np.fft.fft2(images)
    kept = np.abs(np.fft.fftfreq(8)) < 0.25
    low: NDArray[np.float64] = np.clip(np.fft.ifft2(waves * kept[:, None] * kept).real, 0, 1)
    return low
