"""The seed of every trial, from the root seed and the trial's place in the grid, so that it depends on nothing else."""


def child_seed(root: int, *place: int) -> int:
    """Return a seed of 63 bits, independent of those of all other places.

    Parameters
    ----------
    root : int
        Root seed of the whole sweep.
    *place : int
        ``spawn_key`` of NumPy's ``SeedSequence``: the number of the replicate in a sweep with paired seeds, the number of the trial in
        one with independent seeds. Paired seeds give every point of the grid the same draws.

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
