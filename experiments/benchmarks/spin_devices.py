"""The CUDA kernels of spin dynamics as ``eqlab bench spins`` times them: many chains at once, from a retrieval state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from contrastive_core.kernels.settling.elements.launch_cuda import array_of, context_of, stream_of
from contrastive_core.kernels.spins import chains_cuda, counter_random, replicas_cuda
from contrastive_core.kernels.spins.spin_constants import FIXED, HEAT_BATH, RANDOM
from hebbian.multitasking import Multitasking, cue

SWEEPS = 10
"""Sweeps of one launch."""

LANES = 64
"""Replicas of a block of ``lanes``, as many as on the CPU."""

DeviceRun = tuple[str, Callable[[], float], int]
"""Name of a kernel, a function that makes the updates and returns the final overlap with the first pattern, and the number of updates."""


def device_runs(system: Multitasking, temperature: float, chains: int, seed: int, memory: torch.device) -> list[DeviceRun]:
    """Set up a launch of every kernel.

    Parameters
    ----------
    system : Multitasking
        Network.
    temperature : float
        Temperature in units of the system's convention.
    chains : int
        Number of chains, rounded up to whole groups for ``lanes``.
    seed : int
        Seed of the starts.
    memory : torch.device
        Device, or the CPU for numba's simulator.

    Returns
    -------
    list of DeviceRun
        Runs go on from where the run before ended, in equilibrium.
    """
    weights = [1.0] + [0.0] * (system.num_features - 1)
    start = cue(system.patterns, weights, chains, 1.0, seed + 1)
    gains = system.gains(np.full((SWEEPS, chains), temperature))
    key = counter_random.key_of(1)

    def there(values: Any) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(memory)

    def ready(kernel: Any, blocks: int, threads: int, *arguments: Any) -> Callable[[], float]:
        trace = next(one for one in arguments[::-1] if isinstance(one, torch.Tensor) and one.dim() > 2)

        def run() -> float:
            with context_of(trace):
                kernel[blocks, threads, stream_of(trace)](*(array_of(one) if isinstance(one, torch.Tensor) else one for one in arguments))
            return float(trace[0, :, 0].double().mean()) / system.num_spins

        return run

    by_site, features, norms, gain = there(system.features.T), there(system.features), there(system.norms), there(gains)
    counts = system.counts(start)
    one_record = torch.zeros((1, *counts.shape), dtype=torch.int64, device=memory)
    padded = np.arange(-(-chains // LANES) * LANES) % chains
    packed = there(gains[:, padded].reshape(SWEEPS, -1, LANES).astype(np.float32))

    def sequential(order: int) -> Callable[[], float]:
        blocks, threads = -(-chains // chains_cuda.THREADS), chains_cuda.THREADS
        state, scalars = (there(start.copy()), there(counts.copy()), gain), (HEAT_BATH, order, *key, 0, 0, SWEEPS)
        return ready(chains_cuda.sequential, blocks, threads, by_site, norms, *state, *scalars, one_record.clone())

    def simultaneous(hidden: bool) -> Callable[[], float]:
        state, scalars = (there(start.copy()), there(counts.copy()), gain), (hidden, *key, 0, 0, SWEEPS)
        layer = torch.zeros(counts.shape, dtype=torch.float64, device=memory)
        arguments = (features, norms, *state, *scalars, one_record.clone(), layer)
        return ready(chains_cuda.simultaneous, chains, chains_cuda.THREADS, *arguments)

    def lanes(order: int) -> Callable[[], float]:
        spins, packed_counts = (
            there(values[padded].reshape(-1, LANES, values.shape[1]).transpose(0, 2, 1)) for values in (start, counts.astype(np.float32))
        )
        record, scalars = torch.zeros((1, *packed_counts.shape), device=memory), (HEAT_BATH, order, *key, 0, 0, SWEEPS)
        return ready(replicas_cuda.lanes, len(spins), LANES, by_site, norms, spins, packed_counts, packed, *scalars, record)

    updates = chains * SWEEPS * system.num_spins
    whole = len(padded) * SWEEPS * system.num_spins
    return [
        ("one thread per chain, random site", sequential(RANDOM), updates),
        ("one thread per chain, fixed order", sequential(FIXED), updates),
        ("replicas in lanes, random site", lanes(RANDOM), whole),
        ("replicas in lanes, fixed order", lanes(FIXED), whole),
        ("parallel (Little)", simultaneous(False), updates),
        ("block, Gaussian hidden layer", simultaneous(True), updates),
    ]
