r"""Numba kernels of spin dynamics with low-rank couplings, for the CPU.

The couplings are :math:`J = \tfrac gN F^T F` without diagonal, F an integer matrix of P features by N spins. With the integers
:math:`M_\mu = \sum_i F_{\mu i} s_i` kept up to date, a spin's field :math:`\tfrac gN \sum_\mu F_{\mu i}(M_\mu - F_{\mu i} s_i)` costs
O(P) instead of O(N). Every kernel writes in place into arrays it is given, trusts its caller, and draws by counter, so that
results depend on neither the number of threads nor the other chains.
"""

from __future__ import annotations

import numba
import numpy as np

from contrastive_core.kernels.caching import wide
from contrastive_core.kernels.spins import counter_random
from contrastive_core.kernels.spins.random_cpu import Array, Number, bare, exponential, fill_words, inlined, logarithm, threaded, unit
from contrastive_core.kernels.spins.spin_constants import DESCENT, HEAT_BATH, METROPOLIS, RANDOM

SPAN = 512
"""Sites handled at a time: their draws and fields stay in the first-level cache."""

NARROW = 64
"""Size of features from which on their sum over SPAN sites does not fit 16 bits."""


@bare
def fill_thresholds(words: Array, rule: Number, out: Array) -> None:
    """Turn words into what twice the field over T is compared with, in place: the only costly functions, outside the serial chain.

    A heat bath turns a spin up where u < 1/(1 + exp(-x)), that is x > ln u - ln(1 - u). Metropolis flips it where u < exp(-x s), that
    is x s < -ln u.
    """
    if rule == HEAT_BATH:
        for lane in range(len(out)):
            u = unit(words[lane])
            out[lane] = logarithm(u) - logarithm(np.float32(1) - u)  # 1 - u is exact
    elif rule == METROPOLIS:
        for lane in range(len(out)):
            out[lane] = -logarithm(unit(words[lane]))
    else:
        out[:] = np.float32(0)


@inlined
def decide(x: Number, spin: Number, threshold: Number, rule: Number) -> Number:
    """Return the new value of a spin; x is twice its field over T (any positive multiple of the field for DESCENT)."""
    if rule == METROPOLIS:
        return np.int8(-spin) if x * np.float32(spin) < threshold else spin
    if rule == DESCENT and x == 0:
        return spin
    return np.int8(1) if x > threshold else np.int8(-1)


@bare
def _sweep(
    by_site: Array, norms: Array, spins: Array, overlaps: Array, gain: Number, rule: Number, order: Number, k0: Number, k1: Number,
    chain: Number, step: Number, accept: Array, sites: Array, thresholds: Array,
) -> None:  # fmt: skip
    """Update N spins of one chain, one after the other, in place."""
    num_spins, num_features = by_site.shape
    for start in range(0, num_spins, SPAN):
        fill_words(k0, k1, chain, step, np.uint64(counter_random.ACCEPT), start, accept)
        fill_thresholds(accept, rule, thresholds)
        if order == RANDOM:
            fill_words(k0, k1, chain, step, np.uint64(counter_random.SITE), start, sites)
        for offset in range(min(SPAN, num_spins - start)):
            site: Number = start + offset
            if order == RANDOM:
                # The high half of a 64-bit product maps a word to a site without a division.
                site = np.int64((np.uint64(sites[offset]) * np.uint64(num_spins)) >> np.uint64(32))
            features = by_site[site]
            field = np.int64(0)  # whole numbers: the overlaps must not drift over millions of updates
            for feature in range(num_features):
                field += np.int64(features[feature]) * overlaps[feature]
            old = spins[site]
            # Without the norm a spin would act on itself: the couplings have no diagonal.
            x = np.float32(gain * np.float64(field - np.int64(norms[site]) * np.int64(old)))
            new = decide(x, old, thresholds[offset], rule)
            if new != old:
                spins[site] = new
                for feature in range(num_features):
                    overlaps[feature] += np.int64(features[feature]) * np.int64(2 * new)  # new - old is 2 new


@threaded
def sequential(
    by_site: Array, norms: Array, spins: Array, overlaps: Array, gains: Array, rule: Number, order: Number, k0: Number, k1: Number,
    first_chain: Number, first_step: Number, every: Number, trace: Array,
) -> None:  # fmt: skip
    """Sweep chains sequentially, in place; threads share the chains out.

    Parameters
    ----------
    by_site : ndarray of int8 or int16, shape (N, P)
        Features of each site.
    norms : ndarray of int64, shape (N,)
        Sum of the squared features of each site.
    spins : ndarray of int8, shape (R, N)
        Spins of each chain; written.
    overlaps : ndarray of int64, shape (R, P)
        The integers M of the spins; written.
    gains : ndarray of float64, shape (S, R)
        2 g/(N T) of each sweep and chain; any positive number for DESCENT.
    rule, order : int
        One of HEAT_BATH, METROPOLIS and DESCENT; one of RANDOM and FIXED.
    k0, k1 : uint64
        Key of the seed.
    first_chain, first_step : int
        Numbers of the first chain and sweep, for the draws.
    every : int
        Sweeps between records.
    trace : ndarray of int64, shape (S // every, R, P)
        Overlaps after every ``every``-th sweep; written.
    """
    for replica in numba.prange(spins.shape[0]):
        accept, sites = np.empty(SPAN, np.uint32), np.empty(SPAN, np.uint32)
        thresholds = np.empty(SPAN, np.float32)
        chain = np.uint64(first_chain + replica)
        own, sums = spins[replica], overlaps[replica]
        for sweep in range(gains.shape[0]):
            step = np.uint64(first_step + sweep)
            gain = gains[sweep, replica]
            _sweep(by_site, norms, own, sums, gain, rule, order, k0, k1, chain, step, accept, sites, thresholds)
            if (sweep + 1) % every == 0:
                trace[(sweep + 1) // every - 1, replica] = overlaps[replica]


@bare
def _whole(
    features: Array, norms: Array, spins: Array, hidden: Array, gain: Number, diagonal: Number, narrow: Number, k0: Number, k1: Number,
    chain: Number, step: Number, accept: Array, field: Array, sums: Array,
) -> None:  # fmt: skip
    """Set all spins of one chain at once from hidden values, in place, and write their overlaps into ``sums``."""
    wide()
    num_features, num_spins = features.shape
    sums[:] = 0
    for start in range(0, num_spins, SPAN):
        width = min(SPAN, num_spins - start)
        values, current, own = field[:width], spins[start : start + width], norms[start : start + width]
        fill_words(k0, k1, chain, step, np.uint64(counter_random.ACCEPT), start, accept)
        values[:] = np.float32(0)
        for feature in range(num_features):
            row = features[feature, start : start + width]  # a slice first: only then does the loop vectorise
            weight = np.float32(gain * hidden[feature])
            for lane in range(width):
                values[lane] += weight * np.float32(row[lane])
        if diagonal:
            own_gain = np.float32(gain)
            for lane in range(width):
                values[lane] -= own_gain * np.float32(own[lane]) * np.float32(current[lane])
        for lane in range(width):
            # u < 1/(1 + exp(-x)), multiplied out: a division per lane is slower.
            up = unit(accept[lane]) * (np.float32(1) + exponential(-values[lane])) < np.float32(1)
            current[lane] = np.int8(1) if up else np.int8(-1)
        for feature in range(num_features):
            row = features[feature, start : start + width]
            # Narrow sums fill more lanes; numba would make 64 bits of them unless each is cut.
            if narrow:
                short = np.int16(0)
                for lane in range(width):
                    short = np.int16(short + np.int16(row[lane]) * np.int16(current[lane]))
                sums[feature] += short
            else:
                total = np.int32(0)
                for lane in range(width):
                    total = np.int32(total + np.int32(row[lane]) * np.int32(current[lane]))
                sums[feature] += total


@inlined
def _noise(k0: Number, k1: Number, chain: Number, step: Number, out: Array) -> None:
    """Write standard normal numbers in place, as :func:`contrastive_core.kernels.spins.counter_random.normal` draws them."""
    words = np.empty((2 * len(out) + counter_random.GROUP - 1) // counter_random.GROUP * counter_random.GROUP, np.uint32)
    fill_words(k0, k1, chain, step, np.uint64(counter_random.NOISE), 0, words)
    for index in range(len(out)):
        radius = np.sqrt(-2 * np.log(np.float64(unit(words[2 * index]))))
        out[index] = radius * np.cos(2 * np.pi * np.float64(unit(words[2 * index + 1])))


@threaded
def simultaneous(
    features: Array, norms: Array, spins: Array, overlaps: Array, gains: Array, hidden: Number, narrow: Number, k0: Number, k1: Number,
    first_chain: Number, first_step: Number, every: Number, trace: Array,
) -> None:  # fmt: skip
    r"""Update all spins of each chain at once, in place.

    With ``hidden`` false it is Little's parallel dynamics. With ``hidden`` true it is exact block Gibbs sampling through the Gaussian
    hidden layer, :math:`z_\mu | s \sim N(M_\mu, N T/g)` and :math:`s_i | z` independent with field :math:`\tfrac gN \sum F_{\mu i} z_\mu`:
    the equilibrium of the same energy, not Glauber's dynamics.

    Parameters
    ----------
    features : ndarray of int8 or int16, shape (P, N)
        Features by row.
    norms, spins, overlaps, gains, k0, k1, first_chain, first_step, every, trace
        Same as in :func:`sequential`.
    hidden : bool
        Whether to sample the hidden layer.
    narrow : bool
        Whether all features are smaller than NARROW.
    """
    for replica in numba.prange(spins.shape[0]):
        accept, field = np.empty(SPAN, np.uint32), np.empty(SPAN, np.float32)
        count = features.shape[0]
        layer, noise = np.empty(count, np.float64), np.empty(count, np.float64)
        chain = np.uint64(first_chain + replica)
        sums = overlaps[replica]
        for sweep in range(gains.shape[0]):
            step = np.uint64(first_step + sweep)
            gain = gains[sweep, replica]
            layer[:] = sums  # a copy: all spins of a sweep see the overlaps of before
            if hidden:
                _noise(k0, k1, chain, step, noise)
                layer += noise * np.sqrt(2 / gain)  # the variance N T/g is 2 over the gain 2 g/(N T)
            _whole(features, norms, spins[replica], layer, gain, not hidden, narrow, k0, k1, chain, step, accept, field, sums)
            if (sweep + 1) % every == 0:
                trace[(sweep + 1) // every - 1, replica] = sums
