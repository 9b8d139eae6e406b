"""Capacity by finite-size scaling: the fit on data of known answer, descents that really rest, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import chi2

from contrastive_core.errors import ConvergenceError, InputError
from experiments.cli import cli
from hebbian.multitasking import store_patterns
from hebbian.patterns import draw_patterns
from hebbian.retrieval import descend_from_patterns, descend_to_rest
from hebbian.scaling import Transition, Trials, bootstrap_fits, fit_transition, midpoint
from hebbian.storage import hebb, remember
from hebbian.theory.capacity import capacity, retrieval_overlap

TRUTH = Transition(load=0.14, shift=2.0, exponent=0.7, width=0.6, deviance=0.0, freedom=0)


def drawn(truth: tuple[float, ...], networks: int, seed: int) -> Trials:
    """Networks of one start each, whose chances of retrieval are exactly those of the form."""
    generator = np.random.default_rng(seed)
    grid = [(size, load) for size in (250.0, 1000.0, 4000.0, 16000.0) for load in np.linspace(0.12, 0.2, 9)]
    sizes, loads = (np.array(column) for column in zip(*grid, strict=True))
    chances = truth.chance(sizes, loads)
    return Trials(sizes, loads, [generator.binomial(1, p, size=networks) for p in chances], 1)


def test_scaling_fit_finds_the_transition_that_made_the_data() -> None:
    """A biased extrapolation would give another capacity than the networks have.

    2000 networks a point: bootstrap errors of the load are about 5e-4. Within 4 of them of the truth; the load .145 that an error of
    ten of these would be is rejected.
    """
    trials = drawn(TRUTH, 2000, seed=1)
    fit = fit_transition(trials)
    error = np.std([one.load for one in bootstrap_fits(trials, 40, seed=2)])
    assert error < 1.2e-3
    assert abs(fit.load - TRUTH.load) < 4 * error
    assert abs(fit.load - 0.145) > 4 * error
    assert fit.exponent == pytest.approx(0.7, abs=0.1)
    assert fit.plausibility > 1e-4
    # A probit line of one size alone, from 18000 starts over a width of .6/sqrt(N): errors below .6/sqrt(1000 * 4000).
    assert midpoint(trials, 1000.0) == pytest.approx(TRUTH.midpoint(1000), abs=1.5e-3)


def test_scaling_fit_notices_a_form_that_does_not_fit() -> None:
    """The p value must reject a wrong exponent, or the interval of the capacity would mean nothing."""
    assert fit_transition(drawn(TRUTH, 2000, seed=1), exponent=0.4).plausibility < 1e-6


def test_plausibility_is_that_of_the_points_beyond_the_parameters() -> None:
    """A p value of too many degrees of freedom accepts forms that do not fit. 36 points; 4 parameters, or 3 with a given exponent."""
    trials = drawn(TRUTH, 200, seed=3)
    free, fixed = fit_transition(trials), fit_transition(trials, exponent=0.7)
    assert (free.freedom, fixed.freedom) == (36 - 4, 36 - 3)
    # The deviance is twice the log-likelihood ratio to shares that are fitted one by one, written out with logarithms.
    won, total = trials.totals
    chance = free.chance(trials.sizes, trials.loads)
    terms = [w * np.log(w / (n * p)) if w else 0.0 for w, n, p in zip(won, total, chance, strict=True)]
    terms += [(n - w) * np.log((n - w) / (n * (1 - p))) if w < n else 0.0 for w, n, p in zip(won, total, chance, strict=True)]
    assert free.deviance == pytest.approx(2 * sum(terms), rel=1e-6)
    assert free.plausibility == pytest.approx(chi2.sf(2 * sum(terms), 32), rel=1e-4, abs=0)


def test_scaling_fit_refuses_what_cannot_be_fitted() -> None:
    """An extrapolation from one size is none."""
    trials = drawn(TRUTH, 5, seed=1)
    few = trials._replace(sizes=np.full_like(trials.sizes, 250.0))
    with pytest.raises(InputError, match="at least 3 sizes, got 1"):
        fit_transition(few)
    with pytest.raises(InputError, match="nothing or everything"):
        fit_transition(trials._replace(successes=[np.zeros(5, np.int64) for _ in trials.successes]))


def test_descent_ends_where_no_flip_lowers_the_energy() -> None:
    """A chain that stopped early would count a pattern as retrieved that it is leaving."""
    patterns = draw_patterns(40, 200, 0.0, seed=1)
    memory = remember(patterns, 0.0)
    start = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), size=(16, 200))
    kept = start.copy()
    final, sweeps = descend_to_rest(store_patterns(memory), start)
    assert np.array_equal(start, kept)
    assert sweeps >= 10
    assert (final * (final @ hebb(memory)) >= -1e-12).all()  # fields are sums of 40 terms of 1/200
    with pytest.raises(ConvergenceError, match="still move"):
        descend_to_rest(store_patterns(memory), start, budget=0)


def test_descents_keep_the_overlap_of_the_replica_theory_below_capacity() -> None:
    """At a load of .1 all 64 patterns stay, flipped in the predicted number of places.

    Flipped spins are about Poisson with mean N (1 - m)/2 = 4 at N = 2000, over 64 starts: 4.5 errors of m are 6e-4 and corrections
    of order 1/N smaller. An overlap at another load, .12, is 3e-3 away.
    """
    found = descend_from_patterns(2000, 0.1, 16, 4, seed=5)
    assert found.overlaps.shape == (16, 4)
    assert abs(found.overlaps.mean() - retrieval_overlap(0.1)) < 6e-4
    assert abs(found.overlaps.mean() - retrieval_overlap(0.12)) > 1.2e-3


def test_a_load_without_a_pattern_is_refused() -> None:
    """Zero patterns have no retrieval."""
    with pytest.raises(InputError, match="less than one pattern"):
        descend_from_patterns(10, 0.01, 1, 1, 0)
    with pytest.raises(InputError, match="instance"):
        descend_from_patterns(100, 0.1, 0, 1, 0)


QUICK = ("capacity", "--sizes", "100,200,400", "--loads", "0.14,0.18,0.22", "--spins", "12000", "--resamples", "20", "--quiet")


def test_capacity_command_resumes_and_draws(tmp_path: Path) -> None:
    """The command puts theory beside the measurement, with its error and what it hangs on."""
    call = [*QUICK, "--engine", "serial", "--out", str(tmp_path / "run"), "--json"]
    result = CliRunner().invoke(cli, call)
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["theory"]["load"] == pytest.approx(capacity().load)
    measured = record["monte_carlo"]
    assert measured["load_interval"][0] <= measured["load"] <= measured["load_interval"][1]
    assert measured["descents"] == 3 * 4 * (120 + 60 + 30)
    halves = [row["load"] for row in record["midpoints"]]
    assert halves == sorted(halves, reverse=True)  # .3 to .2: hundred times their errors apart
    assert (tmp_path / "run" / "figures" / "capacity.svg").is_file()
    assert json.loads(CliRunner().invoke(cli, call).stdout) == record


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--sizes", "100,200"), "sizes"),
        (("--sizes", "100,100,200"), "at least three sizes"),
        (("--loads", "0,0.1"), "loads"),
        (("--spins", "0"), "spins"),
        (("--sizes", "3,4,5"), "a load of 0.1 is less than one pattern of 3 spins"),
        (("--loads", "0.1,0.1"), "two points of the grid are both N250-a0.1"),
    ],
)
def test_capacity_command_refuses_what_it_cannot_extrapolate(flags: tuple[str, ...], message: str) -> None:
    """One sentence and exit code 2."""
    result = CliRunner().invoke(cli, ["capacity", *flags])
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
