"""Digits with what is known of samples and pairs: weights, given negatives, and positives by matching."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contrastive_core.data.named.graded_digits import lit, standard_slants
from contrastive_core.data.named.of_digits import digits
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
    of = digits()
    rows, labels, train = of.rows, of.labels, of.train
    centre = rows[train].mean(0)
    axes = np.linalg.svd(rows[train] - centre, full_matrices=False)[2][:AXES]
    community = ((rows - centre) @ axes.T > 0) @ (1 << np.arange(AXES))
    cosines = np.where(labels[:, None] != labels[train], _unit(rows) @ _unit(rows[train]).T, -1.0)
    hard = rows[train][np.argsort(-cosines, axis=1, kind="stable")[:, :HARD]]
    return of.splits(
        "digits-weighted",
        "weights, communities and negatives",
        weights=rows.std(1) / rows.std(1).max(),
        pair_weights=np.where(community[:, None] == community, INSIDE, 1.0),
        negatives=np.concatenate([hard, _blurred(of.images).reshape(-1, 1, 64)], 1),
    )


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
    of = digits()
    rows = _unit(of.rows)
    cosines = np.where(of.split[:, None] == of.split, rows @ rows.T, -1.0)
    np.fill_diagonal(cosines, -1.0)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :NEIGHBOURS]
    chosen = np.zeros(cosines.shape, dtype=bool)
    np.put_along_axis(chosen, nearest, True, 1)
    mutual = chosen & chosen.T
    reliability = (cosines * mutual).sum(1) / np.maximum(1, mutual.sum(1))
    pairs = (mutual | np.eye(len(rows), dtype=bool)).astype(np.int64)  # two views of an image are positives too
    return of.splits("digits-neighbours", "mutual neighbours as positives", pairs=pairs, weights=np.clip(reliability, 0, 1))


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
    of = digits()
    zero = of.labels == 0
    pairs = ((zero[:, None] & zero) | np.eye(len(zero), dtype=bool)).astype(np.int64)
    return of.splits("digits-asymmetric", "pairs of zeros as positives", pairs=pairs)


def answered(data_dir: Path | None, seed: int) -> Splits:
    """Load the digits with answers to the question which two of three images are the most similar.

    The images of each split are drawn into threes, in an order that is fixed, and each three is a question, which ``trials`` number. The
    answer is made from features that no network is told: the segments of the digits on a display and the slant of the strokes, in standard
    deviations. The two images at the smallest distance there are a pair of 1 in ``pairs``, each of them and the third one a pair of 0.
    Pairs of two questions, and an image with itself, are left out. Images that are left over answer nothing.

    Parameters
    ----------
    data_dir, seed
        Not used, as in :func:`weighted`.

    Returns
    -------
    Splits
        1197, 250 and 350 samples, with 399, 83 and 116 questions; the images of a question stand one after the other.
    """
    plain, draw = digits(), np.random.default_rng(0)
    places: list[NDArray[np.int64]] = []
    asked: list[NDArray[np.int64]] = []
    for part in range(3):
        there = draw.permutation(np.flatnonzero(plain.split == part))
        start = sum(len(one) for one in places)
        places.append(there)
        asked.append(start + np.arange(len(there) // 3 * 3).reshape(-1, 3))
    of, questions = plain.take(np.concatenate(places)), np.concatenate(asked)
    features = np.column_stack([lit(of.labels), standard_slants(of)])
    pairs, trials = np.full((len(of.labels),) * 2, -1), np.full(len(of.labels), len(questions))
    for number, three in enumerate(questions):
        first, second, third = min((tuple(np.roll(three, turn)) for turn in range(3)), key=lambda one: _apart(features, one[:2]))
        pairs[first, second] = pairs[second, first] = 1
        pairs[[first, second, third, third], [third, third, first, second]] = 0
        trials[three] = number
    return of.splits("digits-answers", "answers to questions of similarity", pairs=pairs, trials=trials)


def _apart(features: NDArray[np.float64], pair: tuple[np.int64, ...]) -> float:
    return float(np.linalg.norm(features[pair[0]] - features[pair[1]]))


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _blurred(images: NDArray[np.float64]) -> NDArray[np.float64]:
    waves = np.fft.fft2(images)
    kept = np.abs(np.fft.fftfreq(8)) < 0.25
    low: NDArray[np.float64] = np.clip(np.fft.ifft2(waves * kept[:, None] * kept).real, 0, 1)
    return low
