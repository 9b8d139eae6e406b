"""Integrated autocorrelation time of chains."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def autocorrelation_time(series: ArrayLike) -> float:
    """Return the integrated autocorrelation time of chains, in records, as emcee estimates it.

    Parameters
    ----------
    series : array of shape (S, R)
        S records of R chains.

    Returns
    -------
    float
        At least 1 by convention; NaN if nothing varies.

    References
    ----------
    Goodman & Weare (2010); emcee.autocorr.integrated_time, with its window of 5 times.
    """
    from emcee.autocorr import function_1d

    values = np.asarray(series, dtype=np.float64)
    moving = values[:, np.ptp(values, axis=0) > 0]
    if moving.shape[1] == 0:
        return float("nan")
    return _integrated(np.mean([function_1d(chain) for chain in moving.T], axis=0))


def pooled_autocorrelation_time(series: ArrayLike) -> float:
    """Return the integrated autocorrelation time of replicas, in records, about the mean that all replicas of a sample share.

    A chain that stays in one mode fluctuates quickly about its own mean, and only its distance to the mean of all replicas shows that it
    has not mixed: this time then is about as long as the record, and that of :func:`autocorrelation_time` short.

    Parameters
    ----------
    series : array of shape (S, R, B)
        S records of R replicas of B samples.

    Returns
    -------
    float
        At least 1 by convention; NaN if nothing varies.

    References
    ----------
    Gelman et al. (2013), Bayesian Data Analysis, 3rd edition, section 11.5, on variances within and between chains; recalled.
    """
    values = np.asarray(series, dtype=np.float64)
    moving = values[:, :, np.ptp(values, axis=(0, 1)) > 0]
    if moving.shape[2] == 0:
        return float("nan")
    centred = moving - moving.mean((0, 1))
    # Padding with zeros to twice the length keeps the end of a record apart from its beginning.
    spectrum = np.fft.rfft(centred, 2 * len(centred), axis=0)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[: len(centred)].sum(1)
    return _integrated((covariance / covariance[0]).mean(1))


def _integrated(correlation: NDArray[np.float64]) -> float:
    """Return the integral of a correlation that begins at lag 0, up to five times itself."""
    times = 2.0 * np.cumsum(correlation) - 1.0
    enough = np.arange(len(times)) >= 5 * times
    window = int(np.argmax(enough)) if bool(enough.any()) else len(times) - 1
    return max(float(times[window]), 1.0)
