"""Products of matrices of bits, and draws of bits in fields, for Boltzmann machines."""

import numpy as np

from contrastive_core.kernels.spins import counter_random
from contrastive_core.kernels.spins.random_cpu import Array, Number, compiled, exponential, fill_words, unit


@compiled
def add_rows(bits: Array, rows: Array, out: Array) -> None:
    """Add the product of ``bits`` (B, n), zeros and others that count as ones, and ``rows`` (n, m) to ``out`` (B, m), in place.

    Only ones cost additions, so that it is faster than a dense product where they are few.
    """
    samples, count = bits.shape
    chosen = np.empty(count + 1, np.int64)
    for sample in range(samples):
        ones, total = 0, out[sample]
        for index in range(count):  # without a branch, which would be mispredicted at every other bit
            chosen[ones] = index
            ones += bits[sample, index] != 0
        for start in range(0, ones - 7, 8):  # eight rows at a time, or sums would be loaded and stored for each
            a, b, c, d = rows[chosen[start]], rows[chosen[start + 1]], rows[chosen[start + 2]], rows[chosen[start + 3]]
            e, f, g, h = rows[chosen[start + 4]], rows[chosen[start + 5]], rows[chosen[start + 6]], rows[chosen[start + 7]]
            for column in range(len(total)):
                total[column] += ((a[column] + b[column]) + (c[column] + d[column])) + ((e[column] + f[column]) + (g[column] + h[column]))
        for index in chosen[ones - ones % 8 : ones]:
            a = rows[index]
            for column in range(len(total)):
                total[column] += a[column]


@compiled
def draw(fields: Array, k0: Number, k1: Number, step: Number, bits: Array) -> None:
    """Replace fields (n,) by the means of binary units, and write draws to ``bits``, by the words that the key and the step number."""
    words = np.empty(counter_random.GROUP, np.uint32)
    for start in range(0, len(fields), counter_random.GROUP):
        fill_words(k0, k1, np.uint64(0), step, np.uint64(counter_random.ACCEPT), start, words)
        field, drawn = fields[start : start + counter_random.GROUP], bits[start : start + counter_random.GROUP]
        for lane in range(len(field)):
            mean = np.float32(1) / (np.float32(1) + exponential(-np.float32(field[lane])))
            field[lane], drawn[lane] = mean, unit(words[lane]) < mean
