"""Run in a process of its own, with numba's CUDA simulator: the CUDA kernel of replicas side by side against the CPU's."""

import numpy as np
import simulator

from contrastive_core.kernels.spins import counter_random, replicas_cpu, replicas_cuda
from contrastive_core.kernels.spins.spin_constants import DESCENT, FIXED, HEAT_BATH, METROPOLIS, RANDOM

simulator.prepare()
NUM_SPINS, NUM_FEATURES, GROUPS = 66, 3, 2  # 66: a whole group of draws, and a remainder

generator = np.random.default_rng(3)
by_site = generator.integers(-1, 2, (NUM_SPINS, NUM_FEATURES)).astype(np.int8)
norms = (by_site.astype(np.int64) ** 2).sum(1)
start = generator.choice(np.array([-1, 1], np.int8), (GROUPS, NUM_SPINS, replicas_cpu.LANES))
overlaps = np.einsum("nf,gnl->gfl", by_site.astype(np.float32), start.astype(np.float32))
for rule, order, sweeps, groups in ((HEAT_BATH, RANDOM, 2, 1), (METROPOLIS, FIXED, 1, GROUPS), (DESCENT, RANDOM, 1, 1)):
    gains = generator.uniform(0.05, 0.3, (sweeps, groups, replicas_cpu.LANES)).astype(np.float32)
    results = []
    for kernel in (replicas_cpu.lanes, replicas_cuda.lanes[groups, replicas_cpu.LANES]):
        spins, counts, trace = start[:groups].copy(), overlaps[:groups].copy(), np.zeros((sweeps, *overlaps[:groups].shape), np.float32)
        kernel(by_site, norms, spins, counts, gains, rule, order, *counter_random.key_of(11), 5, 9, 1, trace)
        results.append((spins, counts, trace))
    # Exactly: a spin differs only if a draw falls between two roundings of an exponential, one chance in 10^7 each.
    for expected, found in zip(*results, strict=True):
        assert np.array_equal(expected, found), (rule, order)
    assert not np.array_equal(results[0][0], start[:groups])
    print(rule, order, sweeps)
