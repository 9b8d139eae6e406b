"""The 1797 small handwritten digits that are installed with scikit-learn."""

from pathlib import Path

import torch
from sklearn.datasets import load_digits

from contrastive_core.data.catalog import describe
from contrastive_core.data.splits import Split, Splits, assemble, split_stratified


def load(data_dir: Path | None, seed: int) -> Splits:
    """Load the digits.

    Parameters
    ----------
    data_dir : Path, optional
        Not used: the samples are installed with scikit-learn.
    seed : int
        Not used: the split is the same for every seed.

    Returns
    -------
    Splits
        1197, 250 and 350 samples of 64 inputs in [0, 1] (the sixteen grey levels over 16), with the same share of every digit.
    """
    entry = describe("digits")
    images, labels = load_digits(return_X_y=True)  # (N, 64), (N,)
    samples = Split(torch.from_numpy(images / 16).float(), torch.from_numpy(labels).long())
    train, validation, test = split_stratified(samples, entry.num_validation, entry.num_test)
    return assemble(
        train,
        validation,
        test,
        num_classes=entry.num_classes,
        source="digits: scikit-learn's load_digits, inputs / 16, fixed stratified split",
    )
