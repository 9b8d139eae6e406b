"""Data set of 1797 small handwritten digits, installed with scikit-learn."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from contrastive_core.data.catalog import describe
from contrastive_core.data.division import split_stratified
from contrastive_core.data.splits import Split, Splits, assemble
from contrastive_core.errors import DataError, InputError

_SHAPE = (1, 8, 8)


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
        1197, 250 and 350 samples with 64 inputs in [0, 1], grey levels divided by 16; every split has the same share of each digit.
    """
    entry = describe("digits")
    train, validation, test = split_stratified(_samples(), entry.num_validation, entry.num_test)
    return assemble(
        train,
        validation,
        test,
        num_classes=entry.num_classes,
        source="digits: scikit-learn's load_digits, inputs / 16, fixed stratified split",
        shape=_SHAPE,
    )


def load_shuffled(data_dir: Path | None, seed: int) -> Splits:
    """Load the digits in a random order; the last fifth is the test split.

    Parameters
    ----------
    data_dir : Path, optional
        Not used: the samples are installed with scikit-learn.
    seed : int
        Seed of ``numpy.random.default_rng``, which permutes the samples; at least 0.

    Returns
    -------
    Splits
        1187, 250 and 360 samples. Results with different seeds also differ in the difficulty of the test samples.

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
    return assemble(train, validation, test, num_classes=entry.num_classes, source=source, shape=_SHAPE)


def _samples() -> Split:
    """Return all digits in scikit-learn's order."""
    table = _installed()  # (N, 65)
    return Split(torch.from_numpy(table[:, :-1] / 16).float(), torch.from_numpy(table[:, -1]).long())


def _installed() -> NDArray[np.float64]:
    """Read scikit-learn's file, with 64 grey levels and a label per line, without importing scikit-learn.

    The import takes longer than that of torch, and every short run on digits would wait for it.
    """
    found = find_spec("sklearn")
    if found is None or found.origin is None:
        raise DataError("the digits come with scikit-learn, which is missing; install it: pip install scikit-learn")
    path = Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz"
    try:
        return np.loadtxt(path, delimiter=",")
    except OSError as error:
        raise DataError(f"this scikit-learn has no digits at {path} ({error}); install version 1.5 or newer") from error
