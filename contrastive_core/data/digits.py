"""The 1797 small handwritten digits that are installed with scikit-learn."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from contrastive_core.data.catalog import describe
from contrastive_core.data.splits import Split, Splits, assemble, split_stratified
from contrastive_core.errors import DataError


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
    table = _installed()  # (N, 65)
    samples = Split(torch.from_numpy(table[:, :-1] / 16).float(), torch.from_numpy(table[:, -1]).long())
    train, validation, test = split_stratified(samples, entry.num_validation, entry.num_test)
    return assemble(
        train,
        validation,
        test,
        num_classes=entry.num_classes,
        source="digits: scikit-learn's load_digits, inputs / 16, fixed stratified split",
    )


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
