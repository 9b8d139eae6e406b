"""Numba kernel of sequential spin dynamics with many replicas side by side, one per lane of the vector unit."""

from __future__ import annotations

import numba
import numpy as np

from contrastive_core.kernels.caching import wide
from contrastive_core.kernels.spins import counter_random, lane_formulas
from contrastive_core.kernels.spins.chains_cpu import SPAN
from contrastive_core.kernels.spins.random_cpu import Array, Number, bare, exponential, fill_words, inlined, philox, threaded, unit
from contrastive_core.kernels.spins.spin_constants import HEAT_BATH, METROPOLIS, RANDOM, SHARED_CHAIN

LANES = 64
"""Replicas side by side: a constant, so that every loop over them is straight vector code."""

heat_bath = inlined(lane_formulas.heat_bath)
metropolis = inlined(lane_formulas.metropolis)
descent = inlined(lane_formulas.descent)


@bare
def _lane_words(k0: Number, k1: Number, first_chain: Number, step: Number, counter: Number, out: Array) -> None:
    """Write the words of the four sites of one counter, for consecutive chains, into ``out`` of shape (4, LANES)."""
    wide()
    for lane in range(LANES):
        a, b, c, d = philox(counter, step, np.uint64(first_chain + lane), np.uint64(counter_random.ACCEPT), k0, k1)
        out[0, lane], out[1, lane], out[2, lane], out[3, lane] = np.uint32(a), np.uint32(b), np.uint32(c), np.uint32(d)


@bare
def _update(features: Array, norm: Number, spins: Array, overlaps: Array, gains: Array, rule: Number, words: Array, field: Array) -> None:
    """Update one site in all lanes, in place; features (P,), spins (L,), overlaps (P, L), gains (L,), words (L,)."""
    wide()
    own = np.float32(norm)
    for lane in range(LANES):
        field[lane] = -own * np.float32(spins[lane])  # the couplings have no diagonal
    for feature in range(len(features)):
        weight, row = np.float32(features[feature]), overlaps[feature]  # skipping zeros would cost more in branches missed
        for lane in range(LANES):
            field[lane] += weight * row[lane]
    # From here on ``field`` holds the changes, 0 or 2 in size: adding 0 in every lane is faster than a branch per lane.
    if rule == HEAT_BATH:
        for lane in range(LANES):
            field[lane] = heat_bath(unit(words[lane]), exponential(-gains[lane] * field[lane]), np.float32(spins[lane]))
    elif rule == METROPOLIS:
        for lane in range(LANES):
            spin = np.float32(spins[lane])
            field[lane] = metropolis(unit(words[lane]), exponential(-gains[lane] * field[lane] * spin), spin)
    else:
        for lane in range(LANES):
            field[lane] = descent(field[lane], np.float32(spins[lane]))
    for lane in range(LANES):
        spins[lane] = np.int8(np.float32(spins[lane]) + field[lane])
    for feature in range(len(features)):
        weight, row = np.float32(features[feature]), overlaps[feature]
        for lane in range(LANES):
            row[lane] += weight * field[lane]


@bare
def _sweep_lanes(
    by_site: Array, norms: Array, spins: Array, overlaps: Array, gains: Array, rule: Number, order: Number, k0: Number, k1: Number,
    first_chain: Number, step: Number, sites: Array, words: Array, field: Array,
) -> None:  # fmt: skip
    """Update N sites in all lanes of one group, in place; spins (N, L), overlaps (P, L)."""
    num_spins = by_site.shape[0]
    quarter = counter_random.GROUP // 4
    for start in range(0, num_spins, counter_random.GROUP):
        # One chain of draws for the sites of all lanes: lanes at different sites could not share the features they load.
        if order == RANDOM and start % SPAN == 0:
            fill_words(k0, k1, np.uint64(SHARED_CHAIN - first_chain), step, np.uint64(counter_random.SITE), start, sites)
        for counter in range(quarter):  # one counter's four words belong to sites a quarter of a group apart
            index = np.uint64(start // counter_random.GROUP * quarter + counter)
            _lane_words(k0, k1, first_chain, step, index, words[counter])
        for offset in range(min(counter_random.GROUP, num_spins - start)):
            site: Number = start + offset
            if order == RANDOM:
                site = np.int64((np.uint64(sites[(start + offset) % SPAN]) * np.uint64(num_spins)) >> np.uint64(32))
            _update(by_site[site], norms[site], spins[site], overlaps, gains, rule, words[offset % quarter, offset // quarter], field)


@threaded
def lanes(
    by_site: Array, norms: Array, spins: Array, overlaps: Array, gains: Array, rule: Number, order: Number, k0: Number, k1: Number,
    first_chain: Number, first_step: Number, every: Number, trace: Array,
) -> None:  # fmt: skip
    """Sweep replicas sequentially, side by side, in place; all replicas of a group visit the same sites.

    Each replica is a valid chain of its own, but in random order those of a group are not independent: error bars must come from
    their course in time, not from their spread. In fixed order the draws, and so the chains, are those of
    :func:`contrastive_core.kernels.spins.chains_cpu.sequential`, and independent.

    Parameters
    ----------
    by_site : ndarray of int8 or int16, shape (N, P)
        Features of each site; the overlaps must stay below 2^24, where float32 is exact.
    norms : ndarray of int64, shape (N,)
        Sum of the squared features of each site.
    spins : ndarray of int8, shape (G, N, L)
        Replicas in G groups of L = LANES lanes; written.
    overlaps : ndarray of float32, shape (G, P, L)
        Written.
    gains : ndarray of float32, shape (S, G, L)
        2 g/(N T) of each sweep and replica.
    rule, order, k0, k1, first_chain, first_step, every
        Same as in ``sequential``.
    trace : ndarray of float32, shape (S // every, G, P, L)
        Overlaps after every ``every``-th sweep; written.
    """
    for group in numba.prange(spins.shape[0]):
        sites = np.empty(SPAN, np.uint32)
        words = np.empty((counter_random.GROUP // 4, 4, LANES), np.uint32)
        field = np.empty(LANES, np.float32)
        chain = first_chain + group * LANES
        for sweep in range(gains.shape[0]):
            step = np.uint64(first_step + sweep)
            gain = gains[sweep, group]
            _sweep_lanes(by_site, norms, spins[group], overlaps[group], gain, rule, order, k0, k1, chain, step, sites, words, field)
            if (sweep + 1) % every == 0:
                trace[(sweep + 1) // every - 1, group] = overlaps[group]
