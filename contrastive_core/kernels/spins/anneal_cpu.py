"""Numba kernels of annealing: Ising machines of two layers by heat bath, and Hopfield networks whose fields are noisy."""

from __future__ import annotations

import numpy as np

from contrastive_core.kernels.spins import counter_random
from contrastive_core.kernels.spins.random_cpu import Array, Number, compiled, exponential, fill_words, unit


@compiled
def _sweep(fields: Array, couplings: Array, others: Array, spins: Array, beta: Number, words: Array) -> None:
    """Turn each spin of a layer up or down by heat bath, in place; ``couplings`` of shape (n, m), ``others`` (m,)."""
    for i in range(len(spins)):
        field = fields[i]
        row = couplings[i]
        for j in range(len(others)):
            field += row[j] * others[j]
        # u < 1/(1 + exp(2 beta h)), multiplied out; the energy is +h s, so that a spin turns against its field.
        up = unit(words[i]) * (np.float32(1) + exponential(np.float32(2) * beta * field)) < np.float32(1)
        spins[i] = np.float32(1) if up else np.float32(-1)


@compiled
def anneal(
    fields: Array, output_fields: Array, couplings: Array, transposed: Array, betas: Array, reads: Number, given: Number, held: Number,
    k0: Number, k1: Number, hidden: Array, output: Array, energies: Array,
) -> None:  # fmt: skip
    """Anneal each sample several times and keep the state of lowest energy, in place.

    Parameters
    ----------
    fields, output_fields : ndarray of float32, shape (B, H) and (B, O)
        Linear coefficients of the energy.
    couplings, transposed : ndarray of float32, shape (H, O) and (O, H)
        Bilinear coefficients.
    betas : ndarray of float32, shape (S,)
        Inverse temperature of each sweep.
    reads : int
        Anneals per sample.
    given : bool
        Whether each anneal starts from ``hidden`` and ``output`` as they are given, or from random spins.
    held : bool
        Whether ``output`` stays as it is given; it may then have any values.
    k0, k1 : uint64
        Key of the seed.
    hidden, output : ndarray of float32, shape (B, H) and (B, O)
        Spins of -1 and 1; written.
    energies : ndarray of float32, shape (B,)
        Written.
    """
    width, count = couplings.shape
    span = (max(width, count) + counter_random.GROUP - 1) // counter_random.GROUP * counter_random.GROUP
    words = np.empty(span, np.uint32)
    top, bottom = np.empty(count, np.float32), np.empty(width, np.float32)
    for sample in range(len(fields)):
        start, start_output = hidden[sample].copy(), output[sample].copy()
        for read in range(reads):
            chain = np.uint64(sample * reads + read)
            bottom[:], top[:] = start, start_output  # every read starts alike, and reads differ by their draws only
            if not given and not held:
                fill_words(k0, k1, chain, np.uint64(0), np.uint64(counter_random.SITE), 0, words)
                for j in range(count):
                    top[j] = np.float32(1) if words[j] & np.uint32(0x80000000) else np.float32(-1)
            for sweep in range(len(betas)):
                fill_words(k0, k1, chain, np.uint64(2 * sweep), np.uint64(counter_random.ACCEPT), 0, words)
                _sweep(fields[sample], couplings, top, bottom, betas[sweep], words)
                if held:
                    continue
                fill_words(k0, k1, chain, np.uint64(2 * sweep + 1), np.uint64(counter_random.ACCEPT), 0, words)
                _sweep(output_fields[sample], transposed, bottom, top, betas[sweep], words)
            # From the state itself: sums kept up to date over the sweeps would have gathered rounding errors.
            energy = np.float32(0)
            for j in range(count):
                energy += output_fields[sample, j] * top[j]
            for i in range(width):
                field = fields[sample, i]
                for j in range(count):
                    field += couplings[i, j] * top[j]
                energy += field * bottom[i]
            if read == 0 or energy < energies[sample]:
                energies[sample] = energy
                hidden[sample], output[sample] = bottom, top


@compiled
def noisy_search(couplings: Array, noise: Array, k0: Number, k1: Number, spins: Array) -> None:
    """Follow asynchronous descent with noisy fields, :math:`s_i = sgn(sum_j J_ij s_j + sigma xi)`, in place.

    Parameters
    ----------
    couplings : ndarray of float32, shape (N, N)
        Symmetric, without diagonal.
    noise : ndarray of float32, shape (S,)
        Standard deviation of the noise in each sweep; the draws are the sum of four uniforms, which is normal but for its tails.
    k0, k1 : uint64
        Key of the seed.
    spins : ndarray of float32, shape (B, N)
        One search per row; written.
    """
    count = len(couplings)
    span = (4 * count + counter_random.GROUP - 1) // counter_random.GROUP * counter_random.GROUP
    words = np.empty(span, np.uint32)
    for row in range(len(spins)):
        state = spins[row]
        for sweep in range(len(noise)):
            fill_words(k0, k1, np.uint64(row), np.uint64(sweep), np.uint64(counter_random.NOISE), 0, words)
            # Four uniforms on (0, 1) have mean 2 and variance 1/3.
            scale = noise[sweep] * np.float32(1.7320508)
            for i in range(count):
                draw = unit(words[4 * i]) + unit(words[4 * i + 1]) + unit(words[4 * i + 2]) + unit(words[4 * i + 3]) - np.float32(2)
                field = scale * draw
                line = couplings[i]
                for j in range(count):
                    field += line[j] * state[j]
                if field != 0:  # a spin without a field keeps its value
                    state[i] = np.float32(1) if field > 0 else np.float32(-1)
