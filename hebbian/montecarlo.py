"""Monte Carlo of multitasking networks: every dynamics and sampler behind one signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from contrastive_core.errors import InputError
from contrastive_core.guards.memory import require_memory
from contrastive_core.guards.typed import typed
from contrastive_core.kernels.spins import counter_random
from contrastive_core.kernels.spins.spin_constants import DESCENT, FIXED, HEAT_BATH, METROPOLIS, RANDOM
from contrastive_core.progress.share import counted
from contrastive_core.registry import unknown_name
from hebbian.arrays import Entries, Floats, Integers
from hebbian.multitasking import Multitasking

_BLOCK = 100_000_000
"""Spin updates, some seconds of work, after which a long run of chains tells how far it is."""


class Trace(NamedTuple):
    """Record of a run of chains.

    Attributes
    ----------
    counts : ndarray of int64, shape (S, R, P)
        Integers M of each record and chain; divided by N they are overlaps with the features.
    overlaps : ndarray of float64, shape (S, R, K)
        Overlaps with the archetypes.
    spins : ndarray of int8, shape (R, N)
        Final states.
    next_step : int
        Number of the next sweep; pass it as ``first_step`` to continue the same chains.
    """

    counts: Integers
    overlaps: Floats
    spins: Entries
    next_step: int


class SweepPlan(NamedTuple):
    """Seed, numbering and recording of sweeps.

    Attributes
    ----------
    seed : int
        Seed of all draws.
    first_step : int
        Number of the first sweep.
    every : int
        Sweeps between records.
    counts : ndarray of int64, shape (R, P), optional
        Integers M of the states at the start, where they are known.
    """

    seed: int
    first_step: int = 0
    every: int = 1
    counts: Integers | None = None

    def counts_of(self, system: Multitasking, spins: Entries) -> Integers:
        """Return the integers M of the states at the start, which a kernel may overwrite."""
        return system.counts(spins) if self.counts is None else self.counts.copy()


Advance = Callable[[Multitasking, Entries, Floats, SweepPlan], tuple[Entries, Integers]]
"""Takes a system, states of shape (R, N), gains of shape (S, R) and a plan; returns the last states and counts (S // every, R, P)."""


def _sequential(rule: int, order: int) -> Advance:
    def advance(system: Multitasking, spins: Entries, gains: Floats, plan: SweepPlan) -> tuple[Entries, Integers]:
        from contrastive_core.kernels.spins import chains_cpu
        from contrastive_core.kernels.spins.threads import threads_for

        states, counts = spins.copy(), plan.counts_of(system, spins)
        trace = np.empty((len(gains) // plan.every, *counts.shape), np.int64)
        by_site = np.ascontiguousarray(system.features.T)
        key = counter_random.key_of(plan.seed)
        with threads_for(gains.size * system.num_spins):
            chains_cpu.sequential(by_site, system.norms, states, counts, gains, rule, order, *key, 0, plan.first_step, plan.every, trace)
        return states, trace

    return advance


def _simultaneous(hidden: bool) -> Advance:
    def advance(system: Multitasking, spins: Entries, gains: Floats, plan: SweepPlan) -> tuple[Entries, Integers]:
        from contrastive_core.kernels.spins import chains_cpu
        from contrastive_core.kernels.spins.threads import threads_for

        states, counts = spins.copy(), plan.counts_of(system, spins)
        trace = np.empty((len(gains) // plan.every, *counts.shape), np.int64)
        key = counter_random.key_of(plan.seed)
        arrays = system.features, system.norms, states, counts, gains
        narrow = system.features.itemsize == 1 and int(system.norms.max()) < chains_cpu.NARROW**2
        with threads_for(gains.size * system.num_spins):
            chains_cpu.simultaneous(*arrays, hidden, narrow, *key, 0, plan.first_step, plan.every, trace)
        return states, trace

    return advance


def _side_by_side(rule: int, order: int) -> Advance:
    def advance(system: Multitasking, spins: Entries, gains: Floats, plan: SweepPlan) -> tuple[Entries, Integers]:
        from contrastive_core.kernels.spins.replicas_cpu import LANES, lanes

        if system.num_spins * int(np.abs(system.features).max()) >= 2**24:
            raise InputError("these overlaps are too large for the side-by-side kernel; use a sampler without '-lanes'")
        num_chains, width = len(spins), LANES
        padded = (
            np.arange(-(-num_chains // width) * width) % num_chains
        )  # the last group repeats chains to fill the lanes; these are dropped below
        states = np.ascontiguousarray(spins[padded].reshape(-1, width, system.num_spins).transpose(0, 2, 1))
        counts = plan.counts_of(system, spins)[padded].reshape(-1, width, system.num_features).transpose(0, 2, 1).astype(np.float32)
        packed = np.ascontiguousarray(gains[:, padded], np.float32).reshape(len(gains), -1, width)  # numba would compile strided loads
        trace = np.empty((len(gains) // plan.every, *counts.shape), np.float32)
        by_site, key = np.ascontiguousarray(system.features.T), counter_random.key_of(plan.seed)
        lanes(by_site, system.norms, states, np.ascontiguousarray(counts), packed, rule, order, *key, 0, plan.first_step, plan.every, trace)
        last = states.transpose(0, 2, 1).reshape(-1, system.num_spins)[:num_chains]
        record = trace.transpose(0, 1, 3, 2).reshape(len(trace), len(padded), system.num_features)[:, :num_chains]
        return np.ascontiguousarray(last), record.astype(np.int64)

    return advance


def _lumped(hidden: bool) -> Advance:
    def advance(system: Multitasking, spins: Entries, gains: Floats, plan: SweepPlan) -> tuple[Entries, Integers]:
        from hebbian.lumped import advance_lumped

        return advance_lumped(system, spins, gains, plan.seed, plan.first_step, plan.every, hidden=hidden)

    return advance


SAMPLERS: dict[str, Advance] = {
    "glauber": _sequential(HEAT_BATH, RANDOM),
    "glauber-fixed": _sequential(HEAT_BATH, FIXED),
    "metropolis": _sequential(METROPOLIS, RANDOM),
    "metropolis-fixed": _sequential(METROPOLIS, FIXED),
    "descent": _sequential(DESCENT, RANDOM),
    "descent-fixed": _sequential(DESCENT, FIXED),
    "glauber-lanes": _side_by_side(HEAT_BATH, RANDOM),
    "glauber-fixed-lanes": _side_by_side(HEAT_BATH, FIXED),
    "metropolis-lanes": _side_by_side(METROPOLIS, RANDOM),
    "little": _simultaneous(hidden=False),
    "block": _simultaneous(hidden=True),
    "lumped": _lumped(hidden=True),
    "lumped-little": _lumped(hidden=False),
}
"""Every dynamics and sampler by name.

"glauber" is the heat bath at random sites, "-fixed" visits them in turn, "-lanes" runs replicas side by side in the vector unit,
"descent" is T = 0, "little" updates all spins at once. "block" and "lumped" sample the equilibrium of the same energy exactly,
through the Gaussian hidden layer, spin by spin and type by type; they are no dynamics of the network.
"""

_NO_EQUILIBRIUM = ("descent", "descent-fixed", "little", "lumped-little", "metropolis-fixed")

EQUILIBRIUM = tuple(name for name in SAMPLERS if name not in _NO_EQUILIBRIUM)
"""The samplers that reach the Boltzmann distribution from any state.

Little's law is another, with the same mean-field fixed points. "metropolis-fixed" keeps the Boltzmann distribution but may not reach it:
it turns a spin without a field in every sweep, so that blank spins alternate for ever.
"""


@typed()
def simulate(
    system: Multitasking,
    spins: Entries,
    temperatures: ArrayLike,
    sampler: str,
    seed: int,
    *,
    num_sweeps: int | None = None,
    first_step: int = 0,
    every: int = 1,
) -> Trace:
    """Run chains from given states.

    Parameters
    ----------
    system : Multitasking
        The network.
    spins : ndarray of int8, shape (R, N)
        Start states of -1 and 1, one per chain; not modified.
    temperatures : array of shape (), (S,), or (S, R)
        One temperature, one per sweep (annealing), or one per sweep and chain, in units of the system's convention.
    sampler : str
        A name of :data:`SAMPLERS`.
    seed : int
        Seed of all draws; results do not depend on the number of threads.
    num_sweeps : int, optional
        S, needed for a single temperature.
    first_step : int
        Number of the first sweep: ``next_step`` of the run that is continued.
    every : int
        Sweeps between records.

    Returns
    -------
    Trace
        Record with S // every entries.

    Raises
    ------
    InputError
        If a shape, temperature, count or name is wrong.
    """
    if sampler not in SAMPLERS:
        raise unknown_name("sampler", sampler, list(SAMPLERS))
    gains = system.gains(_schedule(temperatures, len(spins), num_sweeps))
    _check_states(spins, system)
    if every < 1 or first_step < 0 or seed < 0:
        raise InputError(f"every must be at least 1, first_step and seed at least 0, got {every}, {first_step} and {seed}")
    direct = system.features is system.patterns
    if not direct and len(gains) < every:
        raise InputError(f"{len(gains)} sweeps are fewer than one record's {every}")
    # Archetypes are no features: they are measured between records, and sweeps after the last record are left out.
    length = _sweeps_of_a_block(system, sampler, gains, every) if direct else every
    end = max(1, len(gains)) if direct else len(gains) - every + 1
    _check_memory(system, sampler, gains.shape[1], len(gains) // every)
    records, overlaps, last, known = [], [], spins, None
    for start in counted(range(0, end, length)):
        last, counts = SAMPLERS[sampler](system, last, gains[start : start + length], SweepPlan(seed, first_step + start, every, known))
        known = counts[-1] if len(counts) else None
        records.append(counts)
        overlaps.append(counts / system.num_spins if direct else system.overlaps(last)[None])
    return Trace(np.concatenate(records), np.concatenate(overlaps), last, first_step + len(gains))


def _check_memory(system: Multitasking, sampler: str, num_chains: int, num_records: int) -> None:
    """Refuse a run whose features, states and records do not fit into memory, before it computes anything."""
    # Sequential kernels read the features of a site side by side, from a copy unless they lie so.
    copied = 0 if sampler in ("block", "little") or system.features.T.flags.c_contiguous else system.features.nbytes
    stored = system.features.nbytes + (0 if system.features is system.patterns else system.patterns.nbytes)
    spins, records = num_chains * system.num_spins, 8 * num_records * num_chains * (system.num_features + len(system.patterns))
    advice = "use 'block', which copies no features, fewer chains or fewer records" if copied else "use fewer chains or fewer records"
    # Three copies of the states, one of them as floats while they are counted, and the norms of the sites.
    require_memory(stored + copied + 10 * spins + 8 * system.num_spins + records, f"'{sampler}' needs", advice)


def _sweeps_of_a_block(system: Multitasking, sampler: str, gains: Floats, every: int) -> int:
    """Return how many sweeps are made between two words of progress: whole records, which continue the same draws bit for bit."""
    if sampler.startswith("lumped"):  # draws anew where it is continued, and tells of its sweeps itself
        return max(1, len(gains))
    records = _BLOCK // (gains.shape[1] * system.num_spins * every)
    return max(1, int(records)) * every


def _schedule(temperatures: ArrayLike, num_chains: int, num_sweeps: int | None) -> Floats:
    values = np.asarray(temperatures, dtype=np.float64)
    if values.ndim == 0:
        if num_sweeps is None or num_sweeps < 1:
            raise InputError(f"a single temperature needs a number of sweeps of at least 1, got {num_sweeps}")
        values = np.full(num_sweeps, float(values))
    if values.ndim == 1:
        values = np.repeat(values[:, None], num_chains, axis=1)
    if values.ndim != 2 or values.shape[1] != num_chains or num_sweeps not in (None, len(values)):
        raise InputError(f"temperatures of shape {values.shape} do not fit {num_sweeps} sweeps of {num_chains} chains")
    return np.ascontiguousarray(values)


def _check_states(spins: Entries, system: Multitasking) -> None:
    if spins.ndim != 2 or spins.shape[1] != system.num_spins or len(spins) == 0:
        raise InputError(f"states must have shape (chains, {system.num_spins}), got {spins.shape}")
    if spins.dtype != np.int8 or not bool(np.all(np.abs(spins) == 1)):
        raise InputError("states must be int8 spins of -1 and 1")
