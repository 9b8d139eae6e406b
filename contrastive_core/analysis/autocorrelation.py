"""Integrated autocorrelation time of chains."""

import numpy as np
from numpy.typing import ArrayLike


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
    correlation = np.mean([function_1d(chain) for chain in moving.T], axis=0)
    times = 2.0 * np.cumsum(correlation) - 1.0
    enough = np.arange(len(times)) >= 5 * times
    window = int(np.argmax(enough)) if bool(enough.any()) else len(times) - 1
    return max(float(times[window]), 1.0)
