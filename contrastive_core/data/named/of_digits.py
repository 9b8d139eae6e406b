"""Frame of the data sets that are made of the digits: images, classes and the fixed division, with arrays beside."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contrastive_core.data.digits import load as load_digits
from contrastive_core.data.named.arrays import own_data
from contrastive_core.data.splits import Splits


class Digits(NamedTuple):
    """Images of all splits, in the order of the splits.

    Attributes
    ----------
    images : ndarray of shape (N, 8, 8)
        Grey levels in [0, 1].
    labels : ndarray of shape (N,)
        Classes.
    split : ndarray of shape (N,)
        Split of each image: 0 training, 1 validation, 2 test.
    """

    images: NDArray[np.float64]
    labels: NDArray[np.int64]
    split: NDArray[np.int64]

    @property
    def rows(self) -> NDArray[np.float64]:
        """Images as rows of 64 pixels."""
        return self.images.reshape(-1, 64)

    @property
    def train(self) -> NDArray[np.bool_]:
        """Mask of the training images."""
        mask: NDArray[np.bool_] = self.split == 0
        return mask

    def take(self, places: NDArray[np.int64]) -> Digits:
        """Return the images at some places, each as often as its place is named."""
        return Digits(self.images[places], self.labels[places], self.split[places])

    def splits(self, name: str, words: str, **arrays: NDArray[Any]) -> Splits:
        """Return the data set of these images and further arrays, of which ``inputs`` may take the place of the images.

        Parameters
        ----------
        name, words : str
            Name of the data set, and its content in a few words.
        **arrays : ndarray
            Arrays by the names that :func:`~contrastive_core.data.named.arrays.own_data` knows.
        """
        made = {"inputs": self.images, "labels": self.labels, "split": self.split, **arrays}
        return own_data(made, source=f"{name}: scikit-learn's load_digits, {words}")


def digits() -> Digits:
    """Load the digits of all splits."""
    splits = load_digits(None, 0)[:3]
    images = np.concatenate([part.inputs.double().numpy() for part in splits]).reshape(-1, 8, 8)
    labels = np.concatenate([part.labels.numpy() for part in splits])
    return Digits(images, labels, np.repeat(np.arange(3), [len(part.labels) for part in splits]))
