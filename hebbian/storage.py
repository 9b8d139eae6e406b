r"""Storage rules: couplings that a network learns from patterns, or from noisy examples of them.

Every rule returns a symmetric (N, N) matrix with zero diagonal, for :math:`E(s) = -\tfrac12 s^T J s`. The convention multiplies all of
it by :math:`1/(1-d)` or leaves it, for every rule alike, so that rules can be compared at one temperature.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from hebbian.arrays import Entries, Floats
from hebbian.patterns import check_examples, check_patterns
from hebbian.theory.ensemble import Convention, check_dilutions, check_examples_asked
from hebbian.theory.learning import learning_scale


class Memory(NamedTuple):
    """Patterns, and examples of them, to be stored; build it with :func:`remember`, which checks it.

    Attributes
    ----------
    patterns : ndarray of int8, shape (K, N)
        The archetypes.
    dilution : float
        Dilution d of the distribution from which they are drawn.
    examples : ndarray of int8, shape (K, M, N), optional
        Noisy examples, for the rules that never see the archetypes.
    quality : float
        Quality r of the examples.
    """

    patterns: Entries
    dilution: float
    examples: Entries | None = None
    quality: float = 1.0

    def require_examples(self) -> Entries:
        """Return the examples.

        Raises
        ------
        InputError
            If there are none.
        """
        if self.examples is None:
            raise InputError("this storage rule learns from examples, and the memory has none; draw some, or store the patterns with hebb")
        return self.examples


@typed()
def remember(patterns: ArrayLike, dilution: float, examples: ArrayLike | None = None, quality: float = 1.0) -> Memory:
    """Check patterns and examples that are to be stored.

    Parameters
    ----------
    patterns : array of shape (K, N)
        Patterns with entries -1, 0 and 1.
    dilution : float
        Dilution in [0, 1].
    examples : array of shape (K, M, N), optional
        Examples of these patterns.
    quality : float
        Quality r of the examples, in (0, 1].

    Raises
    ------
    InputError
        If a value or shape is wrong.
    """
    archetypes = check_patterns(patterns)
    check_dilutions(dilution, 1)
    check_examples_asked(quality, 1)
    seen = None if examples is None else check_examples(examples)
    if seen is not None and (seen.shape[0], seen.shape[2]) != archetypes.shape:
        raise InputError(f"examples have shape {seen.shape}, which does not fit patterns of shape {archetypes.shape}")
    return Memory(archetypes, dilution, seen, quality)


def hebb(memory: Memory, convention: Convention = Convention.RAW) -> Floats:
    r"""Return Hebb's couplings, :math:`J = \tfrac1N \xi^T \xi`."""
    patterns = memory.patterns.astype(np.float64)
    return _finished(patterns.T @ patterns / patterns.shape[1], memory, convention)


def supervised_hebb(memory: Memory, convention: Convention = Convention.RAW) -> Floats:
    r"""Return the couplings learnt with a teacher, who groups the examples: Hebb's rule on each pattern's mean example.

    :math:`J_{ij} = \frac{1}{N (1+\rho) r^2} \sum_\mu \bar\eta_i^\mu \bar\eta_j^\mu`, with :math:`\bar\eta` the mean of M examples and
    :math:`1 + \rho` the excess variance of it.
    """
    means = memory.require_examples().mean(axis=1, dtype=np.float64)  # (K, N)
    return _finished(_example_factor(memory) * means.T @ means / means.shape[1], memory, convention)


def unsupervised_hebb(memory: Memory, convention: Convention = Convention.RAW) -> Floats:
    r"""Return the couplings learnt without a teacher: Hebb's rule on every example.

    :math:`J_{ij} = \frac{1}{N (1+\rho) r^2} \sum_\mu \frac1M \sum_a \eta_i^{\mu a} \eta_j^{\mu a}`.
    """
    examples = memory.require_examples()
    flat = examples.reshape(-1, examples.shape[2]).astype(np.float64)  # (K M, N)
    return _finished(_example_factor(memory) * flat.T @ flat / (examples.shape[1] * flat.shape[1]), memory, convention)


def pseudo_inverse(memory: Memory, convention: Convention = Convention.RAW) -> Floats:
    r"""Return the projector on the patterns, :math:`J = \tfrac1N \xi^T C^{-1} \xi` with :math:`C = \tfrac1N \xi \xi^T`.

    Stores up to N independent patterns. The inverse is that of Moore and Penrose, so that dependent patterns are
    projected on, too.
    """
    patterns = memory.patterns.astype(np.float64)
    return _finished(np.linalg.pinv(patterns) @ patterns, memory, convention)


def storkey(memory: Memory, convention: Convention = Convention.RAW) -> Floats:
    r"""Return the couplings of Storkey's local rule, which stores patterns one by one.

    :math:`\Delta J_{ij} = \tfrac1N (\xi_i \xi_j - \xi_i h_{ji} - h_{ij} \xi_j)` with :math:`h_{ij} = \sum_{k \ne i,j} J_{ik} \xi_k`.

    References
    ----------
    Storkey & Valabregue (1999), Neural Networks 12, 869. The order of the patterns matters.
    """
    num_spins = memory.patterns.shape[1]
    couplings = np.zeros((num_spins, num_spins))
    for pattern in memory.patterns.astype(np.float64):
        local = (couplings @ pattern)[:, None] - couplings * pattern  # h_ij; the diagonal of J is 0 throughout
        cross = local * pattern  # h_ij xi_j
        couplings = couplings + (np.outer(pattern, pattern) - cross - cross.T) / num_spins
        np.fill_diagonal(couplings, 0.0)
    return _finished(couplings, memory, convention)


def dreaming(memory: Memory, convention: Convention = Convention.RAW, time: float = 1.0) -> Floats:
    r"""Return Hebb's couplings after a time t of dreaming, :math:`J = \tfrac1N \xi^T (1+t)(I + tC)^{-1} \xi`.

    t = 0 is Hebb's rule and :math:`t \to \infty` the pseudo-inverse.

    Parameters
    ----------
    memory, convention
        Same as in the other rules.
    time : float
        Dreaming time t, at least 0.

    Raises
    ------
    InputError
        If the time is negative.
    """
    if not 0 <= time < float("inf"):
        raise InputError(f"dreaming time must be at least 0 and finite, got {time}; pseudo_inverse is its limit")
    patterns = memory.patterns.astype(np.float64)
    num_patterns, num_spins = patterns.shape
    kernel = np.eye(num_patterns) + time * (patterns @ patterns.T) / num_spins
    return _finished((1 + time) * patterns.T @ np.linalg.solve(kernel, patterns) / num_spins, memory, convention)


def _example_factor(memory: Memory) -> float:
    return learning_scale(0.0, memory.quality, memory.require_examples().shape[1])  # without the 1/(1-d) of the convention


def _finished(couplings: Floats, memory: Memory, convention: Convention) -> Floats:
    scaled = couplings * convention.scale(memory.dilution)
    symmetric: Floats = (scaled + scaled.T) / 2  # removes rounding of the products
    np.fill_diagonal(symmetric, 0.0)
    return symmetric
