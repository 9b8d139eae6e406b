r"""Exact identity between the energy of a state and its sum-squared losses to all patterns.

.. math:: L_\mu^\pm = \tfrac1{2N} |\xi^\mu \mp s|^2 = \tfrac{1 + q_\mu}{2} \mp m_\mu, \qquad
    H = \tfrac N2 \sum_\mu \Big[L_\mu^+ L_\mu^- - \big(\tfrac{1+q_\mu}{2}\big)^2\Big] + \tfrac12 \sum_\mu q_\mu,

with :math:`q_\mu = |\xi^\mu|^2/N`. Lowering the Hebbian energy lowers the product of the losses to a pattern and to its negative, summed
over all patterns. Diluted patterns leave :math:`\min L = (1 - q)/2`, not 0, because spins have no blanks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from contrastive_core.errors import InputError
from hebbian.arrays import Floats
from hebbian.patterns import check_patterns


class Losses(NamedTuple):
    """Losses of states to patterns.

    Attributes
    ----------
    positive, negative : ndarray of shape (S, K)
        :math:`L^+` to each pattern and :math:`L^-` to its negative.
    support : ndarray of shape (S, K)
        :math:`1 - m/q`, the loss over the entries that are not blank. It does reach 0; NaN for a blank pattern.
    """

    positive: Floats
    negative: Floats
    support: Floats


def pattern_losses(patterns: ArrayLike, states: ArrayLike) -> Losses:
    """Return the sum-squared losses of states to every pattern.

    Parameters
    ----------
    patterns : array of shape (K, N)
        Patterns with entries -1, 0 and 1.
    states : array of shape (S, N)
        Spins of -1 and 1.

    Raises
    ------
    InputError
        If the shapes do not fit or a spin is neither -1 nor 1.
    """
    overlaps, activity = _overlaps(patterns, states)
    base = (1 + activity) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        support = np.where(activity > 0, 1 - overlaps / activity, np.nan)
    return Losses(base - overlaps, base + overlaps, support)


def energy(patterns: ArrayLike, states: ArrayLike) -> Floats:
    r"""Return the raw Hebbian energy :math:`-\tfrac1{2N} \sum_\mu \sum_{i \ne j} \xi_i \xi_j s_i s_j` of each state, of shape (S,).

    Arguments are those of :func:`pattern_losses`. The energy is extensive: divide by N for the energy per spin.
    """
    overlaps, activity = _overlaps(patterns, states)
    num_spins = np.asarray(states).shape[1]
    value: Floats = -num_spins / 2 * np.square(overlaps).sum(1) + activity.sum() / 2
    return value


def energy_from_losses(patterns: ArrayLike, states: ArrayLike) -> Floats:
    """Return the energy of each state from its losses, by the identity of this module; shape (S,)."""
    losses = pattern_losses(patterns, states)
    num_spins = np.asarray(states).shape[1]
    activity = np.square(check_patterns(patterns).astype(np.float64)).mean(axis=1)
    products = losses.positive * losses.negative - ((1 + activity) / 2) ** 2
    value: Floats = num_spins / 2 * products.sum(1) + activity.sum() / 2
    return value


def _overlaps(patterns: ArrayLike, states: ArrayLike) -> tuple[Floats, Floats]:
    entries = check_patterns(patterns).astype(np.float64)
    spins = np.asarray(states, dtype=np.float64)
    if spins.ndim != 2 or spins.shape[1] != entries.shape[1]:
        raise InputError(f"states must have shape (number, {entries.shape[1]}), got {spins.shape}")
    if not bool(np.all(np.abs(spins) == 1)):
        raise InputError("states must be spins of -1 and 1")
    num_spins = spins.shape[1]
    return spins @ entries.T / num_spins, np.square(entries).mean(axis=1)
