"""Memory of large networks of spins: the patterns once, and sizes that do not fit refused beforehand."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from contrastive_core.errors import InputError
from contrastive_core.guards import memory
from hebbian import multitasking
from hebbian.montecarlo import simulate
from hebbian.multitasking import Multitasking, cue, store_patterns
from hebbian.patterns import draw_patterns
from hebbian.storage import remember

P, N = 150, 20_000


def stored(num_patterns: int = P, num_spins: int = N) -> Multitasking:
    return store_patterns(remember(draw_patterns(num_patterns, num_spins, 0.3, seed=1), 0.3))


def test_a_block_run_holds_its_patterns_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, 10^7 spins with 10^3 patterns need tens of gigabytes instead of ten."""
    monkeypatch.setattr(multitasking, "_PART", 20 * N)
    weights = [1.0] + [0.0] * (P - 1)
    simulate(stored(3, 700), cue(draw_patterns(3, 700, 0.3, seed=1), weights[:3], 1, 1.0, 2), 0.28, "block", 1, num_sweeps=1)  # compiles
    tracemalloc.start()
    try:
        system = stored()
        simulate(system, cue(system.patterns, weights, 1, 1.0, 2), 0.28, "block", 1, num_sweeps=2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert system.features is system.patterns
    # Twenty rows as floats are 20 x 8/150 = 1.07 of the patterns, and some rows of draws, norms and states are 8/150 each.
    assert 1 < peak / (P * N) < 2.6


def test_sums_by_parts_are_those_of_all_patterns_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole numbers, whatever the parts; the last one is smaller than the others."""
    system, spins = stored(7, 500), np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (2, 500))
    weights = np.random.default_rng(1).normal(size=7)
    cued = cue(system.patterns, weights, 3, 0.5, seed=3)
    monkeypatch.setattr(multitasking, "_PART", 3 * 500)
    assert np.array_equal(system.counts(spins), spins.astype(int) @ system.features.T.astype(int))
    assert np.array_equal(system.norms, (system.features.astype(int) ** 2).sum(0))
    assert np.array_equal(cue(system.patterns, weights, 3, 0.5, seed=3), cued)


def test_what_does_not_fit_into_memory_is_refused_before_anything_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a machine is out of memory after minutes, or a run that fits is refused."""
    system = stored(10, 1000)
    start = cue(system.patterns, [1.0] + [0.0] * 9, 1, 1.0, 2)
    # 10 000 bytes of features, 10 000 of the state in all its forms, 8000 of norms, 160 of the record.
    monkeypatch.setattr(memory, "physical_memory", lambda: 30_000)
    assert len(simulate(system, start, 0.28, "block", 1, num_sweeps=1).counts) == 1
    with pytest.raises(InputError, match=r"'glauber' needs .* GiB, and this machine has .*; use 'block', which copies no features"):
        simulate(system, start, 0.28, "glauber", 1, num_sweeps=1)
    with pytest.raises(InputError, match=r"'block' needs .* fewer records"):
        simulate(system, start, 0.28, "block", 1, num_sweeps=100)
    generator = np.random.default_rng(0)
    before = generator.bit_generator.state
    with pytest.raises(InputError, match=r"30 patterns of 1000 spins need .* GiB"):
        draw_patterns(30, 1000, 0.3, generator)
    assert generator.bit_generator.state == before
