"""Regions of digits: with the image that each is of and its place there, or with the attribute of the digit that it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contrastive_core.data.named.graded_digits import lit
from contrastive_core.data.named.modal_digits import NAMES, letters
from contrastive_core.data.named.of_digits import Digits, digits
from contrastive_core.data.splits import Splits

SIDE, STEP = 4, 2
STARTS = [(row, column) for row in range(0, 8 - SIDE + 1, STEP) for column in range(0, 8 - SIDE + 1, STEP)]
"""First row and column of each region."""
STROKES = ("top", "upper left", "upper right", "middle", "lower left", "lower right", "bottom")
"""Attributes of digits: the segments of a display."""
_INK = 0.2
_PENALTY = 1e-3
_ROUNDS = 8
"""Rounds of the match, after which few regions change."""


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
    of = digits()
    return _each(of).splits("digits-regions", "nine regions of 4x4 pixels", **_regions(of))


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
    of = digits()
    arrays = _regions(of)
    arrays["weights"] = (arrays["inputs"].mean((1, 2)) >= _INK).astype(np.float64)
    return _each(of).splits("digits-foreground", "regions weighted by their ink", **arrays)


def attributes(data_dir: Path | None, seed: int) -> Splits:
    """Load regions of digits, each with the attribute that it shows as text: two modalities.

    An image as a whole has attributes, the lit segments of its digit on a display, such as "upper left of five". :func:`matches` finds the
    region of each from whole training images alone. A region is the image, 0 outside of its 4x4 pixels. The text is a one-hot vector of
    27 letters for each of 20 places.

    Parameters
    ----------
    data_dir, seed
        Not used, as in :func:`load`.

    Returns
    -------
    Splits
        One sample for each attribute of each image, in the order of images and segments; its class is that of the image.
    """
    of = digits()
    seen = _seen(of)
    image, segment = np.nonzero(lit(of.labels))
    rows = seen.reshape(*seen.shape[:2], -1)
    places = np.stack([matches(rows[of.train], lit(of.labels[of.train])[:, one] == 1, rows) for one in range(len(STROKES))], 1)
    place = places[image, segment]
    texts = [letters(f"{STROKES[one]} of {NAMES[label]}") for one, label in zip(segment, of.labels[image], strict=True)]
    return of.take(image).splits("digits-attributes", "regions matched with strokes", inputs=seen[image, place], second=np.stack(texts))


def matches(known: NDArray[np.float64], has: NDArray[np.bool_], asked: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the part of each sample that shows an attribute best, of shape (M,), learnt from samples that have it as a whole or not.

    A linear score separates one part of each sample that has the attribute from all parts of the others, by least squares in which both
    kinds weigh the same; the part of the highest score is chosen anew, and the score fitted anew, for eight rounds. The first score is of
    all parts.

    Parameters
    ----------
    known : ndarray of shape (N, R, n)
        Parts of samples of which the attribute is known.
    has : ndarray of shape (N,)
        Whether each of them has it.
    asked : ndarray of shape (M, R, n)
        Parts of the samples that are matched.
    """
    with_one = np.concatenate([known, np.ones((*known.shape[:2], 1))], 2)
    there, elsewhere = with_one[has], with_one[~has].reshape(-1, with_one.shape[2])
    spread = elsewhere.T @ elsewhere / len(elsewhere) + _PENALTY * np.eye(with_one.shape[2])
    chosen = there.reshape(-1, with_one.shape[2])
    for _ in range(_ROUNDS):
        weights = np.linalg.solve(chosen.T @ chosen / len(chosen) + spread, chosen.mean(0) - elsewhere.mean(0))
        chosen = there[np.arange(len(there)), (there @ weights).argmax(1)]
    best: NDArray[np.int64] = (asked @ weights[:-1]).argmax(1)
    return best


def _seen(of: Digits) -> NDArray[np.float64]:
    """Return each image with all but one region hidden, of shape (N, 9, 8, 8)."""
    shown = np.zeros((len(STARTS), 8, 8))
    for number, (row, column) in enumerate(STARTS):
        shown[number, row : row + SIDE, column : column + SIDE] = 1
    return of.images[:, None] * shown


def _each(of: Digits) -> Digits:
    return of.take(np.arange(len(of.labels)).repeat(len(STARTS)))


def _regions(of: Digits) -> dict[str, NDArray[Any]]:
    parts = np.stack([of.images[:, row : row + SIDE, column : column + SIDE] for row, column in STARTS], axis=1)  # (N, 9, 4, 4)
    return {
        "inputs": parts.reshape(-1, SIDE, SIDE),
        "images": np.arange(len(parts)).repeat(len(STARTS)),
        "positions": np.tile(np.array(STARTS) / STEP, (len(parts), 1)),
    }
