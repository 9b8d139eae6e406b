r"""Finite-size scaling of a transition that is sharp in the infinite network and smeared in finite ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_ndtr
from scipy.stats import chi2

from contrastive_core.errors import ConvergenceError, InputError
from hebbian.arrays import Floats


class Trials(NamedTuple):
    """Successes and failures of independent networks at every size and load.

    Attributes
    ----------
    sizes, loads : ndarray of shape (n,)
        N and P/N of each point.
    successes : list of n ndarrays of shape (instances,)
        Number of retrieved starts in every network.
    starts : int
        Number of starts of every network.
    """

    sizes: Floats
    loads: Floats
    successes: list[NDArray[np.int64]]
    starts: int

    @property
    def totals(self) -> tuple[Floats, Floats]:
        """Successes and trials of every point, each of shape (n,)."""
        won = np.array([counts.sum() for counts in self.successes], dtype=np.float64)
        return won, np.array([len(counts) * self.starts for counts in self.successes], dtype=np.float64)

    def resampled(self, generator: np.random.Generator) -> Trials:
        """Draw as many networks of every point with replacement; single starts would not do, because those of one network depend on it."""
        return self._replace(successes=[generator.choice(counts, len(counts)) for counts in self.successes])


class Transition(NamedTuple):
    r"""Fit of :math:`p = \Phi[(\alpha_\infty + c N^{-x} - \alpha) \sqrt N / w]`.

    Attributes
    ----------
    load : float
        :math:`\alpha_\infty`.
    shift, exponent, width : float
        c, x and w.
    deviance : float
        Twice the log-likelihood by which a perfect fit is better.
    freedom : int
        Number of points minus number of fitted parameters.
    """

    load: float
    shift: float
    exponent: float
    width: float
    deviance: float
    freedom: int

    def midpoint(self, num_spins: float) -> float:
        """Return the load at which half of all starts are retrieved by N spins."""
        return float(self.load + self.shift * num_spins**-self.exponent)

    def chance(self, num_spins: Floats, load: Floats) -> Floats:
        """Return the probability of retrieval."""
        shifted = self.load + self.shift * num_spins**-self.exponent
        chance: Floats = np.exp(log_ndtr((shifted - load) * np.sqrt(num_spins) / self.width))
        return chance

    @property
    def plausibility(self) -> float:
        """Chance of a deviance at least as large if the form is right and all starts are independent."""
        return float(chi2.sf(self.deviance, self.freedom))


def fit_transition(trials: Trials, exponent: float | None = None) -> Transition:
    r"""Fit the retrieval probability of all sizes at once, by maximum likelihood.

    A network's own threshold varies with its patterns by an amount of order :math:`N^{-1/2}`, which smears the transition; the mean
    threshold may approach that of the infinite network more slowly or faster, as :math:`N^{-x}`. The form is an ansatz for a
    transition that is discontinuous, not a result of theory.

    Parameters
    ----------
    trials : Trials
        Trials of at least three sizes if x is fitted, two otherwise.
    exponent : float, optional
        Fixed value of x; fitted by default.

    Raises
    ------
    InputError
        If there are too few sizes, or nothing or everything is retrieved.
    ConvergenceError
        If the fit does not settle.
    """
    won, total = trials.totals
    needed = 2 if exponent is not None else 3
    if len(np.unique(trials.sizes)) < needed:
        raise InputError(f"a scaling fit needs at least {needed} sizes, got {len(np.unique(trials.sizes))}")
    if won.sum() in (0, total.sum()):
        raise InputError("nothing or everything was retrieved: no transition lies within these loads; take others")

    def missing(parameters: Floats) -> float:
        return float(_log_likelihood(_transition(parameters, exponent), trials, won, total))

    # Start at a shift that falls as N^(-2/3), and a width of the order of the loads themselves.
    start = [float(np.median(trials.loads)), 1.0, 0.5] + ([] if exponent is not None else [2 / 3])
    options = {"xatol": 1e-7, "fatol": 1e-8, "maxiter": 4000, "maxfev": 8000}
    for _ in range(3):  # a fresh simplex leaves ridges on which the first one collapsed
        solution = minimize(missing, start, method="Nelder-Mead", options=options)
        start = list(solution.x)
    if not solution.success:
        raise ConvergenceError(f"the scaling fit did not settle: {solution.message}; add loads around the transition")
    share = np.clip(won / total, 1e-300, 1)
    perfect = float((won * np.log(share) + (total - won) * np.log(np.clip(1 - share, 1e-300, 1))).sum())
    return _transition(solution.x, exponent)._replace(deviance=2 * (float(solution.fun) + perfect), freedom=len(won) - len(start))


def midpoint(trials: Trials, num_spins: float) -> float:
    """Return the load at which half of all starts are retrieved, from the points of one size alone.

    A probit line in the load is fitted by maximum likelihood, without any assumption on other sizes. NaN if the points do not fix it.
    """
    won, total = trials.totals
    here = trials.sizes == num_spins
    loads, hits, number = trials.loads[here], won[here], total[here]
    inside = (hits > 0) & (hits < number)
    if not inside.any():
        return float("nan")

    def missing(line: Floats) -> float:
        z = (line[0] - loads) / max(abs(line[1]), 1e-9)
        return float(-(hits * log_ndtr(z) + (number - hits) * log_ndtr(-z)).sum())

    start = [float(loads[inside].mean()), 0.01]
    return float(minimize(missing, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-8}).x[0])


def bootstrap_fits(trials: Trials, number: int, seed: int, exponent: float | None = None) -> list[Transition]:
    """Fit networks drawn with replacement, that many times."""
    generator = np.random.default_rng(seed)
    return [fit_transition(trials.resampled(generator), exponent) for _ in range(number)]


def _transition(parameters: Floats, exponent: float | None) -> Transition:
    load, shift, width = parameters[:3]
    power = exponent if exponent is not None else parameters[3]
    return Transition(float(load), float(shift), float(power), abs(float(width)) + 1e-9, float("nan"), 0)


def _log_likelihood(transition: Transition, trials: Trials, won: Floats, total: Floats) -> float:
    shifted = transition.load + transition.shift * trials.sizes**-transition.exponent
    z = (shifted - trials.loads) * np.sqrt(trials.sizes) / transition.width
    return float(-(won * log_ndtr(z) + (total - won) * log_ndtr(-z)).sum())
