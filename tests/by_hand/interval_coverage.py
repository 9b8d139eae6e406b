"""Coverage of 95 % intervals of a mean, the table of docs/reference/statistics.md: ``python tests/by_hand/interval_coverage.py``.

Every cell is the share of 20 000 samples (2 000 for the bootstraps) whose interval holds the true mean, among those that have an
interval. The seed is fixed.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.stats import bootstrap

from experiments.runs.intervals import group_means

SIZES = (3, 5, 10, 30)
SAMPLES = 20_000
RESAMPLED = 2_000
COUNTED = 360
Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def errors(expected: float) -> Draw:
    """Draw test errors on 360 samples, with the given expected number of wrong ones."""
    return lambda generator, shape: generator.binomial(COUNTED, expected / COUNTED, shape) / COUNTED


def difference(expected: float) -> Draw:
    """Draw paired differences: each rule alone is expected to err on the given number of samples; errors of both rules cancel."""
    return lambda generator, shape: errors(expected)(generator, shape) - errors(expected)(generator, shape)


def failing(generator: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Draw errors of which one in ten is 90 % instead of 3 %: a training that did not start."""
    return np.where(generator.random(shape) < 0.1, 0.9, generator.normal(0.03, 0.005, shape))


CASES: dict[str, tuple[Draw, float]] = {
    "normal": (lambda generator, shape: generator.normal(size=shape), 0.0),
    "uniform": (lambda generator, shape: generator.uniform(size=shape), 0.5),
    "Student's t, 3 degrees of freedom": (lambda generator, shape: generator.standard_t(3, shape), 0.0),
    "lognormal, sigma 0.5": (lambda generator, shape: np.exp(0.5 * generator.normal(size=shape)), math.exp(0.125)),
    "lognormal, sigma 1": (lambda generator, shape: np.exp(generator.normal(size=shape)), math.exp(0.5)),
    **{f"{count:g} of 360 samples wrong": (errors(count), count / COUNTED) for count in (0.1, 0.3, 1, 3, 10, 36)},
    **{f"difference, each errs alone on {count:g}": (difference(count), 0.0) for count in (0.1, 0.3, 1, 3, 10)},
    "one training in ten fails": (failing, 0.1 * 0.9 + 0.9 * 0.03),
}


def student(sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the project's intervals, one per row; NaN for equal values."""
    rows, size = sample.shape
    found = group_means(sample.ravel(), np.repeat(np.arange(rows), size), rows)
    return found.low, found.high


def resampled(sample: np.ndarray, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Return bootstrap intervals, one per row; NaN for equal values."""
    low, high = np.full(len(sample), np.nan), np.full(len(sample), np.nan)
    for row, values in enumerate(sample):
        if np.ptp(values) > 0:
            found = bootstrap((values,), np.mean, n_resamples=999, method=method, vectorized=True, rng=np.random.default_rng(row))
            low[row], high[row] = found.confidence_interval
    return low, high


def covered(ends: tuple[np.ndarray, np.ndarray], truth: float) -> str:
    """Write the share of intervals that hold the truth, in percent."""
    low, high = ends
    given = ~np.isnan(low)
    inside = (low <= truth + 1e-12) & (truth - 1e-12 <= high)
    return f"{100 * inside[given].mean():.1f}" if given.any() else "-"


def main() -> None:
    """Print the table as Markdown: Student at four sizes, samples without an interval, and two bootstraps at ten values."""
    print("| values | n = 3 | 5 | 10 | 30 | all equal at 3 | 5 | 10 | BCa at 3 | 10 | percentile at 3 | 10 |")
    print(f"|---|{'---|' * 11}")
    for name, (draw, truth) in CASES.items():
        samples = {size: draw(np.random.default_rng(size), (SAMPLES, size)) for size in SIZES}
        cells = [covered(student(samples[size]), truth) for size in SIZES]
        cells += [f"{100 * np.isnan(student(samples[size])[0]).mean():.1f}" for size in (3, 5, 10)]
        for method in ("BCa", "percentile"):
            cells += [covered(resampled(samples[size][:RESAMPLED], method), truth) for size in (3, 10)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
