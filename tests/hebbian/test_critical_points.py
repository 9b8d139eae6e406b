"""Theory at and near its critical points, where states are marginal and plain iteration creeps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from hebbian.theory.boundaries import pure_temperature, symmetric_temperature
from hebbian.theory.branches import MARGINAL, stable_branches
from hebbian.theory.ensemble import Ensemble, diluted_ensemble
from hebbian.theory.learning import GaussianLearning
from hebbian.theory.mean_field import MeanField


@pytest.mark.parametrize(("count", "dilution"), [(1, 0.0), (2, 0.5), (3, 0.3), (3, 2 / 3), (4, 0.9)])
def test_at_the_critical_temperature_the_only_state_is_zero_and_marginal(count: int, dilution: float) -> None:
    """The free energy is convex from T_c on, with Hessian I - (1-d)/T at 0: exactly 0 at T_c = 1 - d, positive above."""
    (at,) = stable_branches(MeanField(diluted_ensemble(count, dilution), 1 - dilution))
    assert at.marginal
    assert abs(at.min_eigenvalue) < 1e-13
    assert not at.overlaps.any()
    (above,) = stable_branches(MeanField(diluted_ensemble(count, dilution), 1.25 * (1 - dilution)))
    assert not above.marginal
    assert above.min_eigenvalue == pytest.approx(0.2)
    below = stable_branches(MeanField(diluted_ensemble(count, dilution), 0.8 * (1 - dilution)))[0]
    assert below.overlaps[0] > 0.3 * (1 - dilution)
    assert below.free_energy < -0.8 * (1 - dilution) * np.log(2) - 1e-5


@pytest.mark.parametrize("dilution", [0.3, 0.5])
def test_where_the_pure_state_loses_stability_it_is_one_marginal_state(dilution: float) -> None:
    """At T_pure the pure state is found, once, with a zero eigenvalue: starts that creep toward it are no states of their own."""
    temperature = pure_temperature(dilution)
    (state,) = stable_branches(MeanField(diluted_ensemble(2, dilution), temperature))
    assert state.marginal
    mean = state.overlaps[0]
    assert mean == pytest.approx((1 - dilution) * np.tanh(mean / temperature), abs=1e-6)
    assert state.overlaps[1] < 1e-3


def test_where_the_symmetric_state_loses_stability_it_is_marginal() -> None:
    """K = 3, d = .8: the equal overlaps solve m = E[xi tanh] and the Hessian is singular."""
    field = MeanField(diluted_ensemble(3, 0.8), symmetric_temperature(3, 0.8))
    state = stable_branches(field)[0]
    assert state.marginal
    assert np.ptp(state.overlaps) < 1e-3
    assert np.abs(state.overlaps - field.response(state.overlaps)).max() < 1e-9


def test_nearly_isotropic_free_energies_are_solved() -> None:
    """At d = 2/3 the fourth moments are those of a Gaussian and only the sixth order chooses a state: iteration alone never settles."""
    field = MeanField(diluted_ensemble(3, 2 / 3), 0.99 / 3)
    state = stable_branches(field)[0]
    assert state.min_eigenvalue > MARGINAL
    assert np.abs(state.overlaps - field.response(state.overlaps)).max() < 1e-10
    hessian_free = min(float(field.free_energy(m)) for m in np.random.default_rng(0).uniform(-0.06, 0.06, size=(4000, 3)))
    assert state.free_energy <= hessian_free


def test_states_of_correlated_patterns_keep_their_order_and_signs() -> None:
    """Two anticorrelated patterns, the second more: m keeps its order and the sign between them; only the common sign is free."""
    types = np.array([(1, -1, 1), (1, -1, -1), (1, 1, 1), (-1, 1, -1), (-1, 1, 1), (-1, -1, -1)], dtype=float)
    field = MeanField(Ensemble(types, np.array([3, 2, 1, 3, 2, 1]) / 12), 0.3)
    for state in stable_branches(field):
        assert np.abs(state.overlaps - field.response(state.overlaps)).max() < 1e-10
    assert stable_branches(field)[0].overlaps[0] * stable_branches(field)[0].overlaps[1] < 0


def test_signal_to_noise_of_one_pattern_is_the_error_function() -> None:
    """K = 1, d = 0: erf(1 / sqrt(2 rho)), whatever the temperature of the full theory."""
    for noise in (0.1, 1.0, 3.0):
        theory = GaussianLearning(1, 0.0, noise, 0.3)
        assert theory.signal_to_noise(np.array([0.8])) == pytest.approx([erf(1 / np.sqrt(2 * noise))], abs=1e-14)
