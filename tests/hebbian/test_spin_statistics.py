"""Samplers against exact finite sums, the theory of stratified patterns, and the flows of every update scheme."""

from __future__ import annotations

from typing import Any

import naive_spin
import numpy as np
import pytest

from contrastive_core.errors import InputError
from hebbian.montecarlo import EQUILIBRIUM, SAMPLERS, simulate
from hebbian.multitasking import LOW_RANK, cue, store_patterns
from hebbian.patterns import draw_examples, draw_patterns, stratified_patterns
from hebbian.storage import remember
from hebbian.tempering import annealing_schedule, find_ladder, temper
from hebbian.theory.branches import branch_at, stable_branches
from hebbian.theory.capacity import retrieval_overlap
from hebbian.theory.ensemble import Convention, diluted_ensemble, empirical_ensemble
from hebbian.theory.flows import FLOWS
from hebbian.theory.mean_field import MeanField

COUNTS = (10, 10, 8, 8, 12)
SMALL = np.repeat(np.array([(1, 0), (0, 1), (1, 1), (1, -1), (0, 0)], np.int8), COUNTS, axis=0).T.copy()
TEMPERATURE = 0.15
CHAINS = 256

# Rows of the reference table with a smallest Hessian eigenvalue above .1: (K, d, T).
STIFF = [
    (2, 0.1, 0.045),
    (2, 0.3, 0.14),
    (2, 0.3, 0.28),
    (2, 0.7, 0.06),
    (2, 0.7, 0.12),
    (3, 0.3, 0.035),
    (3, 0.5, 0.10),
    (3, 0.7, 0.015),
    (3, 0.8, 0.08),
    (4, 0.5, 0.025),
    (4, 0.8, 0.010),
    (5, 0.5, 0.025),
]


def small_system() -> Any:
    return store_patterns(remember(SMALL, 0.45))


def test_exact_sums_equal_the_reference() -> None:
    """The oracle itself must be right."""
    exact = naive_spin.canonical(COUNTS, TEMPERATURE)
    assert exact.m1_squared == pytest.approx(0.157858, abs=0.6e-6)
    assert exact.both_squared == pytest.approx(0.007972, abs=0.6e-6)
    assert exact.energy_per_spin == pytest.approx(-0.146574, abs=0.6e-6)
    assert exact.log_partition == pytest.approx(61.924704, abs=0.6e-6)


def z_scores(values: np.ndarray, exact: float) -> np.ndarray:
    """Per observable, of the mean over chains; values (S, R)."""
    means = values.mean(axis=0)
    blocks = values[: len(values) // 10 * 10].reshape(10, -1, values.shape[1]).mean(axis=(1, 2))
    # Chains in lanes share their random sites: their spread is too small an error, that of blocks of time is not.
    error = max(means.std(ddof=1) / np.sqrt(len(means)), blocks.std(ddof=1) / np.sqrt(10))
    return (values.mean() - exact) / error


@pytest.mark.parametrize("sampler", [*EQUILIBRIUM, "metropolis-fixed"])  # its blank spins enter no sum
def test_every_sampler_reproduces_the_exact_sums_and_not_those_of_another_temperature(sampler: str) -> None:
    """Within 4 standard errors of the exact averages, and far from those at 1.1 beta.

    Power: 256 chains of 400 sweeps know <E>/N to 5e-5; beta * 1.1 shifts it by 2.3e-3, more than 25 standard errors, so that the
    smallest error of temperature seen at 8 standard errors is about 2 per cent. <m1^2> is known to about 0.006, by hops between
    the patterns.
    """
    system = small_system()
    start = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), size=(CHAINS, 48))
    trace = simulate(system, start, TEMPERATURE, sampler, 1, num_sweeps=500)
    squares = np.square(trace.overlaps[100:])
    energies = system.energy(trace.counts[100:]) / 48
    exact, control = (naive_spin.canonical(COUNTS, t) for t in (TEMPERATURE, TEMPERATURE / 1.1))
    assert abs(z_scores(energies, exact.energy_per_spin)) < 4
    assert abs(z_scores(squares.prod(axis=2), exact.both_squared)) < 4
    assert abs(z_scores(squares[:, :, 0], exact.m1_squared)) < 4
    assert abs(z_scores(energies, control.energy_per_spin)) > 8
    assert abs(z_scores(squares.prod(axis=2), control.both_squared)) > 8


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samplers_of_the_equilibrium_are_those_that_mix_blank_spins(sampler: str) -> None:
    """A spin without a field ends up or down with equal chances, wherever it begins.

    Power: chains side by side visit the same sites, so that 256 spins are independent at least. They know the chance to .03, and
    "metropolis-fixed" turns every spin in every sweep.
    """
    patterns = np.zeros((1, 257), np.int8)
    patterns[0, 0] = 1
    system = store_patterns(remember(patterns, 0.45))
    spins = simulate(system, np.ones((8, 257), np.int8), 1.0, sampler, 3, num_sweeps=20).spins
    turned = spins[:, 1:] == -1
    if sampler in EQUILIBRIUM:
        assert abs(turned.mean() - 0.5) < 4.5 * 0.5 / np.sqrt(256)
    elif sampler == "metropolis-fixed":
        assert not turned.any()  # after an even number of sweeps


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name not in EQUILIBRIUM])
def test_tempering_refuses_dynamics_that_sample_nothing(sampler: str) -> None:
    """If this fails, exchanges are accepted by energies that no equilibrium has."""
    system = small_system()
    with pytest.raises(InputError, match="sampler of the equilibrium"):
        temper(system, np.ones((2, 48), np.int8), np.array([0.1, 0.2]), 2, 1, sampler=sampler)


LITTLE = {"little": False, "lumped-little": True}
"""Samplers of Little's dynamics, and whether each spin's own field includes the diagonal."""


@pytest.mark.parametrize("sampler", LITTLE)
def test_parallel_updates_sample_their_own_exact_law_and_not_that_of_another_temperature(sampler: str) -> None:
    """Within 4 standard errors of Peretto's law, summed exactly, and far from that at 1.1 beta.

    Power: 256 chains of 2000 sweeps of 8 spins know <m1^2> to about 1e-3; 1.1 beta moves it by .014.
    """
    patterns = np.array([(1, 1, -1, 1, 0, 0, 1, -1), (1, -1, 0, 1, 1, -1, 0, 1)], np.int8)
    system = store_patterns(remember(patterns, 0.25))
    start = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), size=(256, 8))
    trace = simulate(system, start, 0.5, sampler, 1, num_sweeps=2200)
    squares = np.square(trace.overlaps[200:, :, 0])
    exact, control = (naive_spin.parallel_law(patterns, t, LITTLE[sampler]) for t in (0.5, 0.5 / 1.1))
    assert abs(z_scores(squares, exact)) < 4
    assert abs(z_scores(squares, control)) > 8
    if sampler == "little":  # Boltzmann's law, whose <m1^2> is .236 against .170, is told apart
        assert abs(z_scores(squares, naive_spin.boltzmann(patterns, 0.5))) > 8


def test_parallel_tempering_samples_every_rung() -> None:
    """Exchanges must keep each temperature's distribution: exact energies at all rungs, and replicas that travel."""
    system = small_system()
    ladder = find_ladder(system, 0.08, 0.6, seed=3)
    start = np.ones((len(ladder), 48), np.int8)
    run = temper(system, start, ladder, 3000, seed=5)
    energies = system.energy(run.counts[200:]) / 48
    for rung, temperature in enumerate(ladder):
        exact = naive_spin.canonical(COUNTS, temperature)
        assert abs(block_score(energies[:, rung], exact.energy_per_spin)) < 4
        control = naive_spin.canonical(COUNTS, temperature / 1.1)
        if temperature < 0.3:  # hotter, the energies of 48 spins at beta and 1.1 beta are too near for one chain
            assert abs(block_score(energies[:, rung], control.energy_per_spin)) > 4
    # The ladder aims at 0.3; energies of 48 spins are discrete and skewed, and the coldest rung is nearer.
    assert (run.acceptance > 0.15).all()
    assert all(len(np.unique(run.rungs[:, replica])) == len(ladder) for replica in range(len(ladder)))


def block_score(series: np.ndarray, exact: float) -> float:
    """z of the mean of one correlated series, by 28 blocks of 100."""
    blocks = series[: len(series) // 28 * 28].reshape(28, -1).mean(axis=1)
    return (series.mean() - exact) / (blocks.std(ddof=1) / np.sqrt(28))


@pytest.mark.parametrize(("count", "dilution", "temperature"), STIFF)
def test_stratified_monte_carlo_equals_theory(count: int, dilution: float, temperature: float) -> None:
    """Within .004 of the theory, the reference's bound, at N = 10000, by block sampling from the predicted state.

    Power: fluctuations of m are sqrt(T/N (1/lambda - 1)) < .01 and average over 8 chains and 200 sweeps to below .0005, so that a
    wrong overlap by .004 is 8 standard errors.
    """
    ensemble = diluted_ensemble(count, dilution)
    ground = stable_branches(MeanField(ensemble, temperature))[0]
    assert ground.min_eigenvalue > 0.1
    patterns = stratified_patterns(count, 10_000, dilution, seed=1)
    system = store_patterns(remember(patterns, dilution))
    start = cue(patterns, ground.overlaps, 8, 1.0, seed=2)
    # The barriers between equivalent states grow with N: no chain leaves the state it starts in.
    trace = simulate(system, start, temperature, "block", 3, num_sweeps=260)
    assert np.abs(trace.overlaps[60:].mean(axis=(0, 1)) - ground.overlaps).max() < 0.004


@pytest.mark.parametrize(("scheme", "sampler"), [("parallel", "little"), ("random-site", "glauber"), ("fixed-order", "glauber-fixed")])
def test_overlaps_flow_as_predicted(scheme: str, sampler: str) -> None:
    """K = 3, d = .3, T = .1, N = 2e5: within .005 at every sweep, where the other two laws are off by more than .01."""
    patterns = stratified_patterns(3, 200_000, 0.3, seed=1)
    system = store_patterns(remember(patterns, 0.3))
    start = cue(patterns, (1.0, 0.6, 0.3), 1, 0.4, seed=2)
    trace = simulate(system, start, 0.1, sampler, 3, num_sweeps=6)
    field = MeanField(diluted_ensemble(3, 0.3), 0.1)
    laws = {name: flow(field, system.overlaps(start)[0], 6) for name, flow in FLOWS.items()}
    measured = np.concatenate([system.overlaps(start), trace.overlaps[:, 0]])
    assert np.abs(measured - laws[scheme]).max() < 0.005
    for name, law in laws.items():
        assert (np.abs(measured - law).max() > 0.01) == (name != scheme)


def test_metropolis_and_lanes_keep_a_retrieval_state() -> None:
    """Dynamics differ, the state does not."""
    ground = stable_branches(MeanField(diluted_ensemble(2, 0.3), 0.14))[0]
    patterns = stratified_patterns(2, 4000, 0.3, seed=1)
    system, start = store_patterns(remember(patterns, 0.3)), cue(patterns, (1.0, 0.5), 4, 1.0, seed=2)
    for sampler in ("metropolis", "metropolis-lanes", "glauber-lanes", "lumped"):
        trace = simulate(system, start, 0.14, sampler, 3, num_sweeps=120)
        # sd of m below sqrt(.14/4000 (1/.6 - 1)) = .005, over 4 chains and 90 sweeps; 4 errors and O(1/N).
        assert np.abs(trace.overlaps[30:].mean(axis=(0, 1)) - ground.overlaps).max() < 0.003


def test_annealing_reaches_the_ground_state() -> None:
    """Cooling from disorder finds a state no lower and hardly higher than the theory's lowest."""
    patterns = stratified_patterns(3, 3000, 0.5, seed=1)
    system = store_patterns(remember(patterns, 0.5))
    start = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), size=(16, 3000))
    trace = simulate(system, start, annealing_schedule(0.6, 0.0, 150), "glauber", 1)
    lowest = stable_branches(MeanField(empirical_ensemble(patterns), 0.0))[0].free_energy
    energies = system.energy(trace.counts[-1]) / 3000
    offset = 3 * 0.5 / (2 * 3000)  # the diagonal, which the mean field has
    assert abs(energies.min() - offset - lowest) < 2e-4  # one ladder of three; rounding of types is below 1/3000


@pytest.mark.parametrize("rule", ["supervised-hebb", "unsupervised-hebb"])
@pytest.mark.parametrize(("count", "dilution", "quality", "number", "temperature"), [(1, 0.0, 0.3, 20, 0.2), (2, 0.2, 0.5, 10, 0.1)])
def test_learning_with_and_without_a_teacher_equals_the_instance_s_mean_field(
    rule: str, count: int, dilution: float, quality: float, number: int, temperature: float
) -> None:
    """One instance at N = 10000: its mean field and both rules agree within .004.

    The reference saw .002 between rules and .001 between supervised Monte Carlo and the instance's mean field.
    """
    patterns = draw_patterns(count, 10_000, dilution, seed=1)
    memory = remember(patterns, dilution, draw_examples(patterns, quality, number, seed=2), quality)
    supervised = LOW_RANK["supervised-hebb"](memory, Convention.NORMALIZED)
    field = supervised.mean_field(temperature)
    state = branch_at(field, supervised.counts(cue(patterns, 0.4 ** np.arange(count), 1, 1.0, seed=3))[0] / 10_000)
    means = np.tanh(supervised.scale / temperature * (state.overlaps @ supervised.features))  # (N,)
    expected = patterns @ means / 10_000
    system = LOW_RANK[rule](memory, Convention.NORMALIZED)
    start = cue(patterns, 0.4 ** np.arange(count), 4, 1.0, seed=3)
    trace = simulate(system, start, temperature, "block", 4, num_sweeps=100)
    assert np.abs(trace.overlaps[40:].mean(axis=(0, 1)) - expected).max() < 0.004


@pytest.mark.parametrize(("load", "retrieved"), [(0.05, True), (0.10, True), (0.17, False)])
def test_capacity_of_undiluted_networks_at_zero_temperature(load: float, retrieved: bool) -> None:
    """Below .138 descent from a pattern stays at the overlap of the replica theory; well above it leaves.

    At N = 3000 the transition is smeared by about N^(-1/2) in the load, so that .17 is beyond it by two widths.
    """
    patterns = draw_patterns(int(3000 * load), 3000, 0.0, seed=1)
    system = store_patterns(remember(patterns, 0.0))
    trace = simulate(system, patterns[:8].copy(), 0.0, "descent", 2, num_sweeps=60)
    reached = np.array([trace.overlaps[-1, chain, chain] for chain in range(8)])
    if retrieved:
        # Flipped spins are Poisson of mean N (1 - m)/2 < 4 per chain, 8 chains: 4.5 errors are 9e-4; 1/N effects are smaller.
        assert abs(reached.mean() - retrieval_overlap(load)) < 1.5e-3
    else:
        assert retrieval_overlap(load) == 0
        assert reached.mean() < 0.8
