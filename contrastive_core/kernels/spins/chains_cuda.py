"""Numba CUDA kernels of spin dynamics: mirrors of :mod:`contrastive_core.kernels.spins.chains_cpu`, name for name, draw for draw.

They run in numba's CUDA simulator (``NUMBA_ENABLE_CUDASIM=1``) where there is no device, which is how they are tested; no timing of
them is claimed. One thread runs one chain of ``sequential``; one block of threads runs one chain of ``simultaneous``, its threads
sharing the sites out.
"""

# numba.cuda has no types: its decorators and what they compile are opaque to mypy.
# mypy: disable-error-code="untyped-decorator, no-untyped-call, attr-defined, assignment, no-any-return"

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from contrastive_core.kernels.spins import counter_random
from contrastive_core.kernels.spins.spin_constants import DESCENT, HEAT_BATH, METROPOLIS, RANDOM

Array = NDArray[Any]
Number = Any
THREADS = 32
"""Threads of a block of ``simultaneous``: a power of two."""

philox = cuda.jit(device=True)(counter_random.philox)

_QUARTER = np.int64(counter_random.GROUP // 4)
_UNIT = np.float32(2.0**-23)


@cuda.jit(device=True)
def draw(k0: Number, k1: Number, chain: Number, step: Number, stream: Number, site: Number) -> Number:
    """Return the random word of a site, as :func:`contrastive_core.kernels.spins.counter_random.words` does."""
    counter = site // counter_random.GROUP * _QUARTER + site % _QUARTER
    a, b, c, d = philox(np.uint64(counter), np.uint64(step), np.uint64(chain), np.uint64(stream), k0, k1)
    which = site % counter_random.GROUP // _QUARTER
    if which == 0:
        return a
    if which == 1:
        return b
    return c if which == 2 else d


@cuda.jit(device=True)
def unit(word: Number) -> Number:
    """Return the uniform number in (0, 1) of a word, as :func:`contrastive_core.kernels.spins.counter_random.uniform` does."""
    return (np.float32(word >> np.uint64(9)) + np.float32(0.5)) * _UNIT


@cuda.jit(device=True)
def decide(x: Number, spin: Number, word: Number, rule: Number) -> Number:
    """Return the new value of a spin; x is twice its field over T (any positive multiple of the field for DESCENT)."""
    if rule == DESCENT:
        return np.int8(1) if x > 0 else (np.int8(-1) if x < 0 else spin)
    u = np.float64(unit(word))
    if rule == METROPOLIS:
        return np.int8(-spin) if x * spin < -math.log(u) else spin
    return np.int8(1) if x > math.log(u) - math.log(1.0 - u) else np.int8(-1)


@cuda.jit
def sequential(
    by_site: Array, norms: Array, spins: Array, overlaps: Array, gains: Array, rule: Number, order: Number, k0: Number, k1: Number,
    first_chain: Number, first_step: Number, every: Number, trace: Array,
) -> None:  # fmt: skip
    """Sweep chains sequentially, in place, one thread per chain; arguments are those of the CPU kernel."""
    replica = cuda.grid(1)
    if replica >= spins.shape[0]:  # the last block may have more threads than there are chains
        return
    num_spins, num_features = by_site.shape
    chain = first_chain + replica
    for sweep in range(gains.shape[0]):
        step, gain = first_step + sweep, gains[sweep, replica]
        for position in range(num_spins):
            site = position
            if order == RANDOM:
                site = np.int64((draw(k0, k1, chain, step, counter_random.SITE, position) * np.uint64(num_spins)) >> np.uint64(32))
            field = np.int64(0)
            for feature in range(num_features):
                field += np.int64(by_site[site, feature]) * overlaps[replica, feature]
            old = spins[replica, site]
            x = gain * np.float64(field - norms[site] * np.int64(old))
            new = decide(x, old, draw(k0, k1, chain, step, counter_random.ACCEPT, position), rule)
            if new != old:
                spins[replica, site] = new
                for feature in range(num_features):
                    overlaps[replica, feature] += np.int64(by_site[site, feature]) * np.int64(2 * new)
        if (sweep + 1) % every == 0:
            for feature in range(num_features):
                trace[(sweep + 1) // every - 1, replica, feature] = overlaps[replica, feature]


@cuda.jit
def simultaneous(
    features: Array, norms: Array, spins: Array, overlaps: Array, gains: Array, hidden: Number, k0: Number, k1: Number,
    first_chain: Number, first_step: Number, every: Number, trace: Array, layer: Array,
) -> None:  # fmt: skip
    """Update all spins of each chain at once, in place, one block of THREADS threads per chain.

    Arguments are those of the CPU kernel, and ``layer``, scratch of shape (R, P) in float64.
    """
    replica, thread = cuda.blockIdx.x, cuda.threadIdx.x
    num_features, num_spins = features.shape
    partial = cuda.shared.array(THREADS, np.int64)
    chain = first_chain + replica
    for sweep in range(gains.shape[0]):
        step, gain = first_step + sweep, gains[sweep, replica]
        # Box and Muller: two uniform numbers make a normal one.
        for feature in range(thread, num_features, THREADS):
            layer[replica, feature] = np.float64(overlaps[replica, feature])
            if hidden:
                radius = math.sqrt(-2.0 * math.log(np.float64(unit(draw(k0, k1, chain, step, counter_random.NOISE, 2 * feature)))))
                angle = 2.0 * math.pi * np.float64(unit(draw(k0, k1, chain, step, counter_random.NOISE, 2 * feature + 1)))
                layer[replica, feature] += radius * math.cos(angle) * math.sqrt(2.0 / gain)
        cuda.syncthreads()
        for site in range(thread, num_spins, THREADS):
            field = np.float64(0)
            for feature in range(num_features):
                field += np.float64(features[feature, site]) * layer[replica, feature]
            if not hidden:  # with a hidden layer the diagonal is a constant, s^2 = 1
                field -= np.float64(norms[site]) * np.float64(spins[replica, site])
            word = draw(k0, k1, chain, step, counter_random.ACCEPT, site)
            spins[replica, site] = decide(gain * field, spins[replica, site], word, HEAT_BATH)
        cuda.syncthreads()
        for feature in range(num_features):
            total = np.int64(0)
            for site in range(thread, num_spins, THREADS):
                total += np.int64(features[feature, site]) * np.int64(spins[replica, site])
            partial[thread] = total
            cuda.syncthreads()
            half = THREADS // 2  # a tree: the number of threads is a power of two
            while half > 0:
                if thread < half:
                    partial[thread] += partial[thread + half]
                cuda.syncthreads()
                half //= 2
            if thread == 0:
                overlaps[replica, feature] = partial[0]
                if (sweep + 1) % every == 0:
                    trace[(sweep + 1) // every - 1, replica, feature] = partial[0]
            cuda.syncthreads()
