"""Motion of the overlaps of an infinite network in time, for each way of updating its spins."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

from contrastive_core.errors import ConvergenceError, InputError
from hebbian.arrays import Floats
from hebbian.theory.mean_field import MeanField

_STEPS = 400
"""Steps of Heun's method per sweep of the fixed-order law; the error per sweep is of order 1/400^2, below 1e-5."""


def parallel(mean_field: MeanField, start: Floats, num_sweeps: int) -> Floats:
    """Return m after each sweep of Little's update, m(t+1) = F(m(t)); shape (num_sweeps + 1, P).

    Parameters
    ----------
    mean_field : MeanField
        Ensemble, temperature and scale.
    start : ndarray of shape (P,)
        m(0).
    num_sweeps : int
        At least 0.
    """
    track = [_checked(mean_field, start, num_sweeps)]
    for _ in range(num_sweeps):
        track.append(mean_field.response(track[-1]))
    return np.array(track)


def random_site(mean_field: MeanField, start: Floats, num_sweeps: int) -> Floats:
    """Return m after each sweep of N updates of random spins, dm/dt = F(m) - m; shape (num_sweeps + 1, P).

    Arguments are those of :func:`parallel`.

    Raises
    ------
    ConvergenceError
        If the integration fails.
    """
    first = _checked(mean_field, start, num_sweeps)
    times = np.arange(num_sweeps + 1, dtype=np.float64)
    if num_sweeps == 0:
        return first[None]
    solution = solve_ivp(
        lambda _, m: mean_field.response(m) - m, (0.0, times[-1]), first, t_eval=times, rtol=1e-7, atol=1e-9, method="RK45"
    )
    if not solution.success:
        raise ConvergenceError(f"the flow of the overlaps could not be integrated: {solution.message}")
    return np.asarray(solution.y.T, dtype=np.float64)


def fixed_order(mean_field: MeanField, start: Floats, num_sweeps: int) -> Floats:
    """Return m after each sweep in a fixed order of the spins; shape (num_sweeps + 1, P).

    A spin visited at time t was set at t - 1, so dm/dt = F(m(t)) - F(m(t-1)), and F(m) - m(0) in the first sweep. The order must
    have nothing to do with the patterns. Arguments are those of :func:`parallel`.
    """
    overlaps = _checked(mean_field, start, num_sweeps)
    left = np.broadcast_to(overlaps, (_STEPS + 1, len(overlaps)))  # old parts of the overlaps, replaced in the steps of a sweep
    track = [overlaps]
    for _ in range(num_sweeps):
        enters = [mean_field.response(overlaps)]
        for index in range(_STEPS):
            slope = enters[-1] - left[index]
            ahead = mean_field.response(overlaps + slope / _STEPS) - left[index + 1]
            overlaps = overlaps + (slope + ahead) / (2 * _STEPS)
            enters.append(mean_field.response(overlaps))
        left = np.array(enters)
        track.append(overlaps)
    return np.array(track)


FLOWS: dict[str, Callable[[MeanField, Floats, int], Floats]] = {
    "parallel": parallel,
    "random-site": random_site,
    "fixed-order": fixed_order,
}
"""Law of motion by update scheme."""


def _checked(mean_field: MeanField, start: Floats, num_sweeps: int) -> Floats:
    overlaps = np.asarray(start, dtype=np.float64)
    if overlaps.shape != (mean_field.num_features,):
        raise InputError(f"start must hold {mean_field.num_features} overlaps, got shape {overlaps.shape}")
    if num_sweeps < 0:
        raise InputError(f"the number of sweeps must be at least 0, got {num_sweeps}")
    return overlaps
