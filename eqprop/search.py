"""Searches for the lowest energy whose noise is annealed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def noisy_energies(couplings: NDArray[np.float64], noise: float, sweeps: int, searches: int, seed: int) -> NDArray[np.float64]:
    r"""Return the energies in which annealed noisy searches end, :math:`-\tfrac12 s^T J s`.

    Asynchronous :math:`s_i = \mathrm{sgn}(\sum_j J_{ij} s_j + \sigma\xi)` from random spins, with :math:`\sigma` falling linearly to 0.

    Parameters
    ----------
    couplings : ndarray of shape (N, N)
        Couplings, symmetric and without diagonal.
    noise : float
        Noise :math:`\sigma` of the first sweep.
    sweeps, searches : int
        Sweeps of each search, and number of searches.
    seed : int
        Seed of the start and of the noise.

    Returns
    -------
    ndarray of shape (searches,)
        Energies at the end of each search.
    """
    from contrastive_core.kernels.spins import counter_random
    from contrastive_core.kernels.spins.anneal_cpu import noisy_search

    starts = np.random.default_rng(seed).integers(0, 2, (searches, len(couplings)))
    spins = (2 * starts - 1).astype(np.float32)
    noisy_search(couplings.astype(np.float32), np.linspace(noise, 0, sweeps).astype(np.float32), *counter_random.key_of(seed), spins)
    return np.asarray(-0.5 * np.einsum("bi,ij,bj->b", spins, couplings, spins))
