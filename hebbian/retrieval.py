"""Retrieval by many networks: descents from stored patterns, and runs from cues of a given quality."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from contrastive_core.errors import ConvergenceError, InputError
from contrastive_core.guards.typed import typed
from contrastive_core.progress.share import counted
from hebbian.arrays import Entries, Floats
from hebbian.montecarlo import simulate
from hebbian.multitasking import Multitasking, cue, store_patterns
from hebbian.patterns import draw_patterns
from hebbian.storage import remember

_CHUNK = 10
"""Sweeps between two checks for chains that still move."""
_RECORDS = 5
"""Last sweeps of a chain over which its overlaps are averaged."""


class Descents(NamedTuple):
    """Ends of descents from stored patterns.

    Attributes
    ----------
    overlaps : ndarray of shape (instances, starts)
        Overlap of each final state with the pattern from which it started.
    load : float
        P/N of the network, which differs from the requested load by rounding of P.
    sweeps : int
        Length of the longest descent, rounded up to the next ten.
    """

    overlaps: Floats
    load: float
    sweeps: int


@typed()
def descend_to_rest(system: Multitasking, spins: Entries, budget: int = 5000) -> tuple[Entries, int]:
    """Align spins with their fields, in a fixed order, until none changes in a whole sweep.

    Parameters
    ----------
    system : Multitasking
        The network.
    spins : ndarray of int8, shape (R, N)
        Start states; not modified.
    budget : int
        Largest number of sweeps.

    Returns
    -------
    spins : ndarray of int8, shape (R, N)
        Local minima of the energy.
    sweeps : int
        Length of the longest descent, rounded up to the next ten.

    Raises
    ------
    ConvergenceError
        If a chain still moves after the budget. It would rest in the end, because every flip lowers the energy.
    """
    final, moving, done = spins.copy(), np.arange(len(spins)), 0
    while len(moving):
        if done >= budget:
            raise ConvergenceError(f"{len(moving)} of {len(spins)} descents still move after {budget} sweeps; allow more")
        chunk = _CHUNK if done == 0 else 3 * _CHUNK  # most chains rest at once, the others take long
        trace = simulate(system, final[moving], 0.0, "descent-fixed", 0, num_sweeps=chunk)
        final[moving] = trace.spins
        # Every flip lowers the energy, a function of the counts: a sweep that leaves those as they are has flipped nothing.
        moving = moving[np.any(trace.counts[-1] != trace.counts[-2], axis=1)]
        done += chunk
    return final, done


def count_patterns(num_spins: int, load: float) -> int:
    """Return the number of patterns P nearest to the load.

    Raises
    ------
    InputError
        If it is less than one.
    """
    count = round(load * num_spins)
    if count < 1:
        raise InputError(f"a load of {load:g} is less than one pattern of {num_spins} spins; raise one of the two")
    return count


def descend_from_patterns(num_spins: int, load: float, num_instances: int, num_starts: int, seed: int) -> Descents:
    r"""Store :math:`P = \alpha N` undiluted patterns and descend at T = 0 from some of them, in several networks.

    Parameters
    ----------
    num_spins : int
        N.
    load : float
        :math:`\alpha`, of at least one pattern.
    num_instances : int
        Number of networks, each with patterns of its own.
    num_starts : int
        Number of patterns of each network from which a descent starts; fewer if fewer are stored.
    seed : int
        Seed of all patterns.

    Raises
    ------
    InputError
        If the load is less than one pattern, or there is no instance or start.
    """
    count = count_patterns(num_spins, load)
    if num_instances < 1 or num_starts < 1:
        raise InputError(f"at least one instance and one start are needed, got {num_instances} and {num_starts}")
    ends, longest = [], 0
    for instance in counted(range(num_instances), name="network"):
        patterns = draw_patterns(count, num_spins, 0.0, np.random.default_rng([seed, instance]))
        starts = patterns[:num_starts]
        final, sweeps = descend_to_rest(store_patterns(remember(patterns, 0.0)), starts)
        ends.append((final.astype(np.int64) * starts).sum(axis=1) / num_spins)
        longest = max(longest, sweeps)
    return Descents(np.array(ends), count / num_spins, longest)


@typed()
def recall_from_cue(system: Multitasking, weights: ArrayLike, quality: float, temperature: float, sweeps: int, seed: int) -> Floats:
    """Return overlaps with all patterns before and after a run from one cue; shape (2, K).

    Glauber's dynamics at random sites; descent to rest at T = 0. At T > 0 the last few sweeps are averaged. A pattern whose cue has a
    positive overlap is found with a positive one, because signs are kept.

    Parameters
    ----------
    system : Multitasking
        The network.
    weights : array of shape (K,)
        Weights of the patterns in the cue, see :func:`hebbian.multitasking.cue`.
    quality : float
        Quality of the cue, in [0, 1].
    temperature : float
        Temperature in the system's units.
    sweeps : int
        Length of the run at T > 0, at least 5.
    seed : int
        Seed of cue and dynamics.
    """
    start = cue(system.patterns, weights, 1, quality, seed)
    first = system.overlaps(start)[0]
    if temperature == 0:
        return np.stack([first, system.overlaps(descend_to_rest(system, start)[0])[0]])
    trace = simulate(system, start, temperature, "glauber", seed + 1, num_sweeps=max(sweeps, _RECORDS))
    return np.stack([first, trace.overlaps[-_RECORDS:, 0].mean(axis=0)])
