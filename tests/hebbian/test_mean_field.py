"""The mean field of diluted patterns: its derivatives, its states, and the table of reference values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contrastive_core.errors import InputError
from hebbian.theory.branches import branch_at, default_starts, name_state, stable_branches
from hebbian.theory.ensemble import Ensemble, diluted_ensemble, empirical_ensemble
from hebbian.theory.mean_field import MeanField

# (K, d, T, f, smallest eigenvalue of the Hessian, m); solved independently and confirmed by Monte Carlo at N = 10000.
REFERENCE = [
    (2, 0.1, 0.045, -0.40944158, 0.834, (0.90000, 0.08618)),
    (2, 0.3, 0.14, -0.27752092, 0.604, (0.69968, 0.18078)),
    (2, 0.3, 0.28, -0.30458768, 0.200, (0.68994, 0.0)),
    (2, 0.7, 0.06, -0.08759611, 0.605, (0.29371, 0.21596)),
    (2, 0.7, 0.12, -0.11027905, 0.142, (0.24839, 0.24839)),
    (3, 0.3, 0.035, -0.26975646, 0.765, (0.70000, 0.20997, 0.05880)),
    (3, 0.5, 0.10, -0.17464298, 0.319, (0.49527, 0.24396, 0.11441)),
    (3, 0.7, 0.015, -0.08246383, 0.994, (0.28649, 0.22350, 0.16051)),
    (3, 0.8, 0.08, -0.07194139, 0.277, (0.15921, 0.15921, 0.15921)),
    (4, 0.5, 0.025, -0.16711849, 0.873, (0.49990, 0.24989, 0.12489, 0.06238)),
    (4, 0.8, 0.010, -0.05011400, 0.862, (0.18965, 0.16379, 0.13821, 0.11235)),
    (5, 0.5, 0.025, -0.16717592, 0.307, (0.49968, 0.24967, 0.12463, 0.06201, 0.03041)),
]


def diluted(num_patterns: int, dilution: float, temperature: float, scale: float = 1.0) -> MeanField:
    return MeanField(diluted_ensemble(num_patterns, dilution), temperature, scale)


@pytest.mark.parametrize(("count", "dilution", "temperature", "free_energy", "eigenvalue", "overlaps"), REFERENCE)
def test_ground_state_equals_the_reference_to_its_printed_digits(
    count: int, dilution: float, temperature: float, free_energy: float, eigenvalue: float, overlaps: tuple[float, ...]
) -> None:
    """A wrong branch or equation would make every comparison with Monte Carlo meaningless."""
    ground = stable_branches(diluted(count, dilution, temperature))[0]
    assert ground.overlaps == pytest.approx(overlaps, abs=0.6e-5)  # printed to 5 digits
    assert ground.free_energy == pytest.approx(free_energy, abs=0.6e-8)
    assert ground.min_eigenvalue == pytest.approx(eigenvalue, abs=0.6e-3)


@pytest.mark.parametrize(
    ("count", "dilution", "energy", "overlaps"),
    [
        (3, 0.7, -0.07889738, (0.2865, 0.2235, 0.1605)),
        (4, 0.7, -0.08548647, (0.269625, 0.221475, 0.177375, 0.133275)),
        (5, 0.8, -0.05142002, (0.18284, 0.16076, 0.14028, 0.11948, 0.09804)),
    ],
)
def test_zero_temperature_states_equal_the_reference(count: int, dilution: float, energy: float, overlaps: tuple[float, ...]) -> None:
    """At T = 0 nearly degenerate states compete: the lowest energy and the reference's state must both be found."""
    branches = stable_branches(diluted(count, dilution, 0.0))
    assert branches[0].free_energy == pytest.approx(energy, abs=0.6e-8)
    matching = [b for b in branches if np.abs(b.overlaps - overlaps).max() < 1e-5]
    assert len(matching) == 1
    assert matching[0].free_energy == pytest.approx(energy, abs=2e-8)


def test_second_zero_temperature_state_of_four_patterns_is_found() -> None:
    """Missing a state 1e-6 above the ground state would call a sampler in it wrong."""
    branches = stable_branches(diluted(4, 0.7, 0.0))
    assert any(np.abs(b.overlaps - (0.2676, 0.2235, 0.1794, 0.13125)).max() < 1e-5 for b in branches)


def test_low_temperature_state_of_two_pairs_is_found() -> None:
    """States need be neither hierarchical nor parallel: four patterns have one of two equal pairs."""
    ground = stable_branches(diluted(4, 0.8, 0.04))[0]
    assert ground.overlaps == pytest.approx((0.1705, 0.1705, 0.1311, 0.1311), abs=1e-4)  # printed to 4 digits
    assert ground.name == "mixed"


@pytest.mark.parametrize("temperature", [0.05, 0.2])
def test_stationary_points_and_hessian_are_derivatives_of_the_free_energy(temperature: float) -> None:
    """F must be where f is stationary, and the Hessian its second derivative, or stability means nothing."""
    field = diluted(3, 0.4, temperature, scale=1.7)
    point, step = np.array([0.3, -0.2, 0.1]), 1e-5
    moved = point + step * np.concatenate([np.eye(3), -np.eye(3)])
    values = field.free_energy(moved)
    # Central differences: truncation step^2 f'''/6 ~ 1e-8 at beta = 20, rounding 1e-16/step = 1e-11.
    assert (values[:3] - values[3:]) / (2 * step) == pytest.approx(1.7 * (point - field.response(point)), abs=1e-7)
    gradient = 1.7 * (moved - field.response(moved))
    assert (gradient[:3] - gradient[3:]) / (2 * step) == pytest.approx(1.7 * field.hessian(point), abs=1e-6)


def test_conventions_differ_by_the_unit_of_temperature_only() -> None:
    """The normalised network at T/(1-d) is the raw one at T: same overlaps, f in other units."""
    raw = stable_branches(diluted(3, 0.5, 0.1))[0]
    normalised = stable_branches(diluted(3, 0.5, 0.2, scale=2.0))[0]
    assert normalised.overlaps == pytest.approx(raw.overlaps, abs=1e-10)
    assert normalised.free_energy == pytest.approx(2 * raw.free_energy, abs=1e-10)
    assert normalised.min_eigenvalue == pytest.approx(raw.min_eigenvalue, abs=1e-9)
    assert diluted(3, 0.5, 0.2, 2.0).covariance(normalised.overlaps, 100) == pytest.approx(
        diluted(3, 0.5, 0.1).covariance(raw.overlaps, 100), abs=1e-10
    )


def test_fluctuations_equal_the_reference() -> None:
    """Error bars and the soft directions of a state come from Cov(m)."""
    field = diluted(2, 0.3, 0.28)
    covariance = field.covariance(stable_branches(field)[0].overlaps, 10_000)
    assert np.sqrt(covariance[1, 1]) == pytest.approx(0.01058, abs=0.6e-5)  # printed to 5 digits; Monte Carlo .01085


def test_finite_size_shift_is_the_first_order_in_the_number_of_spins() -> None:
    """Against exact sums of the Curie-Weiss magnet above m = 0: the error of the corrected mean falls as 1/N^2."""
    from scipy.special import gammaln

    field = diluted(1, 0.0, 0.8)
    state = stable_branches(field)[0].overlaps
    errors = []
    for spins in (400, 800):
        up = np.arange(spins // 2 + 1, spins + 1)
        m = 2 * up / spins - 1
        exponent = gammaln(spins + 1) - gammaln(up + 1) - gammaln(spins - up + 1) + spins * m**2 / (2 * 0.8)
        weight = np.exp(exponent - exponent.max())
        errors.append(abs((weight @ m) / weight.sum() - (state + field.finite_size_shift(state, spins))[0]))
    assert errors[0] < 1e-3
    assert 3 < errors[0] / errors[1] < 6  # 4 to leading order


def test_above_the_critical_temperature_only_disorder_is_left() -> None:
    """T_c = 1 - d for any number of patterns."""
    assert [b.name for b in stable_branches(diluted(3, 0.4, 0.61))] == ["disordered"]
    assert stable_branches(diluted(3, 0.4, 0.59))[0].name == "pure"


def test_strict_zero_temperature_has_no_stable_symmetric_state() -> None:
    """Ties make the equal-amplitude state unstable at T = 0: the parallel regime is exact only above T_sym."""
    field = diluted(2, 0.8, 0.0)
    equal = branch_at(field, np.array([0.1, 0.1]))
    assert equal.name == "symmetric"
    assert equal.min_eigenvalue == -np.inf
    assert all(b.name != "symmetric" for b in stable_branches(field))


def test_instance_mean_field_of_stratified_weights_is_the_ensemble_s() -> None:
    """Empirical type frequencies must enter as weights do."""
    ensemble = diluted_ensemble(2, 0.5)
    columns = np.repeat(ensemble.types, (16 * ensemble.weights).astype(int), axis=0).T
    instance = MeanField(empirical_ensemble(columns), 0.1)
    assert instance.response(np.array([0.3, 0.1])) == pytest.approx(diluted(2, 0.5, 0.1).response(np.array([0.3, 0.1])), abs=1e-15)


@pytest.mark.parametrize(
    ("overlaps", "name"),
    [
        ([0.0, 0.0], "disordered"),
        ([0.0, -0.7], "pure"),
        ([0.2, -0.2, 0.0], "symmetric"),
        ([0.5, 0.25, 0.125], "hierarchical"),
        ([0.28, 0.22, 0.16], "mixed"),
    ],
)
def test_states_are_named_by_their_overlaps(overlaps: list[Any], name: str) -> None:
    """Names go into every record."""
    assert name_state(np.array(overlaps)) == name


def test_patterns_of_different_dilution_keep_their_order() -> None:
    """Sorting the overlaps of unequal patterns would give a sparse pattern a dense one's overlap."""
    field = MeanField(diluted_ensemble(2, [0.6, 0.2]), 0.02)
    ground = stable_branches(field)[0]
    assert ground.overlaps[1] > ground.overlaps[0] > 0
    assert ground.overlaps == pytest.approx(field.response(ground.overlaps), abs=1e-10)


def test_start_points_are_reproducible() -> None:
    """Two runs must find the same branches."""
    field = diluted(3, 0.3, 0.1)
    assert np.array_equal(default_starts(field), default_starts(field))


def test_bad_temperatures_and_states_are_refused() -> None:
    """A negative temperature would maximise the energy."""
    with pytest.raises(InputError, match="temperature must be at least 0"):
        diluted(2, 0.3, -0.1)
    with pytest.raises(InputError, match="scale"):
        diluted(2, 0.3, 0.1, scale=0.0)
    with pytest.raises(InputError, match="stable states only"):
        diluted(2, 0.3, 0.1).covariance(np.zeros(2), 100)
    with pytest.raises(InputError, match="spins"):
        MeanField(Ensemble(np.ones((1, 1)), np.ones(1)), 2.0).covariance(np.zeros(1), 0)
