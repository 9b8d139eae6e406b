"""Number and quality of examples that a network needs in order to retrieve patterns that it has never seen."""

from __future__ import annotations

import numpy as np
from scipy.special import erf
from scipy.stats import binom

from contrastive_core.errors import ConvergenceError, InputError
from hebbian.theory.boundaries import critical_dilution
from hebbian.theory.ensemble import check_examples_asked

HALF = 1 / np.sqrt(2)
r"""Customary margin :math:`\Theta = 1/\sqrt2`, an overlap of erf(1/sqrt 2) = 0.6827: signal equal to noise."""


def threshold_noise(margin: float = HALF) -> float:
    r"""Return the largest example noise :math:`\rho = 1/(2\Theta^2)` at which one pattern is retrieved with margin :math:`\Theta`.

    At T = 0 and d = 0 the overlap is :math:`\mathrm{erf}(1/\sqrt{2\rho})`, so the margin is an overlap of :math:`\mathrm{erf}\,\Theta`.
    """
    if not margin > 0:
        raise InputError(f"the margin must be positive, got {margin}")
    return 1 / (2 * margin**2)


def threshold_examples(quality: float, margin: float = HALF) -> float:
    r"""Return the number of examples above which one pattern is retrieved, :math:`M = 2\Theta^2 (1 - r^2)/r^2`; a real number.

    It does not depend on a teacher. Example means are taken as Gaussian.
    """
    check_examples_asked(quality, 1)
    return (1 - quality**2) / (quality**2 * threshold_noise(margin))


def threshold_quality(num_examples: int, margin: float = HALF) -> float:
    r"""Return the quality above which M examples suffice, :math:`r = (1 + M/(2\Theta^2))^{-1/2}`: the inverse of the number."""
    check_examples_asked(1.0, num_examples)
    return float((1 + num_examples * threshold_noise(margin)) ** -0.5)


def exact_threshold_examples(quality: float, margin: float = HALF, largest: int = 100_000) -> int:
    r"""Return the smallest M for which the majority of M examples has an overlap of at least :math:`\mathrm{erf}\,\Theta` with its pattern.

    Binomial, without the Gaussian limit: the overlap is :math:`P(B > M/2) - P(B < M/2)`. An even M adds nothing to M - 1, so the
    answer is odd.

    Raises
    ------
    ConvergenceError
        If ``largest`` examples do not suffice.
    """
    check_examples_asked(quality, 1)
    numbers = np.arange(1, largest + 1, 2)
    overlaps = 1 - 2 * binom.cdf(numbers // 2, numbers, (1 + quality) / 2)
    enough = np.flatnonzero(overlaps >= erf(margin))
    if len(enough) == 0:
        raise ConvergenceError(f"{largest} examples of quality {quality} do not reach an overlap of {erf(margin):.4f}")
    return int(numbers[enough[0]])


def hierarchical_threshold_examples(num_patterns: int, dilution: float, quality: float, margin: float = HALF) -> float:
    r"""Return the number of examples for K patterns at once, in the hierarchical state at T = 0.

    .. math:: M = 2\Theta^2\, \frac{1-r^2}{r^2}\, \frac{(1-d)(1-d^{2K})}{(1+d)(1-2d+d^K)^2}

    The smallest signal, :math:`m_1 - \sum_{\nu>1} m_\nu`, equals the noise of all K examples' means. The number diverges at
    :func:`critical_dilution`. The criterion is ours and extends that of one pattern; it leaves out that example noise also acts as a
    temperature.

    Returns
    -------
    float
        Number of examples; infinite from the critical dilution on.
    """
    if not 0 <= dilution < 1:
        raise InputError(f"dilution must lie in [0, 1), got {dilution}")
    if num_patterns > 1 and dilution >= critical_dilution(num_patterns):
        return float("inf")
    gap = 1 - 2 * dilution + dilution**num_patterns
    spread = (1 - dilution) * (1 - dilution ** (2 * num_patterns)) / (1 + dilution)
    return threshold_examples(quality, margin) * spread / gap**2
