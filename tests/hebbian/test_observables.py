"""Error bars of correlated chains, and honesty where there are none to be had."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contrastive_core.errors import InputError
from hebbian.multitasking import cue, store_patterns
from hebbian.observables import autocorrelation_time, retrieval_success, split_r_hat, summarise
from hebbian.storage import remember
from hebbian.tempering import annealing_schedule, find_ladder, temper


def autoregressive(length: int, chains: int, memory: float, seed: int = 0) -> np.ndarray:
    """x' = a x + noise of unit variance: mean 0, variance 1/(1-a^2), integrated time (1+a)/(1-a)."""
    generator = np.random.default_rng(seed)
    series = np.empty((length, chains))
    series[0] = generator.standard_normal(chains) / np.sqrt(1 - memory**2)
    for index in range(1, length):
        series[index] = memory * series[index - 1] + generator.standard_normal(chains)
    return series


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_autocorrelation_time_of_an_autoregressive_chain(memory: float) -> None:
    """A time too short makes every error bar too small."""
    exact = (1 + memory) / (1 - memory)
    found = autocorrelation_time(autoregressive(20_000, 8, memory))
    # The variance of the estimate is 2 (2 W + 1)/n t^2 with window W = 5 t, n = 160000; 4.5 of its root, and a bias of exp(-5).
    assert found == pytest.approx(exact, rel=4.5 * np.sqrt(2 * (10 * exact + 1) / 160_000) + 0.01)


def test_error_bars_cover_the_true_mean() -> None:
    """In 60 repetitions the mean is within 2 errors about 95 per cent of the time; 60 binomial trials stay above 50."""
    hits = 0
    for seed in range(60):
        summary = summarise(autoregressive(2000, 4, 0.8, seed))
        hits += abs(summary.mean) < 2 * summary.error
        assert summary.effective_size < 8000 / 4
    assert hits > 50  # P(fewer) = 7e-4 at 95 per cent; ignoring correlation would give 0.49 * 60 = 30


def test_chains_in_different_states_are_not_trusted() -> None:
    """A mean over two states is the property of none."""
    series = autoregressive(2000, 4, 0.5) + np.array([0, 0, 8, 8])
    summary = summarise(series)
    assert not summary.trusted
    assert "disagree" in summary.warning
    assert summarise(series[:, :2]).trusted


def test_a_hopping_chain_is_not_trusted() -> None:
    """A chain that switched state once has no error bar."""
    series = autoregressive(2000, 2, 0.2) + 10 * (np.arange(2000)[:, None] > 1300)
    summary = summarise(series)
    assert not summary.trusted


def test_short_chains_are_not_trusted() -> None:
    """Fewer than 50 times give no trustworthy time."""
    summary = summarise(autoregressive(600, 64, 0.9))
    assert not summary.trusted
    assert "shorter" in summary.warning


def test_frozen_observables_are_exact() -> None:
    """At T = 0 nothing varies: no division by zero, no NaN error."""
    summary = summarise(np.full((10, 3), 0.7))
    assert summary[:2] == (pytest.approx(0.7), pytest.approx(0.0, abs=1e-15))
    assert summary.trusted
    assert split_r_hat(np.tile([[0.0, 1.0]], (10, 1))) == np.inf


def test_retrieval_success_counts_chains_per_pattern() -> None:
    """Signs are symmetries of the network."""
    found = retrieval_success([[0.7, 0.2], [-0.69, 0.1], [0.3, 0.2]], [0.7, 0.2])
    assert found == pytest.approx([2 / 3, 2 / 3])
    assert np.isnan(retrieval_success([[0.7, 0.0]], [0.7, 0.0])[1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: summarise(np.zeros(5)), "shape"),
        (lambda: summarise(np.full((5, 2), np.nan)), "finite"),
        (lambda: split_r_hat(np.zeros((3, 2))), "at least 4"),
        (lambda: annealing_schedule(0.1, 0.2, 5), "goes down"),
        (lambda: find_ladder(store_patterns(remember([[1, -1]], 0.0)), 0.0, 1.0, 0), "coldest"),
        (lambda: temper(store_patterns(remember([[1, -1]], 0.0)), np.ones((1, 2), np.int8), np.array([0.1]), 1, 0), "two or more"),
        (lambda: cue(np.ones((1, 4), np.int8), [1.0], 1, 1.5, 0), "quality of a cue"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    """One sentence that says what to change."""
    with pytest.raises(InputError, match=message):
        call()
