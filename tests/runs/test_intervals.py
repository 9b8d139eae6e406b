"""Intervals of means and paired differences: their coverage, their range, and one result wherever they are shown."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binom, binomtest, ttest_1samp

from experiments.runs.intervals import (
    EQUAL,
    Means,
    brackets,
    difference_interval,
    difference_record,
    group_means,
    interval_cells,
    interval_record,
    mean_interval,
    share_interval,
)
from experiments.sweeps.summary import differences, summarise
from experiments.trials.experiment import SHARE, Experiment, Metric

REPETITIONS = 20_000
COUNTED = 360
"""Test samples of the digits data set, whose errors are counts of these."""
SIZES = (3, 5, 10, 30)
TARGET = 0.95
Draw = Callable[[np.random.Generator, int], np.ndarray]


def student(sample: np.ndarray, bounds: tuple[float, float] = (-math.inf, math.inf)) -> Means:
    """Return the intervals of many samples, one per row."""
    rows, size = sample.shape
    return group_means(sample.ravel(), np.repeat(np.arange(rows), size), rows, bounds)


def percentile_bootstrap(sample: np.ndarray) -> Means:
    """Return the percentile bootstrap of three values each, exactly: all 27 resamples."""
    resamples = sample[:, list(product(range(3), repeat=3))].mean(axis=2)  # (rows, 27)
    low, high = np.quantile(resamples, [0.025, 0.975], axis=1)
    return Means(np.full(len(sample), 3), sample.mean(axis=1), low, high)


def coverage(found: Means, truth: float) -> tuple[float, int]:
    """Return the share of intervals that hold the truth, and the number of intervals: equal values have none."""
    given = ~np.isnan(found.low)
    inside = (found.low <= truth + 1e-12) & (truth - 1e-12 <= found.high)
    return float(inside[given].mean()), int(given.sum())


def deviation(covered: float, number: int) -> float:
    """Return the z-score of a coverage against 95 %."""
    return (covered - TARGET) / math.sqrt(TARGET * (1 - TARGET) / number)


def binomial(errors: float) -> Draw:
    return lambda generator, size: generator.binomial(COUNTED, errors / COUNTED, (REPETITIONS, size)) / COUNTED


def paired(errors: float) -> Draw:
    """Draw differences of two classifiers that each err alone on so many samples; errors that they share cancel."""
    return lambda generator, size: binomial(errors)(generator, size) - binomial(errors)(generator, size)


@pytest.mark.parametrize("size", SIZES)
def test_intervals_of_normal_values_cover_as_often_as_they_say(size: int) -> None:
    """If this fails, every error bar is wrong. Student's interval is exact for normal values; |z| < 4.5 is 0.7 % at 20 000 samples."""
    sample = np.random.default_rng(size).normal(3.0, 2.0, (REPETITIONS, size))
    covered, number = coverage(student(sample), 3.0)
    assert number == REPETITIONS
    assert abs(deviation(covered, number)) < 4.5
    wrong, _ = coverage(student(sample), 3.0 + 2.0 * 4 / math.sqrt(size))
    assert deviation(wrong, number) < -40  # a control: a mean four standard errors away


def test_the_percentile_bootstrap_of_three_values_is_rejected() -> None:
    """A control: the same measurement must find an interval that is too narrow. It covers about three of four."""
    sample = np.random.default_rng(3).normal(3.0, 2.0, (REPETITIONS, 3))
    covered, number = coverage(percentile_bootstrap(sample), 3.0)
    assert covered < 0.8
    assert deviation(covered, number) < -40


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("draw", "truth"), [(binomial(10), 10 / COUNTED), (binomial(36), 0.1), (paired(10), 0.0)])
def test_intervals_of_error_counts_cover_within_one_percent(draw: Draw, truth: float, size: int) -> None:
    """If this fails, a test error on 360 samples has a wrong interval; 95 +- 1 %, and 4.5 standard errors of 0.15 %."""
    covered, number = coverage(student(draw(np.random.default_rng(size), size), (-1.0, 1.0)), truth)
    assert abs(covered - TARGET) < 0.01 + 4.5 * math.sqrt(TARGET * (1 - TARGET) / number)
    assert number > 0.98 * REPETITIONS


@pytest.mark.parametrize("errors", [0.1, 1.0])
def test_equal_counts_have_no_interval_as_often_as_they_are_equal(errors: float) -> None:
    """If this fails, three equal errors claim an interval of width 0. The twin sums the probabilities of all counts."""
    sample = binomial(errors)(np.random.default_rng(7), 3)
    found = student(sample, SHARE)
    expected = float((binom.pmf(np.arange(COUNTED + 1), COUNTED, errors / COUNTED) ** 3).sum())
    share = float(np.isnan(found.low).mean())
    assert abs(share - expected) < 4.5 * math.sqrt(expected * (1 - expected) / REPETITIONS)
    assert not (found.low == found.high).any()
    assert coverage(found, errors / COUNTED)[0] > TARGET  # wide rather than narrow, as the page says


@pytest.mark.parametrize("size", [3, 10])
def test_skewed_values_are_covered_less_often_as_the_page_says(size: int) -> None:
    """If this fails, docs/reference/statistics.md warns of a fault that is none. The logarithm is a standard normal."""
    sample = np.exp(np.random.default_rng(size).normal(size=(REPETITIONS, size)))
    covered, _ = coverage(student(sample), math.exp(0.5))
    assert 0.80 < covered < 0.90


def test_an_interval_is_that_of_students_test() -> None:
    """If this fails, a quantile or a degree of freedom is wrong. The twin is SciPy's test; 1e-12: sums of seven numbers in float64."""
    values = np.random.default_rng(0).normal(size=7)
    found = mean_interval(values)
    twin = ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((twin.low, twin.high), rel=1e-12)
    assert found.mean == pytest.approx(values.mean(), rel=1e-14)


def test_a_group_has_the_interval_of_its_values_alone() -> None:
    """If this fails, the table of a command and the report of its run differ. Equal to the last bit."""
    generator = np.random.default_rng(0)
    values, groups = 1e6 + generator.normal(size=200), generator.integers(0, 9, 200)
    values[:20] = np.nan
    values[20] = math.inf
    groups[groups == 7] = 6
    found = group_means(values, groups, 9)
    for index in range(9):
        assert found.at(index) == mean_interval(values[groups == index])
    assert found.at(7) == (0, None, None, None)
    assert mean_interval([3.0, None]) == (1, 3.0, None, None)


def test_an_interval_stays_within_the_range_of_its_metric() -> None:
    """If this fails, an accuracy of more than 100 % is possible."""
    found = mean_interval([0.0, 1 / 360, 0.0], SHARE)
    assert found.low == 0.0
    assert found.high is not None
    assert 0 < found.high < 0.01
    assert mean_interval([0.99, 1.0, 1.0], SHARE).high == 1.0
    assert mean_interval([0.99, 1.0, 1.0]).high > 1.0  # type: ignore[operator]
    difference = difference_interval([0.9, 0.1, 0.9], [0.0, 1.0, 0.1], SHARE)
    assert (difference.low, difference.high) == (-1.0, 1.0)


def test_differences_that_are_equal_but_for_rounding_are_equal() -> None:
    """If this fails, two rules that differ by the same number of samples get an interval of 1e-17."""
    found = difference_interval([0.3, 0.2, 0.7], [0.2, 0.1, 0.6], SHARE)
    assert len({0.3 - 0.2, 0.2 - 0.1, 0.7 - 0.6}) > 1
    assert (found.number, found.low, found.high) == (3, None, None)
    assert found.mean == pytest.approx(0.1)
    tiny = difference_interval([0.1 + 0.2, 0.2], [0.3, 0.2], SHARE)  # 5e-17 and 0
    assert (tiny.number, tiny.low, tiny.high) == (2, None, None)
    resolved = difference_interval([0.3, 0.2, 0.7 + 1e-12], [0.2, 0.1, 0.6], SHARE)
    assert resolved.low is not None


def test_pairs_without_both_values_are_left_out() -> None:
    """If this fails, a failed trial shifts the pairs of all later seeds."""
    record = difference_record([0.1, None, 0.3, 0.6], [0.0, 0.5, None, 0.2], SHARE)
    assert record is not None
    assert record["seeds"] == pytest.approx([0.1, 0.4])
    assert record["mean"] == pytest.approx(0.25)
    assert difference_record([None], [0.1]) is None


def test_a_collected_interval_stays_within_the_range_of_its_metric() -> None:
    """If this fails, ``sweep collect`` shows a test error below 0, or a difference of more than 100 points."""
    errors = np.array([[0.0, 1 / 360, 0.0], [0.9, 0.0, 1.0]])  # (rule, replicate)
    coordinates = {"rule": ["a", "b"], "seed": ("replicate", [1, 2, 3])}
    dims = ("rule", "replicate")
    dataset = xr.Dataset({"error": (dims, errors), "status": (dims, np.zeros((2, 3), int))}, coordinates)
    first, second = summarise(dataset, {"error": SHARE}, 10)
    assert (first["low"], second["low"], second["high"]) == (0.0, 0.0, 1.0)
    assert first["high"] < 0.01
    (difference,) = differences(dataset, {"error": SHARE}, "rule", "a", 10)
    assert (difference["n"], difference["high"]) == (3, 1.0)
    assert -1 < difference["low"] < 0


@pytest.mark.parametrize("number", [1, 20, 1000])
def test_the_interval_of_a_share_is_wilsons(number: int) -> None:
    """If this fails, the chance of retrieval has a wrong error bar, or none if all networks retrieve. 1e-12: rounding of ten operations."""
    for successes in {0, number // 3, number}:
        twin = binomtest(successes, number).proportion_ci(method="wilson")
        low, high = share_interval(successes / number, number)
        assert (low, high) == pytest.approx((twin.low, twin.high), abs=1e-12)
        assert 0 <= low < high <= 1


def test_an_interval_is_written_or_its_absence_explained() -> None:
    assert interval_cells(interval_record([0.01, 0.02, 0.03], SHARE)) == ("2.00", "[0.00, 4.48]")
    assert interval_cells(interval_record([0.02, 0.02], SHARE)) == ("2.00", EQUAL)
    assert interval_cells(interval_record([0.02], SHARE)) == ("2.00", "-")
    assert interval_cells(interval_record([None], SHARE)) == interval_cells(None) == ("-", "-")
    assert interval_cells(interval_record([-1e-9, 1e-9]), digits=1) == ("0.0", "[0.0, 0.0]")
    assert brackets(2, -1.0, 2.0, "{:.3g}".format) == "[-1, 2]"


def test_the_range_of_a_column_is_that_of_the_metric_that_it_belongs_to() -> None:
    metrics = {"error": Metric("share", bounds=SHARE)}
    experiment = Experiment(None, None, metrics, ())  # type: ignore[arg-type]
    assert experiment.metric("error").bounds == experiment.metric("error.first").bounds == SHARE
    assert experiment.metric("other").bounds == (-math.inf, math.inf)
