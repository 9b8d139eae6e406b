"""The random numbers and spin kernels against published values and their slow twins."""

from __future__ import annotations

from typing import Any

import naive_spin
import numba
import numpy as np
import pytest

from contrastive_core.errors import InputError
from contrastive_core.kernels.caching import wide
from contrastive_core.kernels.spins import counter_random, random_cpu
from contrastive_core.kernels.spins.spin_constants import SHARED_CHAIN
from hebbian import STORAGE
from hebbian.montecarlo import SAMPLERS, simulate
from hebbian.multitasking import LOW_RANK, Multitasking, cue, store_patterns
from hebbian.patterns import draw_examples, draw_patterns
from hebbian.storage import hebb, remember
from hebbian.theory.ensemble import Convention

N = 700  # more than one span of the kernels and no multiple of a group


@pytest.fixture(scope="module")
def memory() -> Any:
    patterns = draw_patterns(3, N, 0.4, seed=1)
    return remember(patterns, 0.4, draw_examples(patterns, 0.5, 4, seed=2), 0.5)


def random_spins(count: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), size=(count, N))


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_equals_the_published_known_answers(counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Random123's kat_vectors for philox4x32-10: any slip in a round would be another, untested generator."""
    words = counter_random.philox(*(np.uint64(w) for w in (*counter, *key)))
    assert tuple(int(w) for w in words) == expected


def test_compiled_words_equal_numpy_s_bit_for_bit() -> None:
    """Every backend must draw the same numbers."""
    out = np.empty(3 * counter_random.GROUP, np.uint32)
    seed = 0x1234_5678_9ABC
    random_cpu.fill_words(
        *counter_random.key_of(seed), np.uint64(7), np.uint64(9), np.uint64(counter_random.SITE), 2 * counter_random.GROUP, out
    )
    sites = np.arange(2 * counter_random.GROUP, 5 * counter_random.GROUP)
    assert np.array_equal(out, counter_random.words(seed, 7, 9, sites, counter_random.SITE))


def test_uniform_numbers_are_uniform_and_differ_between_streams() -> None:
    """Moments and correlations of neighbours, each within 4.5 standard errors."""
    count = 200_000
    draws = [
        counter_random.uniform(1, chain, step, np.arange(count), stream)
        for chain, step, stream in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
    ]
    for values in draws:
        assert 0 < values.min() < values.max() < 1
        assert abs(values.mean() - 0.5) < 4.5 / np.sqrt(12 * count)
        assert abs(values.var() - 1 / 12) < 4.5 / np.sqrt(180 * count)
        assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 4.5 / np.sqrt(count)
    for other in draws[1:]:
        assert abs(np.corrcoef(draws[0], other)[0, 1]) < 4.5 / np.sqrt(count)
    assert np.array_equal(counter_random.uniform(1, 0, 0, np.arange(count)).astype(np.float32), draws[0])  # exact in float32


def test_polynomial_exponential_is_exact_to_float32() -> None:
    """A biased exponential would sample another temperature."""
    x = np.linspace(-79, 79, 4001).astype(np.float32)

    @numba.njit
    def all_of(values: np.ndarray, out: np.ndarray) -> None:
        for index in range(len(values)):
            out[index] = random_cpu.exponential(values[index])

    out = np.empty_like(x)
    all_of(x, out)
    # Two roundings of the reduction times |x| log2(e) eps/2 ~ 3e-7, the polynomial's 1.2e-7 and its own rounding.
    assert np.abs(out / np.exp(x.astype(np.float64)) - 1).max() < 6e-7


def test_loops_of_wide_kernels_compare_no_bounds_and_fill_wide_registers() -> None:
    """Without this the kernels are right at half their speed, which no other test would notice: noalias and the width must reach LLVM."""

    @numba.njit
    def plain(out: np.ndarray, values: np.ndarray) -> None:
        for index in range(len(out)):
            out[index] += values[index]

    @numba.njit
    def widened(out: np.ndarray, values: np.ndarray) -> None:
        wide()
        for index in range(len(out)):
            out[index] += values[index]

    values = np.ones(1001, np.float32)
    for kernel, expected in ((plain, False), (widened, True)):
        out = np.ones(1001, np.float32)
        kernel(out, values)
        assert (out == 2).all()
        code = kernel.inspect_llvm(kernel.signatures[0])
        assert ("vector.memcheck" in code) != expected  # the block in which LLVM compares bounds
        assert ('"prefer-vector-width"="512"' in code) == expected


@pytest.mark.parametrize("rule", LOW_RANK)
@pytest.mark.parametrize("sampler", ["glauber", "glauber-fixed", "metropolis", "metropolis-fixed", "descent", "descent-fixed"])
def test_sequential_kernels_make_every_decision_of_their_twin(sampler: str, rule: str, memory: Any) -> None:
    """Overlap bookkeeping stays consistent even when sampling is wrong, so states are compared spin by spin."""
    system = LOW_RANK[rule](memory, Convention.NORMALIZED)
    start = random_spins(2)
    trace = simulate(system, start, 0.3, sampler, 11, num_sweeps=2, first_step=5)
    kind, order = sampler.split("-")[0], "fixed" if "fixed" in sampler else "random"
    for chain in range(2):
        spins = start[chain]
        for step in (5, 6):
            spins = naive_spin.sweep(system.features, system.scale, spins, 0.3, 11, chain, step, rule=kind, order=order)
        assert np.array_equal(trace.spins[chain], spins)


@pytest.mark.parametrize(("sampler", "twin"), [("little", naive_spin.little), ("block", naive_spin.block)])
def test_simultaneous_kernels_make_every_decision_of_their_twin(sampler: str, twin: Any, memory: Any) -> None:
    """The diagonal must be left out of Little's fields and makes no difference to block sampling."""
    system = store_patterns(memory)
    start = random_spins(2)
    trace = simulate(system, start, 0.2, sampler, 4, num_sweeps=2)
    for chain in range(2):
        spins = start[chain]
        for step in range(2):
            spins = twin(system.features.astype(int), system.scale, spins, 0.2, 4, chain, step)
        assert np.array_equal(trace.spins[chain], spins)


def test_replicas_in_lanes_make_every_decision_of_their_twin(memory: Any) -> None:
    """In fixed order the lanes are the chains of the plain kernel; in random order all visit one sequence of sites."""
    system = store_patterns(memory)
    start = random_spins(70)  # more than one group of 64
    side, plain = (simulate(system, start, 0.2, name, 4, num_sweeps=2) for name in ("glauber-fixed-lanes", "glauber-fixed"))
    assert np.array_equal(side.spins, plain.spins)
    assert np.array_equal(side.counts, plain.counts)
    for sampler, rule in (("glauber-lanes", "glauber"), ("metropolis-lanes", "metropolis")):
        last = simulate(system, start, 0.2, sampler, 4, num_sweeps=1).spins
        for chain, first in ((3, 0), (66, 64)):
            twin = naive_spin.sweep(system.features, 1.0, start[chain], 0.2, 4, chain, 0, rule=rule, site_chain=SHARED_CHAIN - first)
            assert np.array_equal(last[chain], twin)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_records_belong_to_the_states_and_inputs_are_kept(sampler: str, memory: Any) -> None:
    """Counts must be those of the spins returned, and a start state must survive its run."""
    system = store_patterns(memory)
    start = random_spins(3)
    kept = start.copy()
    trace = simulate(system, start, 0.2, sampler, 4, num_sweeps=6, every=3)
    assert np.array_equal(start, kept)
    assert trace.counts.shape == (2, 3, 3)
    assert np.array_equal(trace.counts[-1], system.counts(trace.spins))
    assert np.array_equal(trace.overlaps[-1], system.overlaps(trace.spins))
    again = simulate(system, start, 0.2, sampler, 4, num_sweeps=6, every=3)
    assert np.array_equal(again.spins, trace.spins)


@pytest.mark.parametrize(("size", "dtype"), [(31, np.int8), (120, np.int8), (30_000, np.int16)])
@pytest.mark.parametrize("sampler", ["little", "block"])
def test_sums_of_large_features_do_not_overflow(sampler: str, size: int, dtype: Any) -> None:
    """Spins along a feature: its sum over a span is the largest there can be, beyond 16 bits for 120 and beyond 24 for 30 000."""
    pattern = np.ones((1, N), np.int8)
    system = Multitasking(pattern, pattern.astype(dtype) * dtype(size), 1 / size**2, Convention.RAW)
    trace = simulate(system, pattern, 0.01, sampler, 4, num_sweeps=2)
    assert np.array_equal(trace.counts[-1], [[N * size]])


@pytest.mark.parametrize("sampler", ["glauber", "glauber-lanes", "block"])
def test_draws_do_not_depend_on_threads_or_on_cutting_a_run(sampler: str, memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result must be reproducible on any machine, and resumable."""
    monkeypatch.setattr("contrastive_core.kernels.spins.threads.WORTH_A_THREAD", 0)
    system, start = store_patterns(memory), random_spins(130)
    before = numba.get_num_threads()
    results = []
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            results.append(simulate(system, start, 0.2, sampler, 4, num_sweeps=4))
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(results[0].spins, results[1].spins)
    first = simulate(system, start, 0.2, sampler, 4, num_sweeps=1)
    rest = simulate(system, first.spins, 0.2, sampler, 4, num_sweeps=3, first_step=first.next_step)
    assert np.array_equal(rest.spins, results[0].spins)


@pytest.mark.parametrize("rule", ["supervised-hebb", "unsupervised-hebb"])
@pytest.mark.parametrize("sampler", ["glauber", "metropolis-fixed", "block"])
def test_sweeps_of_networks_of_examples_do_not_depend_on_how_often_they_are_recorded(sampler: str, rule: str, memory: Any) -> None:
    """Archetypes that are no features are measured between sweeps, which must not draw the same numbers again and again."""
    system, start = LOW_RANK[rule](memory), random_spins(3)
    often, once = (simulate(system, start, 0.3, sampler, 4, num_sweeps=6, every=every) for every in (1, 6))
    assert np.array_equal(often.spins, once.spins)
    assert np.array_equal(often.counts[-1], once.counts[-1])
    assert not np.array_equal(often.counts[-1], often.counts[0])  # a control: something moves


def test_energy_from_counts_equals_the_double_sum(memory: Any) -> None:
    """The O(P) energy must be the Hamiltonian without diagonal."""
    for rule, build in LOW_RANK.items():
        system, spins = build(memory, Convention.NORMALIZED), random_spins(2)
        matrix = naive_spin.couplings(system.features, system.scale)
        exact = -0.5 * np.einsum("ri,ij,rj->r", spins.astype(float), matrix, spins.astype(float))
        assert system.energy(system.counts(spins)) == pytest.approx(exact, rel=1e-11), rule


@pytest.mark.parametrize("rule", LOW_RANK)
def test_low_rank_networks_are_those_of_the_storage_rules(rule: str, memory: Any) -> None:
    """Factors of the examples must be the same with and without the matrix."""
    system = LOW_RANK[rule](memory, Convention.NORMALIZED)
    dense = STORAGE[rule](memory, Convention.NORMALIZED)
    assert np.abs(naive_spin.couplings(system.features, system.scale) - dense).max() < 1e-15  # couplings are of order 1/N


def test_zero_temperature_descent_ends_in_a_minimum() -> None:
    """No single flip may lower the energy of where descent stops."""
    patterns = draw_patterns(8, 200, 0.0, seed=9)
    system, start = store_patterns(remember(patterns, 0.0)), cue(patterns, np.eye(8)[0], 4, 0.6, seed=1)
    trace = simulate(system, start, 0.0, "descent", 2, num_sweeps=60)
    fields = hebb(remember(patterns, 0.0)) @ trace.spins.T
    assert (trace.spins * fields.T >= -1e-12).all()
    assert (np.diff(system.energy(trace.counts), axis=0) <= 1e-9).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperatures": -0.1}, "temperatures must be at least 0"),
        ({"temperatures": float("nan")}, "temperatures must be at least 0"),
        ({"temperatures": [[0.1, 0.1]]}, "do not fit"),
        ({"num_sweeps": None}, "needs a number of sweeps"),
        ({"num_sweeps": 0}, "at least 1"),
        ({"sampler": "gibs"}, "unknown sampler"),
        ({"every": 0}, "every must be at least 1"),
        ({"spins": np.ones((1, 3), np.int8)}, "shape"),
        ({"spins": np.zeros((1, N), np.int8)}, "-1 and 1"),
    ],
)
def test_bad_runs_are_refused(change: dict[str, Any], message: str, memory: Any) -> None:
    """One sentence that says what to change."""
    arguments = {"spins": random_spins(1), "temperatures": 0.1, "sampler": "glauber", "seed": 0, "num_sweeps": 1} | change
    with pytest.raises(InputError, match=message):
        simulate(store_patterns(memory), **arguments)
