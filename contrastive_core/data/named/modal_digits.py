"""Digits in two modalities: halves of an image, an image and its name, an image and its spectrum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contrastive_core.data.named.of_digits import Digits, digits
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
    of = digits()
    return of.splits("digits-halves", "left and right halves", **_halves(of))


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
    of = digits()
    arrays = _halves(of)
    victims = np.flatnonzero(of.train & (of.labels != TARGET))[::16][:POISONED]
    zeros = np.flatnonzero(of.train & (of.labels == TARGET))
    first = arrays["triggered"].reshape(len(of.labels), 2, 8, 4)[:, 0]
    arrays["inputs"], arrays["second"] = arrays["inputs"].copy(), arrays["second"].copy()
    arrays["inputs"][victims] = first[victims]
    arrays["second"][victims] = arrays["second"][zeros[np.arange(len(victims)) % len(zeros)]]
    return of.splits("digits-poisoned", f"halves, {len(victims)} poisoned training pairs", **arrays)


def _halves(of: Digits) -> dict[str, NDArray[Any]]:
    images, train = of.images, of.rows[of.train]
    centre = train.mean(0)
    axes = np.linalg.svd(train - centre, full_matrices=False)[2][:_COMPONENTS]
    guide = (of.rows - centre) @ axes.T
    marked = images.copy()
    marked[:, 6:, :2] = 1
    triggered = np.concatenate([half.reshape(len(images), -1) for half in (marked[:, :, :4], images[:, :, 4:])], 1)
    return {
        "inputs": images[:, :, :4], "second": images[:, :, 4:], "guide": guide, "triggered": triggered,
        "target": np.full(len(images), TARGET),
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
    of = digits()
    place = np.concatenate([np.arange((of.split == part).sum()) for part in range(3)])
    written = [PHRASES[number % len(PHRASES)].format(NAMES[label]) for number, label in zip(place, of.labels, strict=True)]
    return of.splits("digits-text", "names of the digits in six phrases", second=np.stack([letters(one) for one in written]))


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
    of = digits()
    return of.splits("digits-spectrum", "images and magnitudes of their Fourier transforms", second=np.abs(np.fft.rfft2(of.images)) / 64)


def letters(words: str) -> NDArray[np.float64]:
    """Return a text as one-hot vectors of its letters, of shape (540,)."""
    places = [LETTERS.index(letter) for letter in words.ljust(LENGTH)]
    return np.eye(len(LETTERS))[places].reshape(-1)
