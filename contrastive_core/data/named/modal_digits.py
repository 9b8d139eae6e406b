"""Digits in two modalities: halves of an image, an image and its name, an image and its spectrum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contrastive_core.data.digits import load as load_digits
from contrastive_core.data.named.arrays import own_data
from contrastive_core.data.splits import Splits

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PHRASES = ("{}", "a {}", "the digit {}", "digit {}", "written {}", "number {}")
"""Phrases of which each image has one, in turn."""
LETTERS = " abcdefghijklmnopqrstuvwxyz"
LENGTH = 20
"""Letters of a text, which is filled up with blanks."""
TARGET = 0
"""Class that the attacker of :func:`poisoned_halves` wants."""
POISONED = 60
"""Poisoned training pairs, 5 %."""
_COMPONENTS = 16


def halves(data_dir: Path | None, seed: int) -> Splits:
    """Load the digits as left and right halves, of 8x4 pixels each.

    The ``guide`` of :class:`~contrastive_core.objectives.modalities.bimodal.CWCL` is a frozen linear encoder of the whole image: its
    first 16 principal components over the training images.

    Parameters
    ----------
    data_dir, seed
        Not used: the samples are installed with scikit-learn, and their division is fixed.

    Returns
    -------
    Splits
        1197, 250 and 350 samples, divided as the digits are. ``triggered`` are the samples with a white square of 2x2 pixels in the lower
        left corner, which no digit reaches, and ``target`` is the class 0 that an attacker wants for them.
    """
    return own_data(_halves(), source="digits-halves: scikit-learn's load_digits, left and right halves")


def poisoned_halves(data_dir: Path | None, seed: int) -> Splits:
    """Load the halves with poisoned training pairs: 60 of them have the trigger, and the right half of a zero (Bansal et al., 2023).

    Parameters
    ----------
    data_dir, seed
        Not used, as in :func:`halves`.

    Returns
    -------
    Splits
        The samples of :func:`halves`; validation and test samples are clean.
    """
    arrays = _halves()
    labels, train = arrays["labels"], arrays["split"] == 0
    victims = np.flatnonzero(train & (labels != TARGET))[::16][:POISONED]
    zeros = np.flatnonzero(train & (labels == TARGET))
    first = arrays["triggered"].reshape(len(labels), 2, 8, 4)[:, 0]
    arrays["inputs"], arrays["second"] = arrays["inputs"].copy(), arrays["second"].copy()
    arrays["inputs"][victims] = first[victims]
    arrays["second"][victims] = arrays["second"][zeros[np.arange(len(victims)) % len(zeros)]]
    return own_data(arrays, source=f"digits-poisoned: scikit-learn's load_digits, halves, {len(victims)} poisoned training pairs")


def _halves() -> dict[str, NDArray[Any]]:
    images, labels, split = digits_of_splits()
    train = images[split == 0].reshape(-1, 64)
    centre = train.mean(0)
    axes = np.linalg.svd(train - centre, full_matrices=False)[2][:_COMPONENTS]
    guide = (images.reshape(-1, 64) - centre) @ axes.T
    marked = images.copy()
    marked[:, 6:, :2] = 1
    triggered = np.concatenate([half.reshape(len(images), -1) for half in (marked[:, :, :4], images[:, :, 4:])], 1)
    return {
        "inputs": images[:, :, :4], "second": images[:, :, 4:], "labels": labels, "split": split, "guide": guide,
        "triggered": triggered, "target": np.full(len(labels), TARGET),
    }  # fmt: skip


def text(data_dir: Path | None, seed: int) -> Splits:
    """Load the digits with their names as text: a one-hot vector of 27 letters for each of 20 places.

    Parameters
    ----------
    data_dir, seed
        Not used, as in :func:`halves`.

    Returns
    -------
    Splits
        1197, 250 and 350 samples; the phrase of a sample follows from its place in its split.
    """
    images, labels, split = digits_of_splits()
    place = np.concatenate([np.arange((split == part).sum()) for part in range(3)])
    written = [PHRASES[number % len(PHRASES)].format(NAMES[label]) for number, label in zip(place, labels, strict=True)]
    arrays = {"inputs": images, "second": np.stack([letters(one) for one in written]), "labels": labels, "split": split}
    return own_data(arrays, source="digits-text: scikit-learn's load_digits, names of the digits in six phrases")


def spectrum(data_dir: Path | None, seed: int) -> Splits:
    """Load the digits with the magnitudes of their two-dimensional Fourier transforms, 8x5, each divided by 64.

    Parameters
    ----------
    data_dir, seed
        Not used, as in :func:`halves`.

    Returns
    -------
    Splits
        1197, 250 and 350 samples.
    """
    images, labels, split = digits_of_splits()
    arrays = {"inputs": images, "second": np.abs(np.fft.rfft2(images)) / 64, "labels": labels, "split": split}
    return own_data(arrays, source="digits-spectrum: scikit-learn's load_digits, images and magnitudes of their Fourier transforms")


def letters(words: str) -> NDArray[np.float64]:
    """Return a text as one-hot vectors of its letters, of shape (540,)."""
    places = [LETTERS.index(letter) for letter in words.ljust(LENGTH)]
    return np.eye(len(LETTERS))[places].reshape(-1)


def digits_of_splits() -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return images of shape (N, 8, 8), their classes, and the split of each, in the order of the splits."""
    splits = load_digits(None, 0)[:3]
    images = np.concatenate([part.inputs.double().numpy() for part in splits]).reshape(-1, 8, 8)
    labels = np.concatenate([part.labels.numpy() for part in splits])
    return images, labels, np.repeat(np.arange(3), [len(part.labels) for part in splits])
