"""The 1797 small handwritten digits that are installed with scikit-learn."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from contrastive_core.data.catalog import describe
from contrastive_core.data.splits import Split, Splits, assemble, split_stratified
from contrastive_core.errors import DataError, InputError


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
    train, validation, test = split_stratified(_samples(), entry.num_validation, entry.num_test)
    return assemble(
        train,
        validation,
        test,
        num_classes=entry.num_classes,
        source="digits: scikit-learn's load_digits, inputs / 16, fixed stratified split",
    )


def load_shuffled(data_dir: Path | None, seed: int) -> Splits:
    """Load the digits in a random order, whose last fifth is for testing.

    Parameters
    ----------
    data_dir : Path, optional
        Not used: the samples are installed with scikit-learn.
    seed : int
        Of ``numpy.random.default_rng``, whose permutation is the order. At least 0.

    Returns
    -------
    Splits
        1187, 250 and 360 samples: with other seeds, results spread by how hard the test samples are, too.

    Raises
    ------
    InputError
        If the seed is negative.
    """
    if seed < 0:
        raise InputError(f"seed must be at least 0, got {seed}")
    entry, samples = describe("digits-shuffled"), _samples()
    order = np.random.default_rng(seed).permutation(len(samples.labels))
    parts = np.split(order, (entry.num_train, entry.num_train + entry.num_validation))
    train, validation, test = (Split(samples.inputs[part], samples.labels[part]) for part in map(torch.from_numpy, parts))
    source = f"digits-shuffled: scikit-learn's load_digits, inputs / 16, split at random by seed {seed}"
    return assemble(train, validation, test, num_classes=entry.num_classes, source=source)


def _samples() -> Split:
    """Return all digits in scikit-learn's order."""
    table = _installed()  # (N, 65)
    return Split(torch.from_numpy(table[:, :-1] / 16).float(), torch.from_numpy(table[:, -1]).long())


def _installed() -> NDArray[np.float64]:
    """Read scikit-learn's file, of 64 grey levels and a label per line, without importing scikit-learn.

    The import takes longer than torch's, and every short run on digits would wait for it.
    """
    found = find_spec("sklearn")
    if found is None or found.origin is None:
        raise DataError("scikit-learn, which the digits are installed with, is missing; install it")
    path = Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz"
    try:
        return np.loadtxt(path, delimiter=",")
    except OSError as error:
        raise DataError(f"this scikit-learn has no digits at {path} ({error}); install version 1.5 or newer") from error
