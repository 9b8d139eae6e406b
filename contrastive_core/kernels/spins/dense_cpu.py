"""Numba kernel of the textbook's Glauber dynamics, with a dense coupling matrix: the baseline of the benchmark."""

from __future__ import annotations

import numpy as np

from contrastive_core.kernels.spins import counter_random
from contrastive_core.kernels.spins.chains_cpu import SPAN, decide, fill_thresholds
from contrastive_core.kernels.spins.random_cpu import Array, Number, compiled, fill_words
from contrastive_core.kernels.spins.spin_constants import HEAT_BATH


@compiled
def dense(couplings: Array, spins: Array, beta: Number, k0: Number, k1: Number, first_step: Number, num_sweeps: Number) -> None:
    """Sweep one chain at random sites, in place, with each field summed over all N spins: O(N) per update.

    The draws, and up to rounding of the fields the spins, are those of :func:`contrastive_core.kernels.spins.chains_cpu.sequential`.

    Parameters
    ----------
    couplings : ndarray of float32, shape (N, N)
        Without diagonal.
    spins : ndarray of float32, shape (N,)
        Spins of -1 and 1; written. They are floats, so that the sum is one vectorised product.
    beta : float
        Inverse temperature.
    k0, k1 : uint64
        Key of the seed.
    first_step, num_sweeps : int
        Number of the first sweep, and how many.
    """
    num_spins = len(spins)
    accept, sites, thresholds = np.empty(SPAN, np.uint32), np.empty(SPAN, np.uint32), np.empty(SPAN, np.float32)
    for sweep in range(num_sweeps):
        step = np.uint64(first_step + sweep)
        for start in range(0, num_spins, SPAN):
            fill_words(k0, k1, np.uint64(0), step, np.uint64(counter_random.ACCEPT), start, accept)
            fill_thresholds(accept, HEAT_BATH, thresholds)
            fill_words(k0, k1, np.uint64(0), step, np.uint64(counter_random.SITE), start, sites)
            for offset in range(min(SPAN, num_spins - start)):
                site = np.int64((np.uint64(sites[offset]) * np.uint64(num_spins)) >> np.uint64(32))
                row = couplings[site]
                field = np.float32(0)  # in float32, which is what makes the dense sum as fast as it can be
                for other in range(num_spins):
                    field += row[other] * spins[other]
                spins[site] = np.float32(decide(np.float32(2 * beta * field), np.int8(spins[site]), thresholds[offset], HEAT_BATH))
