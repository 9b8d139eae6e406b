"""Matching of the units of two networks: planted permutations, rotations and mixtures, found again."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from systems import seeded
from torch import Tensor

from contrastive_core.errors import InputError, ShapeError
from contrastive_core.representation.matching import balance, clusters, correlations, linear_cka, one_to_one, semi_matching, sparse_matching

ROUNDING = 1e-12


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def test_correlations_are_those_of_numpy() -> None:
    """If this fails, units are compared by something else than their correlation."""
    first, second = 3 * normal(50, 4) + 2, normal(50, 3, seed=1)
    whole = np.corrcoef(first.T.numpy(), second.T.numpy())
    assert torch.allclose(correlations(first, second), torch.from_numpy(whole[:4, 4:]), atol=ROUNDING)


def test_a_unit_that_never_changes_correlates_with_none() -> None:
    """If this fails, dead units give NaN, which a matching would not survive."""
    first = torch.cat([normal(30, 2), torch.full((30, 1), 0.1, dtype=torch.float64)], 1)
    found = correlations(first, first)
    assert torch.equal(found[2], torch.zeros(3, dtype=torch.float64))
    assert float(found[0, 0]) == pytest.approx(1.0)
    assert int(sparse_matching(first[:, :2], first).used[2]) == 0


def test_one_to_one_matching_finds_a_planted_permutation_with_signs() -> None:
    """If this fails, networks that are permutations of each other would be said to have learned different features."""
    features, order = normal(200, 7), torch.randperm(7, generator=seeded(1))
    signs = torch.tensor([1.0, -1, 1, 1, -1, -1, 1], dtype=torch.float64)
    twin = (features * signs)[:, order] * 5 - 1
    found = one_to_one(correlations(features, twin))
    assert torch.equal(order[found.second], found.first)
    assert torch.allclose(found.correlation, signs[found.first], atol=ROUNDING)


def test_one_to_one_matching_is_the_best_of_all_permutations() -> None:
    """If this fails, the matching is greedy, and lower than what the networks share."""
    from itertools import permutations

    correlation = torch.tensor([[0.9, 0.8, 0.0], [0.85, 0.1, -0.3], [0.2, 0.4, 0.5]], dtype=torch.float64)
    best = max(sum(abs(float(correlation[i, p[i]])) for i in range(3)) for p in permutations(range(3)))
    found = one_to_one(correlation)
    assert float(found.correlation.abs().sum()) == pytest.approx(best)
    assert float(found.correlation.abs().sum()) > 0.9 + 0.4 + 0.3 + 0.01  # what taking the largest first would give, 0.9, 0.5, 0.1
    assert len(set(found.second.tolist())) == 3


def test_semi_matching_may_share_units_and_is_never_below_one_to_one() -> None:
    """If this fails, two units that split one feature would not both be matched to it."""
    source = normal(300, 1)
    first = torch.cat([source, -source, normal(300, 1, seed=1)], 1)
    second = torch.cat([source, normal(300, 2, seed=2)], 1)
    correlation = correlations(first, second)
    shared, single = semi_matching(correlation), one_to_one(correlation)
    assert shared.second[:2].tolist() == [0, 0]
    assert torch.allclose(shared.correlation[:2], torch.tensor([1.0, -1.0], dtype=torch.float64))
    assert bool((shared.correlation.abs()[single.first] >= single.correlation.abs() - ROUNDING).all())


def test_sparse_matching_finds_the_units_that_a_mixture_is_made_of() -> None:
    """If this fails, one-to-many correspondence is not seen, or found where there is none."""
    features = normal(4000, 12)
    mixture = features[:, [2, 5]] @ torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    found = sparse_matching(features, torch.cat([mixture, normal(4000, 1, seed=1)], 1), 0.1)
    assert found.used.tolist() == [2, 0]
    # The lasso shrinks both standardised weights 1/√2 by the penalty: 1 - R² = 2 · 0.1², up to the samples' correlations (1/√N).
    assert float(found.explained[0]) == pytest.approx(1 - 2 * 0.1**2, abs=0.01)
    assert float(found.explained[1]) == 0.0
    assert bool((sparse_matching(features, mixture, 1.01).used == 0).all())


def test_clusters_put_both_networks_versions_of_a_feature_together() -> None:
    """If this fails, many-to-many correspondence of groups of units is not seen."""
    groups = normal(500, 3)
    first = groups.repeat_interleave(4, 1) + 0.3 * normal(500, 12, seed=1)
    second = groups.repeat_interleave(2, 1) + 0.3 * normal(500, 6, seed=2)
    labels = clusters(first, second, 3)
    assert len(set(labels.tolist())) == 3
    for group in range(3):
        members = {*labels[4 * group : 4 * group + 4].tolist(), *labels[12 + 2 * group : 14 + 2 * group].tolist()}
        assert len(members) == 1
    assert balance(labels, 12) == pytest.approx(1.0)


def test_balance_is_zero_where_each_cluster_is_one_network() -> None:
    """If this fails, two networks without anything in common look mixed."""
    assert balance(np.array([0, 0, 0, 1, 1, 1]), 3) == pytest.approx(0.0)
    assert balance(np.array([0, 1, 0, 1]), 2) == pytest.approx(1.0)
    half = balance(np.array([0, 0, 1, 2, 1, 2]), 2)  # network 1: {0, 0}; network 2: {1, 2, 1, 2}
    assert half == pytest.approx(0.0)


def test_cka_sees_through_rotations_that_matching_does_not() -> None:
    """If this fails, a rotated copy passes for a different representation."""
    features = normal(400, 6)
    rotation = torch.linalg.qr(normal(6, 6, seed=1)).Q
    assert linear_cka(features, 3 * features @ rotation + 2) == pytest.approx(1.0, abs=ROUNDING)
    assert float(one_to_one(correlations(features, features @ rotation)).correlation.abs().mean()) < 0.9
    assert linear_cka(features, normal(400, 6, seed=2)) < 0.1
    assert linear_cka(features, torch.ones(400, 2, dtype=torch.float64)) == 0.0


def test_chance_correlation_of_unrelated_units_shrinks_with_samples() -> None:
    """If this fails, matched correlations of unrelated networks are mistaken for shared features."""
    for samples in (100, 1600):
        found = correlations(normal(samples, 20), normal(samples, 20, seed=1))
        assert float(found.square().mean()) == pytest.approx(1 / (samples - 1), rel=4.5 * math.sqrt(2 / 400))


def test_wrong_input_is_refused_with_a_sentence() -> None:
    """If this fails, networks shown different samples are compared unit by unit."""
    with pytest.raises(ShapeError, match="same samples"):
        correlations(normal(4, 2), normal(5, 2))
    with pytest.raises(InputError, match="not finite"):
        correlations(torch.full((4, 2), math.nan), normal(4, 2))
    with pytest.raises(InputError, match="penalty"):
        sparse_matching(normal(4, 2), normal(4, 2), 0.0)
    with pytest.raises(InputError, match="clusters of 4 units"):
        clusters(normal(9, 2), normal(9, 2), 5)
    with pytest.raises(ShapeError, match="same samples"):
        linear_cka(normal(4, 2), normal(5, 2))
