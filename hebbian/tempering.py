"""Schedules of temperature: simulated annealing, and parallel tempering with a measured ladder."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.special import erfcinv

from contrastive_core.errors import InputError
from contrastive_core.kernels.spins import counter_random
from contrastive_core.registry import unknown_name
from hebbian.arrays import Entries, Floats, Integers
from hebbian.montecarlo import EQUILIBRIUM, simulate
from hebbian.multitasking import Multitasking


def annealing_schedule(start: float, end: float, num_sweeps: int) -> Floats:
    """Return temperatures that fall linearly from ``start`` to ``end``, of shape (num_sweeps,), for :func:`~hebbian.montecarlo.simulate`.

    Raises
    ------
    InputError
        If a temperature is negative, they rise, or there is no sweep.
    """
    if not 0 <= end <= start < float("inf") or num_sweeps < 1:
        raise InputError(f"annealing goes down from a finite temperature in at least 1 sweep, got {start} to {end} in {num_sweeps}")
    return np.linspace(start, end, num_sweeps)


class Tempering(NamedTuple):
    """Record of parallel tempering.

    Attributes
    ----------
    counts : ndarray of int64, shape (S, R, P)
        Integers M at each temperature of the ladder, coldest first.
    spins : ndarray of int8, shape (R, N)
        Final states in the same order.
    acceptance : ndarray of float64, shape (R - 1,)
        Accepted fraction of the exchanges tried between neighbouring temperatures.
    rungs : ndarray of int64, shape (S, R)
        Rung of each replica; replicas that never travel have not equilibrated.
    """

    counts: Integers
    spins: Entries
    acceptance: Floats
    rungs: Integers


def find_ladder(
    system: Multitasking,
    coldest: float,
    hottest: float,
    seed: int,
    *,
    acceptance: float = 0.3,
    pilot_sweeps: int = 200,
    num_pilots: int = 24,
) -> Floats:
    r"""Return temperatures between which exchanges are accepted about equally often.

    Two neighbours with Gaussian energies exchange with a chance of :math:`\mathrm{erfc}(\tfrac12\sqrt{\Delta\beta\,\Delta E})`. A pilot
    run measures E at a grid of temperatures; rungs are then placed on its interpolation, from the hottest down, so that each chance
    is ``acceptance``, and more between the two coldest.

    Parameters
    ----------
    system : Multitasking
        The network.
    coldest, hottest : float
        Ends of the ladder, positive.
    seed : int
        Seed of the pilot run.
    acceptance : float
        Wanted chance of an exchange, in (0, 1).
    pilot_sweeps, num_pilots : int
        Sweeps at each temperature of the pilot run, and number of these temperatures.

    Returns
    -------
    ndarray of shape (R,)
        About :math:`\sqrt N` temperatures, coldest first.
    """
    if not 0 < coldest < hottest < float("inf") or not 0 < acceptance < 1:
        raise InputError(f"a ladder needs 0 < coldest < hottest and an acceptance in (0, 1), got {coldest}, {hottest} and {acceptance}")
    inverse, energy_at = _energy_curve(system, coldest, hottest, seed, pilot_sweeps, num_pilots)
    wanted = 4 * float(erfcinv(acceptance)) ** 2
    rungs = [inverse[0]]
    while rungs[-1] < inverse[-1]:
        low, high = rungs[-1], inverse[-1]
        if (high - rungs[-1]) * float(energy_at(rungs[-1]) - energy_at(high)) > wanted:
            for _ in range(60):  # bisection of a product of two rising functions
                middle = (low + high) / 2
                above = (middle - rungs[-1]) * float(energy_at(rungs[-1]) - energy_at(middle)) > wanted
                low, high = (low, middle) if above else (middle, high)
        rungs.append(high)
    return 1 / np.array(rungs)[::-1]


def _energy_curve(
    system: Multitasking, coldest: float, hottest: float, seed: int, num_sweeps: int, num_pilots: int
) -> tuple[Floats, PchipInterpolator]:
    """Return a grid of inverse temperatures and a falling interpolation of the measured mean energy over them."""
    inverse = np.linspace(1 / hottest, 1 / coldest, num_pilots)
    start = np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), size=(num_pilots, system.num_spins))
    cooling = np.linspace(hottest, 1 / inverse, num_sweeps)  # each pilot cools from the hottest, so that none is stuck
    cooled = simulate(system, start, cooling, "block", seed)
    constant = np.broadcast_to(1 / inverse, (num_sweeps, num_pilots))
    trace = simulate(system, cooled.spins, constant, "block", seed, first_step=cooled.next_step)
    energies = np.minimum.accumulate(
        system.energy(trace.counts).mean(0)
    )  # E falls with beta; noise must not make it rise, or bisection would fail
    return inverse, PchipInterpolator(inverse, energies - 1e-9 * np.abs(energies).max() * np.arange(num_pilots))


def temper(
    system: Multitasking, spins: Entries, ladder: Floats, num_rounds: int, seed: int, *, sampler: str = "glauber", sweeps_per_round: int = 1
) -> Tempering:
    """Run one replica per temperature and exchange neighbours, even and odd pairs in turn.

    Parameters
    ----------
    system : Multitasking
        The network.
    spins : ndarray of int8, shape (R, N)
        Start state per temperature, coldest first; not modified.
    ladder : ndarray of shape (R,)
        Temperatures, at least two, rising; :func:`find_ladder` finds them.
    num_rounds : int
        S: sweeps followed by one round of exchanges each.
    seed : int
        Seed of all draws.
    sampler : str
        An equilibrium sampler of :data:`~hebbian.montecarlo.EQUILIBRIUM`.
    sweeps_per_round : int
        Sweeps between exchanges.

    Returns
    -------
    Tempering
        Records after every round.

    Raises
    ------
    InputError
        If the ladder is none, or the sampler does not reach the equilibrium, which exchanges take for granted.
    """
    if sampler not in EQUILIBRIUM:
        raise unknown_name("sampler of the equilibrium", sampler, list(EQUILIBRIUM))
    temperatures = np.asarray(ladder, dtype=np.float64)
    count = len(temperatures)
    if count < 2 or len(spins) != count or not bool(np.all(np.diff(temperatures) > 0)) or not temperatures[0] > 0:
        raise InputError(f"a ladder is two or more rising positive temperatures, one per start state; got {temperatures} for {len(spins)}")
    rung_of = np.arange(count)  # exchanges move temperatures, not states: a replica keeps its row
    states, made, tried = spins, np.zeros(count - 1), np.zeros(count - 1)
    counts, rungs = [], []
    for number in range(num_rounds):
        schedule = np.broadcast_to(temperatures[rung_of], (sweeps_per_round, count))
        trace = simulate(system, states, schedule, sampler, seed, first_step=number * sweeps_per_round, every=sweeps_per_round)
        states = trace.spins
        replica_at = np.argsort(rung_of)
        energies = system.energy(trace.counts[-1])[replica_at]  # by rung
        counts.append(trace.counts[-1][replica_at])
        rungs.append(rung_of.copy())
        lower = np.arange(number % 2, count - 1, 2)
        gain = (1 / temperatures[lower] - 1 / temperatures[lower + 1]) * (energies[lower] - energies[lower + 1])
        swap = counter_random.uniform(seed, lower, number, np.zeros(len(lower), np.int64), counter_random.SWAP) < np.exp(
            np.minimum(gain, 0)
        )
        tried[lower] += 1
        made[lower] += swap
        chosen = lower[swap]
        rung_of[replica_at[chosen]], rung_of[replica_at[chosen + 1]] = chosen + 1, chosen
    return Tempering(np.array(counts), states[np.argsort(rung_of)], made / np.maximum(tried, 1), np.array(rungs))
