"""Numba CUDA kernel of replicas side by side: the mirror of :mod:`contrastive_core.kernels.spins.replicas_cpu`, draw for draw.

One block of threads runs one group of replicas, one thread each; the block draws the sites that its replicas visit together.
"""

# numba.cuda has no types: its decorators and what they compile are opaque to mypy.
# mypy: disable-error-code="untyped-decorator, no-untyped-call, attr-defined, no-any-return"

from __future__ import annotations

import math

import numpy as np
from numba import cuda

from contrastive_core.kernels.spins import counter_random, lane_formulas
from contrastive_core.kernels.spins.chains_cuda import Array, Number, draw, philox, unit
from contrastive_core.kernels.spins.spin_constants import HEAT_BATH, METROPOLIS, RANDOM, SHARED_CHAIN

_GROUP = counter_random.GROUP
_QUARTER = _GROUP // 4

clipped = cuda.jit(device=True)(lane_formulas.clipped)
binary_exponent = cuda.jit(device=True)(lane_formulas.binary_exponent)
mantissa = cuda.jit(device=True)(lane_formulas.mantissa)
heat_bath = cuda.jit(device=True)(lane_formulas.heat_bath)
metropolis = cuda.jit(device=True)(lane_formulas.metropolis)
descent = cuda.jit(device=True)(lane_formulas.descent)


@cuda.jit(device=True)
def exponential(x: Number) -> Number:
    """Return exp(x) of a float32 with the CPU kernel's polynomial, so that both decide alike."""
    x = clipped(x)
    whole = math.floor(binary_exponent(x))
    return np.float32(math.ldexp(mantissa(x, np.float32(whole)), whole))


@cuda.jit(device=True)
def _update(features: Array, norm: Number, spins: Array, overlaps: Array, lane: Number, gain: Number, rule: Number, word: Number) -> None:
    """Update one site in one lane, in place; features (P,), spins (L,), overlaps (P, L)."""
    spin = np.float32(spins[lane])
    field = -np.float32(norm) * spin
    for feature in range(features.shape[0]):
        field += np.float32(features[feature]) * overlaps[feature, lane]
    if rule == HEAT_BATH:
        change = heat_bath(unit(word), exponential(-gain * field), spin)
    elif rule == METROPOLIS:
        change = metropolis(unit(word), exponential(-gain * field * spin), spin)
    else:
        change = descent(field, spin)
    if change != np.float32(0):  # near equilibrium few spins flip, and most threads skip the loop
        spins[lane] = np.int8(spin + change)
        for feature in range(features.shape[0]):
            overlaps[feature, lane] += np.float32(features[feature]) * change


@cuda.jit
def lanes(
    by_site: Array, norms: Array, spins: Array, overlaps: Array, gains: Array, rule: Number, order: Number, k0: Number, k1: Number,
    first_chain: Number, first_step: Number, every: Number, trace: Array,
) -> None:  # fmt: skip
    """Sweep replicas sequentially, side by side, in place; arguments are those of the CPU kernel.

    Launched with one block per group, and as many threads as a group has lanes.
    """
    group, lane, width = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    num_spins = by_site.shape[0]
    sites = cuda.shared.array(_GROUP, np.int64)
    words = cuda.local.array(_GROUP, np.uint64)
    first = first_chain + group * width
    for sweep in range(gains.shape[0]):
        step, gain = first_step + sweep, gains[sweep, group, lane]
        for start in range(0, num_spins, _GROUP):
            for offset in range(lane, _GROUP, width):
                site: Number = start + offset
                if order == RANDOM:
                    word = draw(k0, k1, SHARED_CHAIN - first, step, counter_random.SITE, site)
                    site = np.int64((word * np.uint64(num_spins)) >> np.uint64(32))
                sites[offset] = site
            for counter in range(_QUARTER):
                index = np.uint64(start // _GROUP * _QUARTER + counter)
                a, b, c, d = philox(index, np.uint64(step), np.uint64(first + lane), np.uint64(counter_random.ACCEPT), k0, k1)
                words[counter], words[_QUARTER + counter] = a, b
                words[2 * _QUARTER + counter], words[3 * _QUARTER + counter] = c, d
            cuda.syncthreads()  # before anyone reads the sites
            for offset in range(min(_GROUP, num_spins - start)):
                site = sites[offset]
                _update(by_site[site], norms[site], spins[group, site], overlaps[group], lane, gain, rule, words[offset])
            cuda.syncthreads()  # before the next sites are drawn over these
        if (sweep + 1) % every == 0:
            for feature in range(overlaps.shape[1]):
                trace[(sweep + 1) // every - 1, group, feature, lane] = overlaps[group, feature, lane]
