r"""Learning from examples: overlaps with the archetypes after storing noisy examples of them, and how many are needed.

Normalised convention throughout, :math:`T_c = 1` at :math:`\rho \to 0`: the couplings are divided by
:math:`(1-d)(1+\rho) r^2`, with :math:`\rho = (1 - r^2)/(M r^2)` the noise left in the mean of M examples. With and without a teacher
the saddle-point equations are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple, final

import numpy as np
from scipy.special import erf
from scipy.stats import binom

from contrastive_core.errors import ConvergenceError, InputError
from hebbian.arrays import Floats
from hebbian.theory.ensemble import Ensemble, check_examples_asked, check_temperature, diluted_ensemble
from hebbian.theory.mean_field import MeanField

_NODES = np.linspace(-8.5, 8.5, 3401)  # the trapezoid rule converges geometrically for analytic functions with Gaussian tails
_CHANCES = np.exp(-(_NODES**2) / 2) * (_NODES[1] - _NODES[0]) / np.sqrt(2 * np.pi)


def example_noise(quality: float, num_examples: int) -> float:
    r"""Return :math:`\rho = (1 - r^2)/(M r^2)`, the relative variance of the mean of M examples of quality r.

    Raises
    ------
    InputError
        If r is outside (0, 1] or M is not positive.
    """
    check_examples_asked(quality, num_examples)
    return (1 - quality**2) / (num_examples * quality**2)


class Learnt(NamedTuple):
    r"""Stationary state of a network that has stored examples.

    Attributes
    ----------
    overlaps : ndarray of shape (K,)
        Overlaps m with the archetypes, which the network has never seen.
    example_overlaps : ndarray of shape (K,)
        Overlaps n with the means of the examples, divided by :math:`(1+\rho) r`.
    """

    overlaps: Floats
    example_overlaps: Floats


@final
@dataclass(frozen=True)
class GaussianLearning:
    r"""Theory of example means that are Gaussian around the archetypes: the limit of many examples.

    .. math:: m_\mu = E_\xi E_Z\, \xi^\mu \tanh\Big[\tfrac{\beta}{1-d}\Big(\sum_\nu n_\nu \xi^\nu
        + Z\sqrt{\rho \textstyle\sum_\nu n_\nu^2 (\xi^\nu)^2}\Big)\Big], \qquad
        (1+\rho)\, n_\mu = m_\mu + \tfrac{\beta\rho}{1-d}\, n_\mu\, E[(\xi^\mu)^2 (1 - \tanh^2)].

    At T = 0 the average of tanh over Z is :math:`\mathrm{erf}(\sum n\xi / \sqrt{2\rho\sum n^2\xi^2})`. It is off by 0.01 or less
    in most cases, and by more for few examples. For these use :func:`binomial_ensemble` or the mean field of an instance.

    Attributes
    ----------
    num_patterns : int
        K.
    dilution : float
        d, below 1.
    noise : float
        :math:`\rho`, from :func:`example_noise`.
    temperature : float
        T, normalised.
    """

    num_patterns: int
    dilution: float
    noise: float
    temperature: float

    def __post_init__(self) -> None:
        if not 0 <= self.dilution < 1:
            raise InputError(f"dilution must lie in [0, 1), got {self.dilution}")
        if not self.noise >= 0:
            raise InputError(f"noise must be at least 0, got {self.noise}")
        check_temperature(self.temperature)

    def _step(self, example_overlaps: Floats, ensemble: Ensemble) -> tuple[Floats, Floats]:
        r"""Return m and the Stein term's slope :math:`E[(\xi^\mu)^2 \beta (1-\tanh^2)]/(1-d)` at n."""
        types, weights = ensemble
        mean = types @ example_overlaps  # (n_types,)
        spread = np.sqrt(self.noise * (types**2 @ example_overlaps**2))
        if self.temperature == 0:
            safe = np.where(spread > 0, spread, 1.0)
            site = np.where(spread > 0, erf(mean / (np.sqrt(2) * safe)), np.sign(mean))
            slope = np.where(spread > 0, np.sqrt(2 / np.pi) / safe * np.exp(-((mean / safe) ** 2) / 2), 0.0)
        else:
            stiffness = 1 / (self.temperature * (1 - self.dilution))
            response = np.tanh(stiffness * (mean[:, None] + spread[:, None] * _NODES))  # (n_types, nodes)
            site = response @ _CHANCES
            slope = stiffness * ((1 - response**2) @ _CHANCES)
        return (weights * site) @ types, (weights * slope) @ types**2

    def solve(self, start: Floats, budget: int = 20_000) -> Learnt:
        """Iterate the equations from example overlaps n of shape (K,) until they settle.

        Raises
        ------
        ConvergenceError
            If they have not settled to 1e-11 within the budget.
        """
        ensemble = diluted_ensemble(self.num_patterns, self.dilution)
        current = np.asarray(start, dtype=np.float64)
        for _ in range(budget):
            overlaps, slope = self._step(current, ensemble)
            moved = (overlaps + self.noise * current * slope) / (1 + self.noise)
            if np.abs(moved - current).max() < 1e-11:
                return Learnt(overlaps, moved)
            current = moved
        raise ConvergenceError(f"the learning equations did not settle in {budget} iterations from {start}; the state is critical here")

    def signal_to_noise(self, state: Floats) -> Floats:
        r"""Return the overlaps after one step at T = 0 from a state of example overlaps n, of shape (K,).

        The signal of each site's field is compared with the noise of the examples in it,
        :math:`m_\mu = E[\xi^\mu\, \mathrm{erf}(\sum n\xi / \sqrt{2\rho\sum n^2\xi^2})]`: no temperature, no
        feedback of errors.
        For one undiluted pattern it is :math:`\mathrm{erf}(1/\sqrt{2\rho})`, exactly.
        """
        cold = replace(self, temperature=0.0)
        return cold._step(np.asarray(state, dtype=np.float64), diluted_ensemble(self.num_patterns, self.dilution))[0]

    def solutions(self) -> list[Learnt]:
        """Return the distinct states reached from pure, hierarchical and mixed starts, with overlaps in falling order."""
        count, dilution = self.num_patterns, self.dilution
        ladder = dilution ** np.arange(count)
        mixtures = np.tri(count) * (1 - 0.05 * np.arange(count))
        found: list[Learnt] = []
        for start in (1 - dilution) * np.concatenate([np.eye(count)[:1], ladder[None], mixtures]):
            state = self.solve(start)
            order = np.argsort(-np.abs(state.overlaps), kind="stable")
            state = Learnt(np.abs(state.overlaps)[order], np.abs(state.example_overlaps)[order])
            if not any(np.abs(state.overlaps - other.overlaps).max() < 1e-6 for other in found):
                found.append(state)
        return found


def binomial_ensemble(num_patterns: int, dilution: float, quality: float, num_examples: int) -> tuple[Ensemble, Floats]:
    r"""Return the exact joint distribution of the means of M examples, and the archetypes' entries of each type.

    The mean of M examples at a site of entry :math:`\xi` is :math:`\xi (2B/M - 1)` with B binomial of chance (1 + r)/2. There are
    up to :math:`(2M + 3)^K` types.

    Returns
    -------
    ensemble : Ensemble
        Types of shape (n_types, K) are the example means.
    archetypes : ndarray of shape (n_types, K)
        The archetypes' entries.
    """
    check_examples_asked(quality, num_examples)
    successes = np.arange(num_examples + 1)
    chances = binom.pmf(successes, num_examples, (1 + quality) / 2)
    single = [(0.0, 0.0, dilution)] if dilution > 0 else []
    for sign in (1.0, -1.0):
        single += [(sign, sign * (2 * b / num_examples - 1), (1 - dilution) / 2 * p) for b, p in zip(successes, chances, strict=True)]
    diluted_ensemble(num_patterns, dilution)  # refuses a bad dilution
    if len(single) ** num_patterns > 400_000:
        raise InputError(f"{len(single)}^{num_patterns} joint values are too many to sum; use the Gaussian theory or fewer examples")
    rows = np.array(list(product(single, repeat=num_patterns)))  # (n_types, K, 3)
    return Ensemble(np.ascontiguousarray(rows[:, :, 1]), rows[:, :, 2].prod(axis=1)), np.ascontiguousarray(rows[:, :, 0])


def learning_scale(dilution: float, quality: float, num_examples: int) -> float:
    r"""Return :math:`1/((1-d)(1+\rho) r^2)`, the factor of couplings from example means in the normalised convention."""
    return 1 / ((1 - dilution) * (1 + example_noise(quality, num_examples)) * quality**2)


def archetype_overlaps(mean_field: MeanField, archetypes: Floats, state: Floats) -> Floats:
    """Return the overlaps with the archetypes, entries of shape (n_types, K), in a state of the example means' mean field."""
    ensemble = mean_field.ensemble
    overlaps: Floats = (ensemble.weights * mean_field.magnetisation(state)) @ archetypes
    return overlaps
