r"""Counter-based random numbers: one definition for NumPy, numba and CUDA.

A draw is a pure function of (seed, stream, chain, step, site), so that every backend and every number of threads draws the same.
The generator is Philox4x32-10; its arithmetic is written once, in :func:`philox`, on 64-bit integers that hold 32-bit values. NumPy
runs it on arrays; a backend compiles the same function.

References
----------
Salmon, Moraes, Dror & Shaw (2011), Parallel random numbers: as easy as 1, 2, 3, SC'11.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Word = np.uint64 | NDArray[np.uint64]
"""A 32-bit value, or an array of them, held in 64 bits."""

ACCEPT, SITE, NOISE, SWAP = 0, 1, 2, 3
"""Streams of draws: of a spin's new value, of the site to visit, of Gaussian noise, and of exchanges between chains."""

GROUP = 64
"""Sites are numbered so that 64 neighbours share 16 counters, whose first words belong to the first 16 sites, and so on: a
vector unit then writes whole registers. Arrays of draws are filled in multiples of this."""

_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
_MASK = np.uint64(0xFFFFFFFF)
_HALF_WORD = np.uint64(32)
_ROUNDS = 10


def philox(c0: Word, c1: Word, c2: Word, c3: Word, k0: Word, k1: Word) -> tuple[Word, Word, Word, Word]:
    """Return the four 32-bit words of a 128-bit counter under a 64-bit key.

    Parameters
    ----------
    c0, c1, c2, c3 : uint64 or ndarray of uint64
        Words of the counter, each below 2^32.
    k0, k1 : uint64 or ndarray of uint64
        Words of the key.
    """
    # Products of 32-bit words in 64 bits: the high and low halves are what the generator mixes.
    for _ in range(_ROUNDS):
        p0 = _MULTIPLIER_0 * c0
        p1 = _MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (p1 >> _HALF_WORD) ^ c1 ^ k0, p1 & _MASK, (p0 >> _HALF_WORD) ^ c3 ^ k1, p0 & _MASK
        k0 = (k0 + _WEYL_0) & _MASK
        k1 = (k1 + _WEYL_1) & _MASK
    return c0, c1, c2, c3


def key_of(seed: int) -> tuple[np.uint64, np.uint64]:
    """Return the two key words of a seed, modulo 2^64."""
    return np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32 & 0xFFFFFFFF)


def words(seed: int, chain: int | NDArray[np.integer], step: int, site: NDArray[np.integer], stream: int = ACCEPT) -> NDArray[np.uint64]:
    """Return the 32-bit random word of each site.

    Parameters
    ----------
    seed : int
        Seed of all draws.
    chain : int or ndarray of int
        Number of the Markov chain.
    step : int
        Number of the sweep.
    site : ndarray of int
        Position in the sweep; broadcasts with ``chain``.
    stream : int
        Purpose of the draw.

    Returns
    -------
    ndarray of uint64
        Below 2^32, of the broadcast shape.
    """
    position = np.asarray(site, dtype=np.uint64)
    counter = position // np.uint64(GROUP) * np.uint64(GROUP // 4) + position % np.uint64(GROUP // 4)
    which = position % np.uint64(GROUP) // np.uint64(GROUP // 4)
    chains = np.asarray(chain, dtype=np.uint64)
    counter, which, chains = np.broadcast_arrays(counter, which, chains)
    four = philox(counter, np.full_like(counter, step), chains, np.full_like(counter, stream), *key_of(seed))
    return np.choose(which.astype(np.int64), np.broadcast_arrays(*four))


def uniform(seed: int, chain: int | NDArray[np.integer], step: int, site: NDArray[np.integer], stream: int = ACCEPT) -> NDArray[np.float64]:
    r"""Return a uniform number in (0, 1) for each site: :math:`(\lfloor w / 2^9 \rfloor + \tfrac12)\, 2^{-23}` of its word w.

    It is exact in float32, never 0 and never 1. Arguments are those of :func:`words`. Chances below :math:`6 \times 10^{-8}` are
    not resolved.
    """
    top = words(seed, chain, step, site, stream) >> np.uint64(9)
    return (top.astype(np.float64) + 0.5) * 2.0**-23


def normal(seed: int, chain: int, step: int, count: int) -> NDArray[np.float64]:
    """Return ``count`` standard normal numbers, by Box and Muller's transform of pairs of uniform ones.

    Parameters
    ----------
    seed, chain, step : int
        Same as in :func:`words`.
    count : int
        Length of the result; number j takes sites 2j and 2j + 1 of the noise stream.
    """
    pairs = uniform(seed, chain, step, np.arange(2 * count), NOISE)
    values: NDArray[np.float64] = np.sqrt(-2 * np.log(pairs[0::2])) * np.cos(2 * np.pi * pairs[1::2])
    return values
