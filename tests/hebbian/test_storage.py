"""Storage rules against their definitions, spin by spin, and the identity between energy and loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contrastive_core.errors import InputError
from hebbian import STORAGE
from hebbian.losses import energy, energy_from_losses, pattern_losses
from hebbian.patterns import draw_examples, draw_patterns
from hebbian.storage import Memory, dreaming, hebb, pseudo_inverse, remember, storkey
from hebbian.theory.ensemble import Convention

N = 40


@pytest.fixture
def memory() -> Memory:
    patterns = draw_patterns(3, N, 0.3, seed=5)
    return remember(patterns, 0.3, draw_examples(patterns, 0.6, 4, seed=6), 0.6)


@pytest.mark.parametrize("name", STORAGE)
def test_couplings_are_symmetric_without_diagonal_in_both_conventions(name: str, memory: Any) -> None:
    """Sequential dynamics lowers an energy only with symmetric couplings, and the diagonal changes it by K/N."""
    raw = STORAGE[name](memory)
    assert raw.shape == (N, N)
    assert np.array_equal(raw, raw.T)
    assert not np.diag(raw).any()
    assert STORAGE[name](memory, Convention.NORMALIZED) == pytest.approx(raw / 0.7, rel=1e-15)


def test_hebbian_rules_equal_their_sums(memory: Any) -> None:
    """Every factor of the three Hamiltonians, one coupling at a time."""
    r, number = 0.6, 4
    factor = 1 / (r**2 * (1 + (1 - r**2) / (number * r**2)))
    found = {name: STORAGE[name](memory) for name in ("hebb", "supervised-hebb", "unsupervised-hebb")}
    for i, j in ((0, 1), (3, 17), (39, 20)):
        xi, eta = memory.patterns.astype(float), memory.examples.astype(float)
        exact = {
            "hebb": sum(xi[k, i] * xi[k, j] for k in range(3)) / N,
            "supervised-hebb": factor * sum(eta[k, :, i].sum() / number * eta[k, :, j].sum() / number for k in range(3)) / N,
            "unsupervised-hebb": factor * sum(eta[k, a, i] * eta[k, a, j] for k in range(3) for a in range(number)) / number / N,
        }
        for name, value in exact.items():
            assert found[name][i, j] == pytest.approx(value, abs=1e-15)  # some ten operations on numbers below 1


def test_perfect_examples_store_what_the_patterns_would(memory: Any) -> None:
    """At r = 1 both learning rules are Hebb's rule."""
    perfect = remember(memory.patterns, 0.3, np.repeat(memory.patterns[:, None], 2, axis=1), 1.0)
    for name in ("supervised-hebb", "unsupervised-hebb"):
        assert STORAGE[name](perfect) == pytest.approx(hebb(memory), abs=1e-15)


def test_pseudo_inverse_makes_every_pattern_an_eigenvector() -> None:
    """The projector stores more patterns than Hebb's rule can."""
    patterns = draw_patterns(20, N, 0.0, seed=1)
    couplings = pseudo_inverse(remember(patterns, 0.0))
    full = np.linalg.pinv(patterns.astype(float)) @ patterns
    assert couplings + np.diag(np.diag(full)) == pytest.approx(full, abs=1e-12)
    assert full @ patterns.T == pytest.approx(patterns.T, abs=1e-12)  # condition number of 20 of 40 random patterns is below 10


def test_dreaming_goes_from_hebb_to_the_pseudo_inverse(memory: Any) -> None:
    """The kernel interpolates between the two."""
    assert dreaming(memory, time=0.0) == pytest.approx(hebb(memory), abs=1e-15)
    assert dreaming(memory, time=1e9) == pytest.approx(pseudo_inverse(memory), abs=1e-7)  # the limit is approached as 1/t


def test_storkey_equals_its_triple_loop(memory: Any) -> None:
    """The vectorised local fields must leave out k = i and k = j."""
    couplings = np.zeros((N, N))
    for xi in memory.patterns.astype(float):
        field = np.array([[sum(couplings[i, k] * xi[k] for k in range(N) if k not in (i, j)) for j in range(N)] for i in range(N)])
        couplings = couplings + (np.outer(xi, xi) - xi[:, None] * field.T - field * xi[None, :]) / N
        np.fill_diagonal(couplings, 0)
    assert storkey(memory) == pytest.approx(couplings, abs=1e-14)


@pytest.mark.parametrize("dilution", [0.0, 0.6])
def test_energy_is_the_sum_of_products_of_losses(dilution: float) -> None:
    """The claim that retrieval minimises energy and losses together is this identity."""
    patterns = draw_patterns(4, 300, dilution, seed=2)
    states = np.random.default_rng(3).choice([-1.0, 1.0], size=(5, 300))
    losses = pattern_losses(patterns, states)
    exact = np.square(patterns[None] - states[:, None]).sum(2) / 600
    assert losses.positive == pytest.approx(exact, abs=1e-12)
    assert losses.negative == pytest.approx(np.square(patterns[None] + states[:, None]).sum(2) / 600, abs=1e-12)
    assert energy_from_losses(patterns, states) == pytest.approx(energy(patterns, states), abs=1e-12 * 300)  # energies are of order N
    couplings = hebb(remember(patterns, dilution))
    assert energy(patterns, states) == pytest.approx(-0.5 * np.einsum("si,ij,sj->s", states, couplings, states), abs=1e-10)


def test_support_loss_reaches_zero_and_the_full_loss_does_not() -> None:
    """With blanks the least loss is (1 - q)/2."""
    patterns = draw_patterns(1, 200, 0.5, seed=4)
    state = np.where(patterns == 0, 1.0, patterns)
    losses = pattern_losses(patterns, state)
    assert losses.support[0, 0] == pytest.approx(0, abs=1e-12)
    assert losses.positive[0, 0] == pytest.approx((1 - np.mean(patterns != 0)) / 2, abs=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: STORAGE["supervised-hebb"](remember([[1, -1]], 0.0)), "has none"),
        (lambda: remember([[1, -1]], 0.0, [[[1, -1, 1]]]), "does not fit"),
        (lambda: remember([[1, -1]], -0.1), "dilution"),
        (lambda: remember([[1, -1]], 0.0, None, 0.0), "quality"),
        (lambda: dreaming(remember([[1, -1]], 0.0), time=-1.0), "dreaming time"),
        (lambda: pattern_losses([[1, -1]], [[1, 0]]), "spins of -1 and 1"),
        (lambda: pattern_losses([[1, -1]], [[1, 1, 1]]), "shape"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    """One sentence that says what to change."""
    with pytest.raises(InputError, match=message):
        call()
