r"""Temperatures and dilutions at which states of diluted patterns change; raw convention, :math:`T_c = 1 - d`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq

from contrastive_core.errors import ConvergenceError, InputError
from hebbian.arrays import Floats
from hebbian.theory.branches import stable_branches
from hebbian.theory.ensemble import diluted_ensemble
from hebbian.theory.mean_field import MeanField

_SMALL, _LARGE = 1e-3, 400.0
"""Scanned range of x = m/T. Below it the state is at its critical point, above it all fields are saturated."""


def pure_temperature(dilution: float) -> float | None:
    r"""Return the temperature below which the pure state takes in further patterns.

    With x = m/T, the pure state :math:`m = (1-d)\tanh x` is marginal at
    :math:`\tanh(x)/x = d + (1-d)\,\mathrm{sech}^2 x`, and :math:`T = (1-d)\tanh(x)/x`. It does not depend on the number of patterns.

    Parameters
    ----------
    dilution : float
        d in [0, 1).

    Returns
    -------
    float or None
        T in raw units; 0 without dilution; None for d >= 2/3, at which the pure state is never stable.
    """
    _check_dilution(dilution)
    if dilution == 0:
        return 0.0
    if dilution >= 2 / 3:
        return None

    def margin(x: float) -> float:
        return float(np.tanh(x) / x - dilution - (1 - dilution) / np.cosh(x) ** 2)

    # Small x: margin = (2/3 - d) x^2 > 0; large x: 1/x - d < 0.
    low = min(_SMALL, float(np.sqrt(2 / 3 - dilution)) / 10)
    x = brentq(margin, low, 2 / dilution, xtol=1e-14)
    return float((1 - dilution) * np.tanh(x) / x)


def symmetric_boundaries(num_patterns: int, dilution: float) -> tuple[float, ...]:
    r"""Return every temperature at which the symmetric state of all K patterns changes stability, highest first.

    With :math:`S = \sum_\mu \xi^\mu` and x = m/T, the state has :math:`T = E[S\tanh(xS)]/(Kx)`, and is marginal where that equals
    :math:`E[(\xi_1^2 - \xi_1\xi_2)\,\mathrm{sech}^2(xS)]`.

    Parameters
    ----------
    num_patterns : int
        K, at least 2.
    dilution : float
        d in [0, 1).

    Returns
    -------
    tuple of float
        Raw temperatures. For d > 2/3 the state is stable from :math:`T_c` down to the first; slightly below 2/3 it is stable
        between the two (re-entrant). Empty if it is never stable.
    """
    _check_dilution(dilution)
    if num_patterns < 2:
        raise InputError(f"a symmetric state has at least 2 patterns, got {num_patterns}")
    sums, chances, spread = _sum_moments(num_patterns, dilution)

    def temperature(x: Floats) -> Floats:
        return (sums * np.tanh(np.multiply.outer(x, sums))) @ chances / (num_patterns * x)

    def margin(x: Floats) -> Floats:
        return temperature(x) - (1 / np.cosh(np.minimum(np.abs(np.multiply.outer(x, sums)), 300.0)) ** 2) @ spread

    # At large x all sites without a tie are saturated: T falls as 1/x, and the margin stays negative.
    grid = np.geomspace(_SMALL * 10, _LARGE / max(1 - dilution, 1e-3), 4000)
    roots = _sign_changes(margin, grid)
    return tuple(temperature(roots).tolist())


def symmetric_temperature(num_patterns: int, dilution: float) -> float | None:
    """Return the lowest temperature at which the symmetric state of all K patterns is stable, or None if it never is."""
    temperatures = symmetric_boundaries(num_patterns, dilution)
    return temperatures[-1] if temperatures else None


def critical_dilution(num_patterns: int) -> float:
    r"""Return :math:`d_c`, up to which the hierarchical state :math:`m_\mu = (1-d)d^{\mu-1}` is a fixed point at T = 0.

    The state needs :math:`m_1 > \sum_{\nu>1} m_\nu`, that is :math:`1 - 2d + d^K > 0`. Divided by 1 - d, the boundary is
    :math:`d + d^2 + \dots + d^{K-1} = 1`: 1 for K = 2, the inverse golden ratio for K = 3, and 1/2 in the limit.

    Raises
    ------
    InputError
        If K is less than 2.
    """
    if num_patterns < 2:
        raise InputError(f"a hierarchy has at least 2 patterns, got {num_patterns}")
    powers = np.arange(1, num_patterns)
    return float(brentq(lambda d: float((d**powers).sum()) - 1, 0.4, 1.0, xtol=1e-15))


def ground_dilution(num_patterns: int) -> float:
    r"""Return :math:`d_1`, up to which the hierarchical state is the ground state at T = 0.

    At T = 0 the energy is :math:`-|m|^2/2`. Near the crossing the competing state keeps the sign of every type's field, so its
    overlaps are polynomials in d, and the crossing is the root of a smooth function. Between :math:`d_1` and
    :func:`critical_dilution` the hierarchical state is metastable.

    Parameters
    ----------
    num_patterns : int
        K, at least 2; 1 is returned for 2.

    Raises
    ------
    ConvergenceError
        If no competitor is found below the critical dilution.
    """
    upper = critical_dilution(num_patterns)
    if num_patterns == 2:
        return 1.0
    guess = upper - 1e-9
    for _ in range(8):
        competitor = _lowest_signs(num_patterns, guess)
        crossing = _energy_crossing(num_patterns, competitor, upper)
        if crossing is None or crossing >= guess - 1e-12:
            return guess
        # Another state may cross even earlier: look again just below the crossing found.
        guess = crossing
    raise ConvergenceError(f"the ground state at {num_patterns} patterns did not settle; fewer patterns can be solved")


def hierarchical_overlaps(num_patterns: int, dilution: float) -> Floats:
    r"""Return :math:`(1-d)\,d^{\mu-1}`, of shape (K,): the T = 0 state up to :func:`critical_dilution`."""
    return (1 - dilution) * dilution ** np.arange(num_patterns, dtype=np.float64)


def majority_overlap(num_patterns: int, dilution: float) -> float:
    r"""Return :math:`E[\xi^1 \mathrm{sign}(S)]`, the overlap of the majority of K patterns, with sign(0) = 0.

    It tends to :math:`\sqrt{2(1-d)/(\pi K)}` for :math:`K(1-d) \gg 1`.
    """
    _check_dilution(dilution)
    sums, chances, _ = _sum_moments(num_patterns, dilution)
    return float(chances @ np.abs(sums)) / num_patterns


def _check_dilution(dilution: float) -> None:
    if not 0 <= dilution < 1:
        raise InputError(f"dilution must lie in [0, 1), got {dilution}; patterns of dilution 1 are blank")


def _sum_moments(num_patterns: int, dilution: float) -> tuple[Floats, Floats, Floats]:
    r"""Return the values of S, their chances, and :math:`E[\xi_1^2 - \xi_1\xi_2;\, S]`, each of shape (2K+1,)."""
    single = np.array([(1 - dilution) / 2, dilution, (1 - dilution) / 2])
    others = np.ones(1)
    for _ in range(num_patterns - 2):
        others = np.convolve(others, single)
    chances = np.convolve(others, np.convolve(single, single)) if num_patterns > 1 else single
    pair = np.zeros(5)  # sums of two entries, -2..2
    for first in (-1, 0, 1):
        for second in (-1, 0, 1):
            pair[first + second + 2] += single[first + 1] * single[second + 1] * (first * first - first * second)
    spread = np.convolve(others, pair) if num_patterns > 1 else np.zeros(3)
    return np.arange(-num_patterns, num_patterns + 1, dtype=np.float64), chances, spread


def _sign_changes(function: Callable[[Floats], Floats], grid: Floats) -> Floats:
    values = function(grid)
    places = np.flatnonzero(values[:-1] * values[1:] < 0)
    return np.array([brentq(function, grid[i], grid[i + 1], xtol=1e-14) for i in places])


def _lowest_signs(num_patterns: int, dilution: float) -> Floats:
    """Return the sign of every type's field in the lowest T = 0 state that is not hierarchical, of shape (3^K,)."""
    mean_field = MeanField(diluted_ensemble(num_patterns, dilution), 0.0)
    others = [b for b in stable_branches(mean_field) if b.name != "hierarchical"]
    if not others:
        raise ConvergenceError(f"no state competes with the hierarchical one at dilution {dilution}")
    return mean_field.magnetisation(others[0].overlaps)


def _energy_crossing(num_patterns: int, signs: Floats, upper: float) -> float | None:
    def excess(dilution: float) -> float:
        ensemble = diluted_ensemble(num_patterns, dilution)
        overlaps = (ensemble.weights * signs) @ ensemble.types
        return float(np.square(hierarchical_overlaps(num_patterns, dilution)).sum() - np.square(overlaps).sum())

    return float(brentq(excess, 0.4, upper - 1e-9, xtol=1e-14)) if excess(0.4) * excess(upper - 1e-9) < 0 else None
