"""The seed of every trial, from the root seed and the trial's place in the grid, so that it depends on nothing else."""


def child_seed(root: int, *place: int) -> int:
    """Return a seed of 63 bits, independent of those of all other places.

    Parameters
    ----------
    root : int
        Of the whole sweep.
    *place : int
        The ``spawn_key`` of NumPy's ``SeedSequence``. A sweep with paired seeds gives the number of the replicate, so that every
        point of the grid meets the same draws and differences between points are paired; one with independent seeds gives the
        number of the trial.

    Returns
    -------
    int
        At least 0 and below 2**63.
    """
    import numpy as np

    return int(np.random.SeedSequence(root, spawn_key=place).generate_state(1, np.uint64)[0] >> np.uint64(1))


def fraction(root: int, *place: int) -> float:
    """Return a number that is uniform in [0, 1), of 53 bits, the same on every machine."""
    return (child_seed(root, *place) >> 10) * 2.0**-53
