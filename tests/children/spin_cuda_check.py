"""Run in a process of its own, with numba's CUDA simulator: every CUDA kernel against the CPU's states, saved before."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import simulator

from contrastive_core.kernels.spins import chains_cuda, counter_random
from contrastive_core.kernels.spins.spin_constants import DESCENT, FIXED, HEAT_BATH, METROPOLIS, RANDOM

simulator.prepare()
chains_cuda.THREADS = 8  # fewer than spins, so that a thread takes several, and the last round is not full
CASES = {
    "glauber": (HEAT_BATH, RANDOM),
    "glauber-fixed": (HEAT_BATH, FIXED),
    "metropolis": (METROPOLIS, RANDOM),
    "descent": (DESCENT, RANDOM),
    "little": None,
    "block": None,
}


def run(name: str, saved: Any) -> None:
    spins, counts, gains = saved["start"].copy(), saved["counts"].copy(), saved["gains"]
    trace = np.zeros((len(gains), *counts.shape), np.int64)
    features, key = saved["features"], counter_random.key_of(5)
    case = CASES[name]
    if case is not None:
        by_site = np.ascontiguousarray(features.T)
        chains_cuda.sequential[1, 2](by_site, saved["norms"], spins, counts, gains, *case, *key, 0, 0, 1, trace)
    else:
        arrays = features, saved["norms"], spins, counts, gains, name == "block"
        chains_cuda.simultaneous[len(spins), chains_cuda.THREADS](*arrays, *key, 0, 0, 1, trace, np.zeros(counts.shape))
    assert np.array_equal(spins, saved[name]), name
    assert np.array_equal(trace, saved[f"{name}-trace"]), name


with np.load(sys.argv[1]) as archive:
    stored = dict(archive)
for kernel in CASES:
    run(kernel, stored)
    print(kernel)
