"""All stable states of a mean field, found from many starts, refined, compared and named."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize, root

from contrastive_core.errors import ConvergenceError
from contrastive_core.guards.typed import typed
from contrastive_core.progress.share import counted, part, tell
from hebbian.arrays import Floats
from hebbian.theory.ensemble import Ensemble
from hebbian.theory.mean_field import MeanField

_SAME = 1e-6
"""Overlaps nearer than this are equal. Roots are refined to 1e-12; distinct states met so far differ by more than 1e-4."""
MARGINAL = 1e-5
"""A state with a smaller eigenvalue is at a critical point: double precision knows its overlaps to about 1e-3 in that direction only."""
_UNKNOWN = 1e-3
_ROUNDS = 400
_POLISH = 1e-11
_PATIENCE = 200


class Branch(NamedTuple):
    """A stationary state of the mean field.

    Attributes
    ----------
    overlaps : ndarray of shape (P,)
        m; the largest first where the state came from :func:`stable_branches`.
    free_energy : float
        f per spin, in units of the couplings.
    min_eigenvalue : float
        Smallest eigenvalue of the dimensionless Hessian; positive where stable.
    name : str
        See :func:`name_state`.
    """

    overlaps: Floats
    free_energy: float
    min_eigenvalue: float
    name: str

    @property
    def marginal(self) -> bool:
        """Whether the state is at a critical point, neither stable nor unstable as far as numbers tell."""
        return abs(self.min_eigenvalue) < MARGINAL


def name_state(overlaps: Floats) -> str:
    r"""Name a state by its overlaps, whatever their signs and order.

    Parameters
    ----------
    overlaps : ndarray of shape (P,)
        m.

    Returns
    -------
    str
        "disordered": none is retrieved. "pure": one. "symmetric": two or more, with equal amplitude (the parallel regime where
        it is all of them). "hierarchical": each is larger than all smaller ones together, as in :math:`(1-d)\, d^{\mu-1}`.
        "mixed": anything else.
    """
    sizes = np.sort(np.abs(overlaps))[::-1]
    sizes = sizes[sizes > _SAME]
    if len(sizes) == 0:
        return "disordered"
    if len(sizes) == 1:
        return "pure"
    if sizes[0] - sizes[-1] < _SAME:
        return "symmetric"
    rest = np.cumsum(sizes[::-1])[::-1] - sizes  # what comes after each
    return "hierarchical" if bool(np.all(sizes > rest)) else "mixed"


def default_starts(mean_field: MeanField, num_random: int = 96, seed: int = 0) -> Floats:
    """Return start points that reach the known states, and random ones for those not known; shape (n, P).

    The first P are pure, the next P - 1 equal mixtures of the first 2..P features, then the hierarchical ladder. All are scaled
    to the features' mean absolute values.
    """
    count = mean_field.num_features
    activity = mean_field.ensemble.weights @ np.abs(mean_field.ensemble.types)  # (P,)
    mixtures = np.tri(count)[1:]
    ladder = (1 - activity.mean()) ** np.arange(count)
    generator = np.random.default_rng(seed)
    random = generator.random((num_random, count)) ** generator.choice([0.5, 1.0, 3.0], size=(num_random, 1))
    near = mixtures * (1 + 0.05 * generator.standard_normal(mixtures.shape))
    return np.concatenate([np.eye(count), mixtures, ladder[None], near, random]) * activity


def descend(mean_field: MeanField, starts: Floats, rounds: int = _ROUNDS) -> Floats:
    """Iterate m <- F(m) from each start, of shape (n, P). The free energy never rises: f is a convex function less another."""
    overlaps = np.asarray(starts, dtype=np.float64)
    first = 0.0
    for _ in range(rounds):
        moved = mean_field.response(overlaps)
        change = float(np.abs(moved - overlaps).max())
        if change < _POLISH:
            return moved
        first = max(first, change)
        tell(_settled(first, change))
        overlaps = moved
    return overlaps


def _settled(first: float, change: float) -> float:
    """Return the share of an iteration that is done, if its changes fall by the same factor in every round."""
    return math.log(first / change) / math.log(first / _POLISH) if _POLISH < change < first else 0.0


def refine(mean_field: MeanField, overlaps: Floats) -> Floats:
    """Return the solution of m = F(m) that lies in the basin of a point of shape (P,).

    Raises
    ------
    ConvergenceError
        If neither Newton's method nor further iteration reaches it.
    """
    for _ in range(_PATIENCE):
        if mean_field.temperature > 0:
            solution = root(lambda m: m - mean_field.response(m), overlaps, jac=mean_field.hessian, method="hybr", tol=1e-13)
            # Descent from the point only lowers the free energy: a root that lies higher, or far away, is another state.
            near = (
                np.abs(solution.x - overlaps).max() < 0.1 and mean_field.free_energy(solution.x) <= mean_field.free_energy(overlaps) + 1e-13
            )
            if near and np.abs(solution.x - mean_field.response(solution.x)).max() < _POLISH:
                return np.asarray(solution.x, dtype=np.float64)
            overlaps = _fall(mean_field, overlaps)
        overlaps = descend(mean_field, overlaps[None])[0]
        if np.abs(overlaps - mean_field.response(overlaps)).max() < 2 * _POLISH:
            return overlaps
    residual = np.abs(overlaps - mean_field.response(overlaps)).max()
    raise ConvergenceError(
        f"the self-consistency equations did not settle at T = {mean_field.temperature} (residual {residual:.1e} after "
        f"{_PATIENCE * _ROUNDS} iterations); the state is critical here, move the temperature or dilution a little"
    )


def _fall(mean_field: MeanField, overlaps: Floats) -> Floats:
    """Return a lower point of the free energy, by steps that know its curvature: iteration alone creeps near critical points."""
    scale = mean_field.scale
    lower = minimize(
        lambda m: float(mean_field.free_energy(m)),
        overlaps,
        jac=lambda m: scale * (m - mean_field.response(m)),
        hess=lambda m: scale * mean_field.hessian(m),
        method="trust-exact",
        options={"gtol": 1e-13, "initial_trust_radius": 1e-3, "max_trust_radius": 0.05, "maxiter": 300},
    )
    return np.asarray(lower.x, dtype=np.float64)


def branch_at(mean_field: MeanField, start: Floats) -> Branch:
    """Return the state that m <- F(m) leads to from one start, of shape (P,), which may be unstable in a symmetric direction."""
    return _branch(mean_field, refine(mean_field, descend(mean_field, np.asarray(start, dtype=np.float64)[None])[0]))


@typed()
def stable_branches(mean_field: MeanField, starts: Floats | None = None) -> list[Branch]:
    """Return every stable state that the starts lead to, lowest free energy first.

    If the joint distribution of the features allows it, states that differ by their order or by signs are one state, given with
    positive overlaps in falling order; otherwise only the sign of all overlaps is free.

    Parameters
    ----------
    mean_field : MeanField
        Ensemble, temperature and scale.
    starts : ndarray of shape (n, P), optional
        Start points; :func:`default_starts` without.

    Returns
    -------
    list of Branch
        At least one at T > 0: the lowest state is stable, or marginal at a critical point.
    """
    count = mean_field.num_features
    origin = _branch(mean_field, np.zeros(count))
    if mean_field.temperature > 0 and origin.min_eigenvalue > -1e-12:
        return [origin]  # the free energy is convex from the critical temperature on: the Hessian is smallest at 0
    with part(0.0, 0.8):
        ends = descend(mean_field, default_starts(mean_field) if starts is None else starts)
    symmetry = _symmetry(mean_field.ensemble)
    found: list[Branch] = []
    with part(0.8, 1.0):
        for end in counted(ends, len(ends)):
            if any(_same(_fold(end, symmetry), other) for other in found):
                continue
            branch = _branch(mean_field, _fold(refine(mean_field, end), symmetry))
            if not any(_same(branch.overlaps, other) for other in found):
                found.append(branch)
    return sorted((b for b in found if b.min_eigenvalue > 0 or b.marginal), key=lambda b: b.free_energy)


def _same(overlaps: Floats, branch: Branch) -> bool:
    return bool(np.abs(overlaps - branch.overlaps).max() < (_UNKNOWN if branch.marginal else _SAME))


def _branch(mean_field: MeanField, overlaps: Floats) -> Branch:
    return Branch(overlaps, float(mean_field.free_energy(overlaps)), mean_field.min_eigenvalue(overlaps), name_state(overlaps))


def _fold(overlaps: Floats, symmetry: tuple[bool, bool]) -> Floats:
    """Return the representative of a state among those that the ensemble's symmetries make of it."""
    flips, swaps = symmetry
    folded = np.abs(overlaps) if flips else overlaps * (np.sign(overlaps[np.abs(overlaps).argmax()]) or 1.0)
    return folded[np.argsort(-folded, kind="stable")] if swaps else folded


def _symmetry(ensemble: Ensemble) -> tuple[bool, bool]:
    """Return whether features may change sign one by one, and whether they may change places: true of patterns of one dilution.

    Otherwise, as for images, only the sign of all of them is free.
    """
    types, weights = ensemble
    count = types.shape[1]
    places = np.arange(count)
    flips = all(_invariant(types, weights, types * np.where(places == index, -1.0, 1.0)) for index in range(count))
    swapped = [np.where(places == index, index + 1, np.where(places == index + 1, index, places)) for index in range(count - 1)]
    return flips, all(_invariant(types, weights, types[:, order]) for order in swapped)


def _invariant(types: Floats, weights: Floats, moved: Floats) -> bool:
    moved = moved + 0.0  # no negative zeros
    first, second = np.lexsort(types.T), np.lexsort(moved.T)
    return bool(np.array_equal(types[first], moved[second]) and np.allclose(weights[first], weights[second], rtol=0, atol=1e-12))
