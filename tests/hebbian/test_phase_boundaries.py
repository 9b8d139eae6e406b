"""Boundaries of the phase diagram, flows of the overlaps, and the capacity, against the reference tables."""

from __future__ import annotations

import numpy as np
import pytest

from contrastive_core.errors import InputError
from hebbian.theory.boundaries import (
    critical_dilution,
    ground_dilution,
    hierarchical_overlaps,
    majority_overlap,
    pure_temperature,
    symmetric_boundaries,
    symmetric_temperature,
)
from hebbian.theory.branches import stable_branches
from hebbian.theory.capacity import capacity, retrieval_overlap
from hebbian.theory.ensemble import diluted_ensemble
from hebbian.theory.flows import FLOWS, fixed_order, random_site
from hebbian.theory.mean_field import MeanField

SYMMETRIC = {
    0.68: (0.34049, 0.37672, 0.38911, 0.38961),
    0.70: (0.31255, 0.34993, 0.36432, 0.36680),
    0.75: (0.25300, 0.29391, 0.31453, 0.32363),
    0.80: (0.20040, 0.24324, 0.26895, 0.28423),
    0.90: (0.10000, 0.13500, 0.16257, 0.18429),
    0.95: (0.05000, 0.07125, 0.09031, 0.10739),
}


@pytest.mark.parametrize(
    ("dilution", "ratio"), [(0.1, 0.10000), (0.2, 0.20015), (0.3, 0.30395), (0.4, 0.42272), (0.5, 0.57442), (0.6, 0.79008)]
)
def test_pure_state_boundary_equals_the_table(dilution: float, ratio: float) -> None:
    """Below it a network retrieves several patterns at once."""
    assert pure_temperature(dilution) / (1 - dilution) == pytest.approx(ratio, abs=0.6e-5)


@pytest.mark.parametrize("dilution", SYMMETRIC)
def test_symmetric_state_boundary_equals_the_table(dilution: float) -> None:
    """Above it retrieval is parallel."""
    ratios = [symmetric_temperature(count, dilution) / (1 - dilution) for count in (2, 3, 4, 5)]
    assert ratios == pytest.approx(SYMMETRIC[dilution], abs=0.6e-5)


def test_symmetric_state_is_re_entrant_below_two_thirds() -> None:
    """At d = .66 it is unstable just below T_c, stable in a window and unstable again."""
    ratios = [t / (1 - 0.66) for t in symmetric_boundaries(2, 0.66)]
    assert ratios == pytest.approx([0.9746, 0.3728], abs=0.6e-4)


@pytest.mark.parametrize(("count", "dilution"), [(2, 0.3), (2, 0.75), (3, 0.5), (3, 0.8)])
def test_boundaries_are_where_the_hessian_changes_sign(count: int, dilution: float) -> None:
    """The closed forms must agree with the eigenvalues of the general mean field on both sides."""
    name, boundary = ("pure", pure_temperature(dilution)) if dilution < 2 / 3 else ("symmetric", symmetric_temperature(count, dilution))
    names = [{b.name for b in stable_branches(MeanField(diluted_ensemble(count, dilution), t))} for t in (0.99 * boundary, 1.01 * boundary)]
    assert name not in names[0]
    assert name in names[1]


def test_critical_dilutions_are_inverse_bonacci_constants() -> None:
    """The hierarchical state exists up to d_c."""
    found = [critical_dilution(count) for count in (2, 3, 4, 5, 6)]
    assert found == pytest.approx([1, 0.618034, 0.543689, 0.518790, 0.508660], abs=0.6e-6)
    assert found[1] == pytest.approx((np.sqrt(5) - 1) / 2, abs=1e-14)


@pytest.mark.parametrize(("count", "dilution"), [(3, 0.546918), (4, 0.518680), (5, 0.507202)])
def test_hierarchical_state_is_the_ground_state_up_to_the_table_s_dilution(count: int, dilution: float) -> None:
    """Between d_1 and d_c it is metastable."""
    assert ground_dilution(count) == pytest.approx(dilution, abs=0.6e-6)


def test_crossing_of_three_patterns_equals_its_closed_form() -> None:
    """Beyond d_1 the ground state is q(d^2+2dq+q^2/2, d^2+dq+q^2/2, d^2+q^2/2), q = 1-d."""
    d = ground_dilution(3)
    q = 1 - d
    other = q * np.array([d * d + 2 * d * q + q * q / 2, d * d + d * q + q * q / 2, d * d + q * q / 2])
    assert np.square(other).sum() == pytest.approx(np.square(hierarchical_overlaps(3, d)).sum(), abs=1e-12)


def test_majority_overlap_equals_the_reference() -> None:
    """The overlap of the sign of the sum of all patterns, sign(0) = 0."""
    assert majority_overlap(11, 0.3) == pytest.approx(0.2003, abs=0.6e-4)
    assert majority_overlap(3, 0.7) == pytest.approx(0.2235, abs=0.6e-4)


def test_dilutions_without_a_boundary_say_so() -> None:
    """A number where there is no boundary would be drawn into a figure."""
    assert pure_temperature(0.0) == 0.0
    assert pure_temperature(0.7) is None
    assert symmetric_temperature(3, 0.2) is None
    with pytest.raises(InputError, match=r"\[0, 1\)"):
        pure_temperature(1.0)
    with pytest.raises(InputError, match="at least 2"):
        symmetric_temperature(1, 0.5)
    with pytest.raises(InputError, match="at least 2"):
        critical_dilution(1)


def test_capacity_is_that_of_the_replica_symmetric_theory() -> None:
    """The undiluted network's capacity, 0.138, with an overlap of 0.967."""
    found = capacity()
    assert found.load == pytest.approx(0.138, abs=0.5e-3)
    assert found.overlap == pytest.approx(0.967, abs=0.5e-3)
    assert retrieval_overlap(found.load * 1.001) == 0
    assert found.overlap < retrieval_overlap(0.137) < retrieval_overlap(0.05) < 1
    with pytest.raises(InputError, match="load"):
        retrieval_overlap(0.0)


def test_overlap_at_low_load_solves_the_three_equations() -> None:
    """The reduced equation must be equivalent to those for m, C and r."""
    load = 0.1
    m = retrieval_overlap(load)
    r = 1.0
    for _ in range(200):
        chi = np.sqrt(2 / (np.pi * load * r)) * np.exp(-m * m / (2 * load * r))
        r = 1 / (1 - chi) ** 2
    from scipy.special import erf

    assert m == pytest.approx(float(erf(m / np.sqrt(2 * load * r))), abs=1e-10)


@pytest.mark.parametrize("scheme", FLOWS)
def test_flows_start_where_told_and_end_in_a_stable_state(scheme: str) -> None:
    """Every scheme has the same fixed points."""
    field = MeanField(diluted_ensemble(2, 0.3), 0.14)
    track = FLOWS[scheme](field, np.array([0.5, 0.05]), 60)
    assert track.shape == (61, 2)
    assert track[0] == pytest.approx([0.5, 0.05], abs=0)
    assert track[-1] == pytest.approx(stable_branches(field)[0].overlaps, abs=1e-5)


def test_random_site_flow_of_one_undiluted_pattern_at_zero_temperature_is_exponential() -> None:
    """dm/dt = 1 - m has a closed solution."""
    track = random_site(MeanField(diluted_ensemble(1, 0.0), 0.0), np.array([0.2]), 4)
    assert track[:, 0] == pytest.approx(1 - 0.8 * np.exp(-np.arange(5)), abs=1e-6)  # the integrator's tolerance


def test_fixed_order_flow_is_second_order_in_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The delay equation's integrator must converge, or the comparison with Monte Carlo has a floor."""
    field = MeanField(diluted_ensemble(3, 0.3), 0.2)
    ends = []
    for steps in (50, 100, 200):
        monkeypatch.setattr("hebbian.theory.flows._STEPS", steps)
        ends.append(fixed_order(field, np.array([0.3, 0.1, 0.05]), 3)[-1])
    ratio = np.abs(ends[0] - ends[1]).max() / np.abs(ends[1] - ends[2]).max()
    assert 3.5 < ratio < 4.5  # 4 for second order


def test_malformed_starts_are_refused() -> None:
    """A start of the wrong length would be broadcast into nonsense."""
    field = MeanField(diluted_ensemble(2, 0.3), 0.14)
    with pytest.raises(InputError, match="2 overlaps"):
        random_site(field, np.array([0.1]), 3)
    with pytest.raises(InputError, match="sweeps"):
        random_site(field, np.array([0.1, 0.2]), -1)
    assert random_site(field, np.array([0.1, 0.2]), 0).shape == (1, 2)
