"""Error bars of correlated chains, and honesty where there are none to be had."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contrastive_core.analysis.autocorrelation import autocorrelation_time, pooled_autocorrelation_time
from contrastive_core.errors import InputError
from hebbian.multitasking import cue, store_patterns
from hebbian.observables import retrieval_success, split_r_hat, summarise
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


def test_pooled_autocorrelation_time_is_that_of_a_chain_that_mixes_and_the_record_of_chains_that_do_not() -> None:
    """A chain in a mode of its own fluctuates about a mean of its own, from which nothing of the others is seen."""
    series = autoregressive(20_000, 8, 0.5).reshape(20_000, 4, 2)
    # Exact 3, with the error of the test above.
    assert pooled_autocorrelation_time(series) == pytest.approx(3, rel=4.5 * np.sqrt(2 * 31 / 160_000) + 0.01)
    stuck = series[:1000] + 20 * np.arange(4)[:, None]
    assert autocorrelation_time(stuck.reshape(1000, 8)) < 4
    # A constant has the correlation 1 - t/S in a record of S, whose integral is S; fluctuations are 1/500 of the variance.
    assert pooled_autocorrelation_time(stuck) == pytest.approx(1000, rel=0.02)
    assert np.isnan(pooled_autocorrelation_time(np.ones((10, 3, 2))))


def test_error_bars_cover_the_true_mean() -> None:
    """In 60 repetitions the mean is within 2 errors about 95 per cent of the time; 60 binomial trials stay above 50."""
    hits = 0
    for seed in range(60):
        summary = summarise(autoregressive(2000, 4, 0.8, seed))
        hits += abs(summary.mean) < 2 * summary.error
        assert summary.effective_size < 8000 / 4
    assert hits > 50  # P(fewer) = 7e-4 at 95 per cent; ignoring correlation would give 0.49 * 60 = 30


def test_error_of_few_chains_is_that_of_their_autocorrelation() -> None:
    """The spread of two means estimates their error within a factor of its own size: the larger of the two errors would be biased upwards.

    x' = x/2 + noise has the variance 4/3 and the time 3, so that 2 chains of 2000 have an error of sqrt(4/3 * 3/4000) but for edges of
    1/1000. An estimate varies by 6 %, the mean of 150 by 0.5 %. The maximum with the spread of two means would be 1.17 times as large, with
    that of seven 1.08 times.
    """
    for chains in (2, 7):
        exact = np.sqrt(4 / (2000 * chains))
        found = np.mean([summarise(autoregressive(2000, chains, 0.5, seed)).error for seed in range(150)])
        assert found / exact == pytest.approx(1, abs=0.035)


def test_error_of_many_chains_is_the_spread_of_their_means_where_that_is_larger() -> None:
    """Chains in different states have the error of as many independent numbers, however long they are. Means 0, 1, ..., 8."""
    series = np.arange(9.0) + 1e-3 * autoregressive(2000, 9, 0.0)
    # The sample variance of 0, ..., 8 is 60/8.
    assert summarise(series).error == pytest.approx(np.sqrt(7.5 / 9), rel=1e-3)


def test_split_r_hat_by_hand() -> None:
    """A ratio too large distrusts good chains, one too small trusts bad ones.

    Halves (0, 2) and (1, 3) have variances of 2, and means 1 and 2 of variance 1/2: R-hat squared is (2 - 1)/2 + (1/2)/2.
    """
    assert split_r_hat([[0.0], [2.0], [1.0], [3.0]]) == pytest.approx(np.sqrt(0.75), rel=1e-12)
    # A second chain with equal halves (0, 2): means 1, 2, 1, 1 of variance 1/4.
    assert split_r_hat([[0.0, 0.0], [2.0, 2.0], [1.0, 0.0], [3.0, 2.0]]) == pytest.approx(np.sqrt(0.5 + 0.25 / 2), rel=1e-12)


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
