"""Multitasking networks: low-rank couplings as integer features, with overlaps and energies in O(P) instead of O(N)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contrastive_core.errors import InputError
from contrastive_core.expect import expect_whole
from contrastive_core.guards.typed import typed
from hebbian.arrays import Entries, Floats, Integers
from hebbian.storage import Memory
from hebbian.theory.ensemble import Convention, empirical_ensemble
from hebbian.theory.learning import learning_scale
from hebbian.theory.mean_field import MeanField

_PART = 10_000_000
"""Entries of the patterns that are floats at a time."""


def _products(spins: Entries, vectors: NDArray[np.integer]) -> Floats:
    """Return the sums over sites of states of shape (R, N) times vectors of shape (P, N); shape (R, P)."""
    # float64 products are exact below 2^53 and use BLAS, which integer ones do not.
    state, rows = spins.astype(np.float64), max(1, _PART // spins.shape[1])
    parts = [state @ vectors[start : start + rows].T.astype(np.float64) for start in range(0, len(vectors), rows)]
    return np.concatenate(parts, axis=1)


@final
@typed()
@dataclass(frozen=True, eq=False)
class Multitasking:
    r"""Network with :math:`H = -\tfrac{g}{2N} \sum_\mu \sum_{i \ne j} F_{\mu i} F_{\mu j} s_i s_j`, F integer.

    With :math:`M_\mu = \sum_i F_{\mu i} s_i`, :math:`H = -\tfrac{g}{2N} \sum_\mu (M_\mu^2 - \sum_i F_{\mu i}^2)`, exactly.

    Attributes
    ----------
    patterns : ndarray of int8, shape (K, N)
        The archetypes that overlaps are measured with.
    features : ndarray of int8 or int16, shape (P, N)
        Vectors that make the couplings: the patterns, sums of examples or the examples themselves.
    scale : float
        g, positive.
    convention : Convention
        The units of every energy and temperature.
    """

    patterns: Entries
    features: NDArray[np.int8] | NDArray[np.int16]
    scale: float
    convention: Convention

    @property
    def num_spins(self) -> int:
        """N."""
        return int(self.features.shape[1])

    @property
    def num_features(self) -> int:
        """P."""
        return int(self.features.shape[0])

    @cached_property
    def norms(self) -> Integers:
        """Sum of each site's squared features, of shape (N,): the share of the diagonal in its field."""
        squares = np.zeros(self.num_spins, np.int64)
        for row in self.features:
            squares += np.square(row, dtype=np.int64)
        return squares

    def counts(self, spins: Entries) -> Integers:
        """Return the integers M of states of shape (R, N); shape (R, P)."""
        return np.rint(_products(spins, self.features)).astype(np.int64)

    def overlaps(self, spins: Entries) -> Floats:
        """Return the overlaps with the archetypes of states of shape (R, N); shape (R, K), never divided by 1 - d."""
        return _products(spins, self.patterns) / self.num_spins

    def energy(self, counts: ArrayLike) -> Floats:
        """Return the energy, extensive, of states with integers M of shape (..., P); shape (...)."""
        squares = np.square(np.asarray(counts, dtype=np.float64)).sum(-1)
        value: Floats = -self.scale / (2 * self.num_spins) * (squares - float(self.norms.sum()))
        return value

    def mean_field(self, temperature: float) -> MeanField:
        """Return the mean field of this instance; its overlaps are M/N, with the features."""
        return MeanField(empirical_ensemble(self.features), temperature, self.scale)

    def gains(self, temperatures: ArrayLike) -> Floats:
        """Return 2 g/(N T), which turns integer fields into twice the field over T; shaped as the temperatures.

        T = 0 gives 2^60: a power of two, so that ties of fields stay ties, and large enough to saturate all others.

        Raises
        ------
        InputError
            If a temperature is negative or not finite.
        """
        values = np.asarray(temperatures, dtype=np.float64)
        if not bool(np.all((values >= 0) & (values < np.inf))):
            raise InputError(f"temperatures must be at least 0 and finite, got {values.min()} to {values.max()}")
        with np.errstate(divide="ignore"):
            gains: Floats = np.minimum(2 * self.scale / (self.num_spins * values), 2.0**60)
        return gains


@typed()
def store_patterns(memory: Memory, convention: Convention = Convention.RAW) -> Multitasking:
    """Return the network that has stored the patterns themselves, like :func:`hebbian.storage.hebb` but without a matrix."""
    return Multitasking(memory.patterns, memory.patterns, convention.scale(memory.dilution), convention)


def store_supervised(memory: Memory, convention: Convention = Convention.RAW) -> Multitasking:
    """Return the network that has learnt from examples with a teacher; its features are the sums of each pattern's examples."""
    examples = memory.require_examples()
    number = examples.shape[1]
    if number > np.iinfo(np.int16).max:
        raise InputError(f"at most {np.iinfo(np.int16).max} examples of a pattern fit the features, got {number}")
    sums = examples.sum(axis=1, dtype=np.int16)
    scale = learning_scale(0.0, memory.quality, number) * convention.scale(memory.dilution) / number**2
    return Multitasking(memory.patterns, sums, scale, convention)


def store_unsupervised(memory: Memory, convention: Convention = Convention.RAW) -> Multitasking:
    """Return the network that has learnt from examples without a teacher; its features are all the examples."""
    examples = memory.require_examples()
    number = examples.shape[1]
    scale = learning_scale(0.0, memory.quality, number) * convention.scale(memory.dilution) / number
    return Multitasking(memory.patterns, np.ascontiguousarray(examples.reshape(-1, examples.shape[2])), scale, convention)


LOW_RANK = {"hebb": store_patterns, "supervised-hebb": store_supervised, "unsupervised-hebb": store_unsupervised}
"""The storage rules whose couplings are low-rank sums of integers, by the names of :data:`hebbian.STORAGE`."""


@typed()
def cue(patterns: Entries, weights: ArrayLike, num_chains: int, quality: float, seed: int) -> Entries:
    """Return start states that agree with a weighted majority of the patterns.

    Parameters
    ----------
    patterns : ndarray of int8, shape (K, N)
        The patterns.
    weights : array of shape (K,)
        (1, 0, ...) cues the first pattern; falling weights cue a hierarchy.
    num_chains : int
        R.
    quality : float
        Quality in [0, 1]: each spin agrees with the majority with chance (1 + quality)/2. Sites without a majority are random.
    seed : int
        Source of the draws.

    Returns
    -------
    ndarray of int8, shape (R, N)
        Spins of -1 and 1.
    """
    if not 0 <= quality <= 1:
        raise InputError(f"the quality of a cue must lie in [0, 1], got {quality}")
    generator = np.random.default_rng(expect_whole(seed, "seed", "0 is usual", least=0))
    expect_whole(num_chains, "num_chains", "1 is the least", least=1)
    mixture = np.asarray(weights, dtype=np.float64)
    if mixture.shape != (len(patterns),):
        raise InputError(f"a cue needs one weight per pattern, got weights of shape {mixture.shape} for {len(patterns)} patterns")
    columns = max(1, _PART // len(patterns))
    majority = np.concatenate([np.sign(mixture @ patterns[:, start : start + columns]) for start in range(0, patterns.shape[1], columns)])
    shape = (num_chains, patterns.shape[1])
    chance = (1 + quality * majority) / 2
    return np.where(generator.random(shape) < chance, np.int8(1), np.int8(-1))
