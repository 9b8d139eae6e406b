"""Chains over the number of up spins per type of site, at a cost that does not grow with N; sites of equal features are alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from contrastive_core.progress.share import counted
from hebbian.arrays import Entries, Floats, Integers
from hebbian.multitasking import Multitasking


def advance_lumped(
    system: Multitasking, spins: Entries, gains: Floats, seed: int, first_step: int, every: int, *, hidden: bool
) -> tuple[Entries, Integers]:
    r"""Run chains type by type: :math:`n_\tau \sim \mathrm{Binomial}(N_\tau, p_\tau)`.

    With ``hidden``, :math:`p_\tau` follows from a sample of the Gaussian hidden layer, which is exact block Gibbs sampling; without
    it, from the overlaps themselves, which is Little's dynamics. The diagonal is kept, because spins of one type cannot be told
    apart; its effect is of order P/N. The method pays if there are far fewer types than spins.

    Parameters
    ----------
    system : Multitasking
        The network.
    spins : ndarray of int8, shape (R, N)
        Start states.
    gains : ndarray of float64, shape (S, R)
        2 g/(N T) of each sweep and chain.
    seed, first_step : int
        Seeds of the draws; a continued run draws anew from both.
    every : int
        Sweeps between records.
    hidden : bool
        Whether to sample through the hidden layer (block Gibbs) or not (Little's dynamics).

    Returns
    -------
    spins : ndarray of int8, shape (R, N)
        States drawn at random among those with the final numbers of up spins.
    counts : ndarray of int64, shape (S // every, R, P)
        The integers M.
    """
    types, kind, sizes = np.unique(system.features.T, axis=0, return_inverse=True, return_counts=True)
    kind = kind.reshape(-1)
    values = types.astype(np.float64)  # (n_types, P)
    generator = np.random.default_rng([seed, first_step])
    counts = system.counts(spins).astype(np.float64)  # (R, P)
    up = np.zeros((len(spins), len(sizes)), np.int64)
    record = np.empty((len(gains) // every, *counts.shape), np.int64)
    for sweep, gain in counted(enumerate(gains), len(gains)):
        layer = counts + generator.standard_normal(counts.shape) * np.sqrt(2 / gain)[:, None] if hidden else counts
        with np.errstate(over="ignore"):
            up = generator.binomial(sizes, expit(gain[:, None] * (layer @ values.T)))  # (R, n_types)
        counts = (2 * up - sizes) @ values
        if (sweep + 1) % every == 0:
            record[(sweep + 1) // every - 1] = np.rint(counts)
    return _spread(up, kind, generator), record


def _spread(up: Integers, kind: NDArray[np.intp], generator: np.random.Generator) -> Entries:
    """Draw states with the given numbers of up spins of each type."""
    rank = np.empty((len(up), len(kind)), np.int64)
    order = np.argsort(kind, kind="stable")
    starts = np.searchsorted(kind[order], np.arange(up.shape[1]))
    for chain in range(len(up)):
        shuffled = generator.permutation(len(kind))
        shuffled = shuffled[np.argsort(kind[shuffled], kind="stable")]
        rank[chain, shuffled] = np.arange(len(kind)) - starts[kind[shuffled]]
    return np.where(rank < np.take_along_axis(up, np.broadcast_to(kind, rank.shape), 1), 1, -1).astype(np.int8)
