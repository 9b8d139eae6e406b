"""Data sets whose labels are numbers."""

from pathlib import Path

import numpy as np

from contrastive_core.data.catalog import describe
from contrastive_core.data.named.arrays import own_data
from contrastive_core.data.splits import Splits
from contrastive_core.data.standardise import standardise


def diabetes(data_dir: Path | None, seed: int) -> Splits:
    """Load ten measurements of 442 patients, and the progression of their disease after a year.

    Parameters
    ----------
    data_dir : Path, optional
        Not used: the samples are installed with scikit-learn.
    seed : int
        Not used: the split is the same for every seed.

    Returns
    -------
    Splits
        310, 66 and 66 samples, divided by strata of the target, with ten inputs of mean 0 and deviation 1 over the training split.
    """
    from sklearn.datasets import load_diabetes

    inputs, target = load_diabetes(return_X_y=True, scaled=False)
    found = own_data({"inputs": inputs, "targets": target}, source="diabetes: scikit-learn's load_diabetes", names=("progression",))
    return standardise(found)


def houses(data_dir: Path | None, seed: int) -> Splits:
    r"""Make houses with the columns of the California housing data, and a value that follows from them by a law of our own.

    Income m, age a, rooms r, bedrooms, population, occupants o, latitude and longitude are drawn independently, but bedrooms follow
    rooms. With the distance d to a line of coast in degrees, the value is
    :math:`\min(5, 0.4 m\,(1 + e^{-d}) + 0.01 a + 0.3 \ln(r / o) + 0.3\,\epsilon)` with a normal :math:`\epsilon`, and at least 0.15.
    No number of it is published.

    Parameters
    ----------
    data_dir : Path, optional
        Not used.
    seed : int
        Seed of ``numpy.random.default_rng``.

    Returns
    -------
    Splits
        2800, 600 and 600 samples, with eight inputs of mean 0 and deviation 1 over the training split.
    """
    entry, draw = describe("synthetic-houses"), np.random.default_rng(seed)
    count = entry.num_train + entry.num_validation + entry.num_test
    income, age = draw.lognormal(1.2, 0.45, count), draw.uniform(1, 52, count)
    rooms, occupants = draw.lognormal(1.65, 0.25, count), draw.lognormal(1.05, 0.2, count)
    bedrooms, population = rooms * draw.uniform(0.15, 0.25, count), draw.lognormal(7.0, 0.7, count)
    latitude = draw.uniform(32.5, 42, count)
    inland = draw.exponential(1.0, count)
    longitude = -117 - 0.75 * (latitude - 32.5) + inland
    noise = draw.standard_normal(count)
    value = 0.4 * income * (1 + np.exp(-inland)) + 0.01 * age + 0.3 * np.log(rooms / occupants) + 0.3 * noise
    columns = np.column_stack([income, age, rooms, bedrooms, population, occupants, latitude, longitude])
    arrays = {"inputs": columns, "targets": np.clip(value, 0.15, 5.0)}
    return standardise(own_data(arrays, source=f"synthetic-houses: made with seed {seed}", names=("value in 100,000",)))
