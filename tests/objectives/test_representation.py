"""Measures of representations against closed forms: clouds whose geometry is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from systems import SimilarityCost, seeded
from torch import Tensor

from contrastive_core.data.splits import Split
from contrastive_core.errors import InputError, ShapeError
from contrastive_core.representation.collapse import collapsed_value
from contrastive_core.representation.geometry import (
    alignment,
    effective_rank,
    gap,
    hardness,
    isotropy,
    partition_isotropy,
    relative_penalties,
    spectrum,
    tolerance,
    uniformity,
)
from contrastive_core.representation.probes import linear_probe, nearest_neighbours, separability
from contrastive_core.types import Batch

ROUNDING = 1e-12


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def orthonormal(count: int) -> Tensor:
    return torch.linalg.qr(normal(count, count)).Q


def test_geometry_of_orthogonal_rows() -> None:
    """If this fails, uniformity, isotropy or tolerance are not what their papers define."""
    rows = orthonormal(6) * torch.arange(1, 7)[:, None]  # lengths do not matter
    assert uniformity(rows, 2.0) == pytest.approx(-4.0, abs=ROUNDING)  # |x - y|² = 2
    assert uniformity(rows, 0.5) == pytest.approx(-1.0, abs=ROUNDING)
    assert isotropy(rows) == pytest.approx(1.0, abs=ROUNDING)
    assert tolerance(rows, torch.tensor([0, 0, 1, 1, 2, 3])) == pytest.approx(0.0, abs=ROUNDING)


def test_geometry_of_a_collapsed_cloud() -> None:
    """If this fails, collapse passes for a good representation."""
    rows = torch.ones(5, 3, dtype=torch.float64)
    assert uniformity(rows) == pytest.approx(0.0, abs=ROUNDING)
    assert isotropy(rows) == pytest.approx(0.0, abs=ROUNDING)
    assert tolerance(rows, torch.zeros(5)) == pytest.approx(1.0, abs=ROUNDING)
    assert alignment(rows, rows) == 0.0
    assert effective_rank(rows) == 0.0


def test_tolerance_looks_at_pairs_of_one_class_only() -> None:
    """If this fails, other classes enter the tolerance."""
    rows = torch.tensor([[1.0, 0], [1, 1], [-1, 0], [-1, 0]], dtype=torch.float64)
    assert tolerance(rows, torch.tensor([0, 0, 1, 1])) == pytest.approx((math.sqrt(0.5) + 1) / 2, abs=ROUNDING)
    with pytest.raises(InputError, match="two samples with the same label"):
        tolerance(rows, torch.arange(4))


def test_alignment_is_the_mean_power_of_the_distance() -> None:
    """If this fails, alignment is measured on rows that are not of unit length, or in another power."""
    first, second = torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([[0.0, 1.0], [0.0, 5.0]])
    assert alignment(first, second) == pytest.approx(1.0)  # squares 2 and 0
    assert alignment(first, second, 1.0) == pytest.approx(math.sqrt(2) / 2)
    with pytest.raises(ShapeError, match="do not pair up"):
        alignment(first, second[:1])


def test_gap_of_antipodal_clouds_is_two_and_of_mixed_ones_small() -> None:
    """If this fails, the contrastive gap is not the distance of the centres on the sphere."""
    cloud = torch.tensor([1.0, 0.0, 0.0]) + 1e-9 * normal(40, 3)
    assert gap(cloud, -3 * cloud) == pytest.approx(2.0, abs=1e-8)
    assert gap(normal(4000, 3), normal(4000, 3, seed=1)) < 4.5 * math.sqrt(2 / 4000)  # each centre has variance 1/N in all


def test_separability_is_one_across_a_gap_and_half_without() -> None:
    """If this fails, the clouds of two views could be told apart without the measure saying so."""
    assert separability(normal(200, 4) + 10, normal(200, 4, seed=1)) == 1.0
    mixed = separability(normal(2000, 4), normal(2000, 4, seed=1))
    assert abs(mixed - 0.5) < 4.5 * 0.5 / math.sqrt(2000)
    with pytest.raises(InputError, match="same shape"):
        separability(normal(4, 2), normal(5, 2))


def test_partition_function_is_flat_for_symmetric_clouds_and_steep_for_a_shifted_one() -> None:
    """If this fails, anisotropy along one direction is missed."""
    axes = torch.cat([torch.eye(3), -torch.eye(3)]).double()
    assert partition_isotropy(axes) == pytest.approx(1.0, abs=ROUNDING)
    shifted = torch.tensor([[2.0, 0.0], [2.0, 0.0]], dtype=torch.float64)
    assert partition_isotropy(shifted) == pytest.approx(math.exp(-4.0), rel=1e-12)  # 2 e^-2 over 2 e^2


def test_relative_penalties_are_the_softmax_over_negatives() -> None:
    """If this fails, temperature is not the hardness that Wang & Liu derive."""
    features, instances = normal(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])
    penalties = relative_penalties(features, instances, 0.3)
    unit = features / features.norm(dim=1, keepdim=True)
    for row in range(6):
        others = [k for k in range(6) if instances[k] != instances[row]]
        weights = {k: math.exp(float(unit[row] @ unit[k]) / 0.3) for k in others}
        for k in range(6):
            assert float(penalties[row, k]) == pytest.approx(weights.get(k, 0.0) / sum(weights.values()), abs=ROUNDING)
    with pytest.raises(InputError, match="temperature must be positive"):
        relative_penalties(features, instances, 0.0)
    with pytest.raises(InputError, match="needs a negative"):
        relative_penalties(features[:2], torch.zeros(2), 0.3)


def test_hardness_falls_from_one_to_the_share_of_a_tenth_with_temperature() -> None:
    """If this fails, a low temperature is not seen to concentrate on the hardest negatives."""
    features, instances = normal(42, 8), torch.arange(21).repeat(2)
    assert hardness(features, instances, 1e-3) > 0.99
    assert hardness(features, instances, 1e6) == pytest.approx(4 / 40, abs=1e-5)
    assert hardness(features, instances, 0.1) > hardness(features, instances, 0.5)


def test_spectrum_is_the_standard_deviations_along_the_principal_axes() -> None:
    """If this fails, the picture of the spectrum shows something else, or forgets to centre."""
    scales = torch.tensor([3.0, 1.0, 0.5], dtype=torch.float64)
    signs = torch.tensor([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], dtype=torch.float64)
    cloud = signs * scales @ orthonormal(3) + 7.0
    assert torch.allclose(spectrum(cloud), scales, atol=ROUNDING)
    assert effective_rank(signs) == pytest.approx(3.0, abs=1e-10)
    assert effective_rank(cloud) < 3.0


def test_probes_read_what_is_there_and_nothing_else() -> None:
    """If this fails, a probe reports accuracy that the features do not have."""
    labels = torch.arange(600) % 3
    centres = 6 * torch.eye(3, dtype=torch.float64)
    there = Split(centres[labels] + normal(600, 3), labels)
    assert linear_probe(there, there) == pytest.approx(1.0, abs=0.01)
    assert nearest_neighbours(there, there, 5) == pytest.approx(1.0, abs=0.01)
    noise = Split(normal(600, 3, seed=2), labels)
    unseen = Split(normal(3000, 3, seed=3), torch.arange(3000) % 3)
    for accuracy in (linear_probe(noise, unseen), nearest_neighbours(noise, unseen, 5)):
        assert abs(accuracy - 1 / 3) < 4.5 * math.sqrt(2 / 9 / 3000)


def test_nearest_neighbours_see_directions_only() -> None:
    """If this fails, the length of an embedding, which objectives do not see, decides."""
    train = Split(torch.tensor([[100.0, 0.0], [0.0, 0.01]]), torch.tensor([0, 1]))
    test = Split(torch.tensor([[0.02, 0.01], [10.0, 90.0]]), torch.tensor([0, 1]))
    assert nearest_neighbours(train, test, 1) == 1.0


def test_probes_refuse_what_cannot_be_probed() -> None:
    """If this fails, a diverged network gets an accuracy, or one class a perfect one."""
    one = Split(normal(4, 2), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(InputError, match="two classes"):
        linear_probe(one, one)
    broken = Split(torch.full((4, 2), math.nan), torch.arange(4))
    with pytest.raises(InputError, match="finite features"):
        nearest_neighbours(broken, broken, 1)
    fine = Split(normal(4, 2), torch.arange(4))
    with pytest.raises(InputError, match="neighbours of 4"):
        nearest_neighbours(fine, fine, 5)


def test_the_collapsed_value_is_that_of_equal_rows() -> None:
    """If this fails, the sentinel of collapse stands at another value than a collapsed network has."""
    batch = Batch(torch.zeros(4, 2), torch.tensor([0, 0, 1, 1]))
    # All products of rows of n ones are n: |n 11^T - T|² / (4 B²), with T of 8 ones.
    width = 3
    expected = (8 * (width - 1) ** 2 + 8 * width**2) / (4 * 16)
    assert collapsed_value(SimilarityCost(), batch, width) == pytest.approx(expected, abs=ROUNDING)


def test_measures_need_two_samples() -> None:
    """If this fails, a mean over no pairs is reported as a number."""
    for measure in (uniformity, isotropy):
        with pytest.raises(InputError, match="at least 2"):
            measure(normal(1, 3))


def test_probe_does_not_depend_on_the_scale_of_features() -> None:
    """If this fails, networks with small activities are judged by the probe's penalty rather than by what they know."""
    labels = torch.from_numpy(np.arange(300) % 3)
    features = normal(300, 5) + torch.nn.functional.one_hot(labels, 5)
    small, large = (linear_probe(Split(c * features, labels), Split(c * features, labels)) for c in (1e-3, 1e3))
    assert small == pytest.approx(large, abs=0.01)
