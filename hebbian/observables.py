"""Means over chains, with errors corrected for correlation, and a warning if they cannot be trusted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from contrastive_core.analysis.autocorrelation import autocorrelation_time
from contrastive_core.errors import InputError
from hebbian.arrays import Floats

LONG_ENOUGH = 50
"""Number of autocorrelation times that a chain must last for its time to be trusted; emcee uses the same rule."""
AGREEMENT = 1.05
"""Largest R-hat of chains that sample one and the same state."""


class Summary(NamedTuple):
    """Mean of an observable over chains.

    Attributes
    ----------
    mean : float
        Mean over all records and chains.
    error : float
        Standard error of the mean, from the autocorrelation time or from the spread of the chains' means, whichever is larger.
    autocorrelation_time : float
        Integrated autocorrelation time in records; 1 for independent ones, NaN for an observable that does not vary.
    effective_size : float
        Number of independent records that the error stands for.
    r_hat : float
        Split R-hat: 1 if halves of chains agree.
    trusted : bool
        Whether the chains are long enough and agree.
    warning : str
        Reason against trust; empty if trusted.
    """

    mean: float
    error: float
    autocorrelation_time: float
    effective_size: float
    r_hat: float
    trusted: bool
    warning: str


def split_r_hat(series: ArrayLike) -> float:
    """Return the split R-hat of chains of shape (S, R): the square root of total over within-half variance.

    It is infinite if halves are constant but differ, and 1 if nothing varies at all.

    References
    ----------
    Gelman et al. (2013), Bayesian Data Analysis, third edition, section 11.4.
    """
    values = np.asarray(series, dtype=np.float64)
    half = len(values) // 2
    if half < 2:
        raise InputError(f"R-hat needs at least 4 records, got {len(values)}")
    halves = np.concatenate([values[:half], values[-half:]], axis=1)  # (S / 2, 2 R)
    if not np.ptp(halves, axis=0).any():  # variances of constants are not 0 but rounding
        return 1.0 if np.ptp(halves) == 0 else float("inf")
    within = float(halves.var(axis=0, ddof=1).mean())
    between = float(halves.mean(axis=0).var(ddof=1))
    return float(np.sqrt((half - 1) / half + between / within))


def summarise(series: ArrayLike) -> Summary:
    """Summarise an observable recorded at equilibrium.

    Parameters
    ----------
    series : array of shape (S, R)
        S records, at least 4, of R chains, with the burn-in removed.

    Returns
    -------
    Summary
        Summary that is not trusted if chains hop between states, sit in different ones or are too short.
    """
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 2 or not bool(np.isfinite(values).all()):
        raise InputError(f"a series must have shape (records, chains) and be finite, got shape {values.shape}")
    r_hat = split_r_hat(values)
    time = autocorrelation_time(values)
    variance = float(values.var())
    size = values.size / time if np.isfinite(time) else float(values.shape[1])
    error = float(np.sqrt(variance / size))
    if values.shape[1] >= 8:  # a spread of few chains is no estimate of an error
        error = max(error, float(values.mean(axis=0).std(ddof=1) / np.sqrt(values.shape[1])))
    effective = variance / error**2 if error > 0 else float(values.size)
    warning = _complaint(values, time, r_hat)
    return Summary(float(values.mean()), error, time, effective, r_hat, not warning, warning)


def _complaint(values: Floats, time: float, r_hat: float) -> str:
    if r_hat > AGREEMENT:
        return f"chains or their halves disagree (R-hat {r_hat:.2f}): they drift, hop between states or sit in different ones"
    if np.isfinite(time) and len(values) < LONG_ENOUGH * time:
        return f"chains of {len(values)} records are shorter than {LONG_ENOUGH} autocorrelation times of {time:.1f}"
    return ""


def retrieval_success(overlaps: ArrayLike, expected: ArrayLike, tolerance: float = 0.1) -> Floats:
    """Return the fraction of chains that retrieved each pattern.

    A chain has retrieved a pattern if the absolute value of its overlap is at least (1 - tolerance) times the expected one.

    Parameters
    ----------
    overlaps : array of shape (R, K)
        Overlaps of the chains' final states.
    expected : array of shape (K,)
        Overlaps of the state to be retrieved.
    tolerance : float
        Fraction of the expected overlap that may be missing, in [0, 1).

    Returns
    -------
    ndarray of shape (K,)
        Fraction per pattern; NaN if the expected overlap is 0.
    """
    target = np.abs(np.asarray(expected, dtype=np.float64))
    reached = np.abs(np.asarray(overlaps, dtype=np.float64)) >= (1 - tolerance) * target
    return np.where(target > 0, reached.mean(axis=0), np.nan)
