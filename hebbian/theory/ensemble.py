"""Distribution of the pattern entries of a site: joint values and their frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from contrastive_core.errors import InputError
from contrastive_core.expect import expect_whole, shown
from hebbian.arrays import Floats

_WORST = 1e-6
"""Smallest quality of examples: their relative noise goes as its inverse square."""
MAX_TYPES = 200_000
"""Largest number of joint values; every evaluation sums over all of them."""


class Convention(Enum):
    r"""Normalisation of the couplings; every temperature and energy is in the same units.

    RAW is :math:`J = \xi^T \xi / N`, whose critical temperature is :math:`1 - d`. NORMALIZED divides energies by :math:`1 - d`
    (by the mean activity, where patterns differ in dilution), so that it is 1.
    """

    RAW = "raw"
    NORMALIZED = "normalized"

    def scale(self, dilution: float | Sequence[float]) -> float:
        r"""Return the factor of raw couplings: 1, or :math:`1/(1 - d)`.

        Raises
        ------
        InputError
            If the couplings of entirely blank patterns would have to be normalised.
        """
        activity = float(np.mean(1 - np.asarray(dilution, dtype=np.float64)))
        if self is Convention.RAW:
            return 1.0
        if activity <= 0:
            raise InputError("patterns of dilution 1 are blank and cannot be normalized; use a dilution below 1 or the raw convention")
        return 1.0 / activity


class Ensemble(NamedTuple):
    """Joint values of the features of one site, and their frequencies.

    Attributes
    ----------
    types : ndarray of shape (n_types, P)
        Values of the P features: pattern entries in {-1, 0, 1}, or means of examples.
    weights : ndarray of shape (n_types,)
        Frequency of each; they sum to 1.
    """

    types: Floats
    weights: Floats

    def mean(self, values: Floats) -> Floats:
        """Return the average over sites of values of shape (..., n_types, *)."""
        average: Floats = np.tensordot(self.weights, values, axes=(0, 0))
        return average


_COLDEST = 1e-30
"""Smallest positive temperature: its inverse, times the spins of a network, fits into single precision."""


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that is negative, not finite, or so small that its inverse overflows.

    Raises
    ------
    InputError
        If it is neither 0 nor in [1e-30, inf).
    """
    if not 0 <= temperature < float("inf"):
        raise InputError(f"temperature must be at least 0 and finite, got {temperature}")
    if 0 < temperature < _COLDEST:
        raise InputError(f"temperature must be 0 or at least {_COLDEST:g}, got {temperature}; use 0")


def check_examples_asked(quality: float, num_examples: int) -> None:
    """Refuse a quality or number of examples from which nothing can be learned.

    Raises
    ------
    InputError
        If r is outside [1e-6, 1] or M is not positive.
    """
    if not _WORST <= quality <= 1:
        raise InputError(f"the quality of examples must lie in [{_WORST:g}, 1], got {quality}; at 0 they say nothing about their pattern")
    if num_examples < 1:
        raise InputError(f"the number of examples must be at least 1, got {num_examples}")


def check_dilutions(dilution: float | Sequence[float], num_patterns: int) -> Floats:
    """Return one dilution per pattern.

    Parameters
    ----------
    dilution : float or sequence of float
        The probability that an entry is blank, for all patterns or for each.
    num_patterns : int
        Number of patterns, positive.

    Returns
    -------
    ndarray of shape (num_patterns,)
        Each in [0, 1].

    Raises
    ------
    InputError
        If there is no pattern, a dilution is outside [0, 1], or there is not one for each pattern.
    """
    expect_whole(num_patterns, "num_patterns", "3 is usual", least=1)
    try:
        values = np.asarray(dilution, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"dilution must be one number or one for each of the {num_patterns} patterns, got {shown(dilution)}") from error
    if values.ndim > 1 or (values.ndim == 1 and len(values) != num_patterns):
        raise InputError(f"dilution must be one number or one for each of the {num_patterns} patterns, got shape {values.shape}")
    if not bool(np.all((values >= 0) & (values <= 1))):  # also refuses NaN
        raise InputError(f"dilution must lie in [0, 1], got {dilution}; it is the fraction of blank entries")
    return np.broadcast_to(values, (num_patterns,)).copy()


def diluted_ensemble(num_patterns: int, dilution: float | Sequence[float]) -> Ensemble:
    r"""Return the ensemble of independent entries with :math:`P(\pm1) = (1-d)/2` and :math:`P(0) = d`.

    Parameters
    ----------
    num_patterns : int
        K; there are up to 3^K types.
    dilution : float or sequence of float
        d, for all patterns or for each.

    Returns
    -------
    Ensemble
        Types of frequency 0 are left out.

    Raises
    ------
    InputError
        If a dilution is outside [0, 1], or there are too many types to sum over.
    """
    values = check_dilutions(dilution, num_patterns)
    alphabets = [[v for v, p in ((1, 1 - d), (0, d), (-1, 1 - d)) if p > 0] for d in values]
    _refuse_too_many(prod(float(len(alphabet)) for alphabet in alphabets))
    types = np.array(list(product(*alphabets)), dtype=np.float64)  # (n_types, K)
    weights = np.where(types == 0, values, (1 - values) / 2).prod(axis=1)
    return Ensemble(types, weights)


def empirical_ensemble(features: ArrayLike) -> Ensemble:
    r"""Return the ensemble of one instance: the distinct columns of its features and their frequencies.

    Its mean field has an error of order 1/N against the instance, where that of the distribution has one of order
    :math:`1/\sqrt{N}`.

    Parameters
    ----------
    features : array of shape (P, N)
        Patterns, sums or means of examples.

    Returns
    -------
    Ensemble
        At most N types.
    """
    columns, counts = np.unique(np.asarray(features).T, axis=0, return_counts=True)
    return Ensemble(columns.astype(np.float64), counts / counts.sum())


def _refuse_too_many(count: float) -> None:
    if count > MAX_TYPES:
        raise InputError(f"theory sums over every joint value of a site's entries, here {count:.3g}; at most {MAX_TYPES} are allowed")
