"""Independent random generators for the parts of a synthetic data set."""

import numpy as np

from contrastive_core.errors import InputError


def spawn(seed: int, count: int) -> list[np.random.Generator]:
    """Make independent generators from one seed.

    Parameters
    ----------
    seed : int
        Seed, at least 0.
    count : int
        Number of generators.

    Returns
    -------
    list of numpy.random.Generator
        Generators; equal seeds give equal ones.

    Raises
    ------
    InputError
        If ``seed`` is negative.
    """
    if seed < 0:
        raise InputError(f"seed must be at least 0, got {seed}")
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(count)]
