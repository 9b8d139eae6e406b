"""Learning from examples: the Gaussian theory, the exact one, and thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import erf

from contrastive_core.errors import ConvergenceError, InputError
from hebbian.theory import learning
from hebbian.theory.boundaries import critical_dilution
from hebbian.theory.branches import branch_at, stable_branches
from hebbian.theory.ensemble import diluted_ensemble
from hebbian.theory.learning import GaussianLearning, archetype_overlaps, binomial_ensemble, example_noise, learning_scale
from hebbian.theory.mean_field import MeanField
from hebbian.theory.thresholds import (
    exact_threshold_examples,
    hierarchical_threshold_examples,
    threshold_examples,
    threshold_noise,
    threshold_quality,
)


@pytest.mark.parametrize(
    ("count", "dilution", "quality", "number", "temperature", "overlaps"),
    [
        (1, 0.0, 0.3, 20, 0.2, (0.8131,)),
        (1, 0.0, 0.2, 100, 0.2, (0.9363,)),
        (2, 0.5, 0.5, 10, 0.3, (0.3337, 0.3337)),
    ],
)
def test_gaussian_theory_equals_the_reference(
    count: int, dilution: float, quality: float, number: int, temperature: float, overlaps: tuple[float, ...]
) -> None:
    """The prediction that learning experiments are compared with."""
    states = GaussianLearning(count, dilution, example_noise(quality, number), temperature).solutions()
    assert min(np.abs(s.overlaps - overlaps).max() for s in states) < 0.6e-4  # printed to 4 digits


@pytest.mark.parametrize(
    ("dilution", "quality", "number", "temperature", "printed", "converged"),
    [
        (0.2, 0.5, 10, 0.1, (0.7021, 0.2093), (0.7015, 0.2100)),
        (0.3, 0.2, 50, 0.05, (0.4442, 0.3801), (0.4128, 0.4128)),
        (0.2, 0.5, 3, 0.1, (0.3875, 0.3645), (0.3759, 0.3759)),
    ],
)
def test_soft_reference_rows_are_those_of_a_coarse_quadrature(
    monkeypatch: pytest.MonkeyPatch,
    dilution: float,
    quality: float,
    number: int,
    temperature: float,
    printed: tuple[float, ...],
    converged: tuple[float, ...],
) -> None:
    """Three printed rows are not converged in their integral over Z: ours does not move when its nodes double.

    Gauss-Hermite rules of about 60 nodes scatter by as much as the printed rows differ from the converged values, because at
    low temperature the integrand is a step.
    """
    theory = GaussianLearning(2, dilution, example_noise(quality, number), temperature)

    def nearest(target: np.ndarray) -> np.ndarray:
        return min((s.overlaps for s in theory.solutions()), key=lambda m: np.abs(m - target).max())

    ours = nearest(np.array(converged))
    assert ours == pytest.approx(converged, abs=0.6e-4)
    nodes = np.linspace(-8.5, 8.5, 6801)
    monkeypatch.setattr(learning, "_NODES", nodes)
    monkeypatch.setattr(learning, "_CHANCES", np.exp(-(nodes**2) / 2) * (nodes[1] - nodes[0]) / np.sqrt(2 * np.pi))
    assert nearest(np.array(converged)) == pytest.approx(ours, abs=1e-8)
    gauss, weights = np.polynomial.hermite_e.hermegauss(61)
    monkeypatch.setattr(learning, "_NODES", gauss)
    monkeypatch.setattr(learning, "_CHANCES", weights / np.sqrt(2 * np.pi))
    assert np.abs(nearest(np.array(printed)) - printed).max() < 0.006


def test_stein_s_lemma_gives_the_definition_of_the_example_overlaps() -> None:
    """n is the overlap with the noisy means themselves; one pattern, by direct integration over its noise."""
    noise, temperature = 0.4, 0.3
    state = GaussianLearning(1, 0.0, noise, temperature).solve(np.ones(1))
    z = np.linspace(-8.5, 8.5, 3401)
    chance = np.exp(-(z**2) / 2) * (z[1] - z[0]) / np.sqrt(2 * np.pi)
    n = state.example_overlaps[0]
    mean = (1 + np.sqrt(noise) * z) * np.tanh(n * (1 + np.sqrt(noise) * z) / temperature)
    assert n == pytest.approx(chance @ mean / (1 + noise), abs=1e-9)


def test_zero_temperature_of_one_pattern_is_the_error_function() -> None:
    """The closed form behind every threshold."""
    for noise in (0.3, 1.0, 3.0):
        state = GaussianLearning(1, 0.0, noise, 0.0).solve(np.ones(1))
        assert state.overlaps[0] == pytest.approx(float(erf(1 / np.sqrt(2 * noise))), abs=1e-10)


@pytest.mark.parametrize(("noise", "first"), [(0.05, 0.990), (0.1, 0.942), (0.3, 0.540)])
def test_example_noise_turns_hierarchical_retrieval_parallel(noise: float, first: float) -> None:
    """Noise acts like temperature: at rho = .3 all three overlaps are equal."""
    state = GaussianLearning(3, 0.4, noise, 0.0).solve(0.6 * 0.4 ** np.arange(3.0))
    assert state.overlaps[0] / 0.6 == pytest.approx(first, abs=0.6e-3)
    assert (np.ptp(state.overlaps) < 1e-6) == (noise == 0.3)
    if noise == 0.3:
        assert state.overlaps[0] == pytest.approx(0.3242, abs=0.6e-4)


def test_no_noise_is_the_network_of_the_archetypes() -> None:
    """With perfect examples nothing distinguishes learning from storing."""
    learnt = GaussianLearning(2, 0.3, 0.0, 0.2).solve(np.array([0.6, 0.2]))
    stored = branch_at(MeanField(diluted_ensemble(2, 0.3), 0.2, 1 / 0.7), np.array([0.6, 0.2]))
    assert learnt.overlaps == pytest.approx(stored.overlaps, abs=1e-9)


def test_binomial_theory_tends_to_the_gaussian_one() -> None:
    """The Gaussian form is the limit of many examples at fixed rho; the error is of order 1/M."""
    errors = []
    for quality, number in ((0.5, 12), (0.25, 60)):  # rho = 0.25 in both
        ensemble, archetypes = binomial_ensemble(1, 0.0, quality, number)
        assert ensemble.weights.sum() == pytest.approx(1, abs=1e-12)
        field = MeanField(ensemble, 0.2, learning_scale(0.0, quality, number))
        exact = archetype_overlaps(field, archetypes, stable_branches(field)[0].overlaps)
        gaussian = GaussianLearning(1, 0.0, example_noise(quality, number), 0.2).solve(np.ones(1)).overlaps
        errors.append(abs(exact[0] - gaussian[0]))
    assert errors[1] < 0.5 * errors[0] < 0.01


def test_thresholds_are_inverse_to_each_other_and_equal_the_reference() -> None:
    """M > (1 - r^2)/r^2 at the customary margin."""
    assert threshold_noise() == pytest.approx(1, abs=1e-15)
    assert threshold_examples(0.3) == pytest.approx((1 - 0.09) / 0.09, abs=1e-12)
    assert threshold_examples(threshold_quality(7)) == pytest.approx(7, abs=1e-9)
    noise = (1 - 0.3**2) / 0.3**2 / hierarchical_threshold_examples(3, 0.4, 0.3)
    assert noise == pytest.approx(0.163, abs=0.5e-3)
    assert hierarchical_threshold_examples(3, critical_dilution(3), 0.3) == np.inf
    assert hierarchical_threshold_examples(1, 0.0, 0.3) == pytest.approx(threshold_examples(0.3), abs=1e-12)


@pytest.mark.parametrize(("count", "dilution"), [(1, 0.3), (2, 0.2), (3, 0.4), (5, 0.3)])
def test_threshold_of_a_hierarchy_is_where_its_smallest_signal_equals_the_noise(count: int, dilution: float) -> None:
    """From the definition, term by term: m_1 - m_2 - ... = Theta sqrt(2 rho (m_1^2 + m_2^2 + ...)) with m_mu = (1 - d) d^(mu - 1)."""
    quality, margin = 0.4, 0.9
    overlaps = [(1 - dilution) * dilution**index for index in range(count)]
    noise = example_noise(quality, 1) / hierarchical_threshold_examples(count, dilution, quality, margin)
    signal = overlaps[0] - sum(overlaps[1:])
    assert signal == pytest.approx(margin * np.sqrt(2 * noise * sum(m * m for m in overlaps)), rel=1e-12)


def test_exact_threshold_is_that_of_a_majority_of_examples() -> None:
    """By enumeration: the smallest odd number whose majority is right often enough."""
    from scipy.stats import binom

    number = exact_threshold_examples(0.3)
    assert number % 2 == 1
    for tried, enough in ((number, True), (number - 2, False)):
        right = sum(binom.pmf(k, tried, 0.65) for k in range(tried // 2 + 1, tried + 1))
        assert (2 * right - 1 >= erf(1 / np.sqrt(2))) == enough


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: example_noise(0.0, 3), "quality"),
        (lambda: example_noise(0.5, 0), "examples must be at least 1"),
        (lambda: GaussianLearning(2, 1.0, 0.1, 0.1), "dilution"),
        (lambda: GaussianLearning(2, 0.5, -0.1, 0.1), "at least 0"),
        (lambda: binomial_ensemble(3, 0.5, 0.5, 100), "too many"),
        (lambda: threshold_noise(0.0), "margin"),
        (lambda: hierarchical_threshold_examples(3, 1.0, 0.3), "dilution"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    """One sentence that says what to change."""
    with pytest.raises(InputError, match=message):
        call()


def test_unreachable_thresholds_are_reported() -> None:
    """A number that does not suffice must not be returned."""
    with pytest.raises(ConvergenceError, match="do not reach"):
        exact_threshold_examples(0.001, largest=11)
    with pytest.raises(ConvergenceError, match="did not settle"):
        GaussianLearning(2, 0.3, 0.1, 0.2).solve(np.ones(2), budget=2)
