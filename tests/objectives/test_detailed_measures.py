"""Scores of pairs, few-shot tests, transport and kernels of augmentations against closed forms and enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from systems import seeded
from torch import Tensor

from contrastive_core.data.splits import Split
from contrastive_core.data.views.mask import Mask
from contrastive_core.data.views.noise import Noise
from contrastive_core.errors import InputError
from contrastive_core.representation.augmentation import augmentation_kernel, kernel_probe
from contrastive_core.representation.few_shot import aligned, few_shot, transport
from contrastive_core.representation.geometry import class_share
from contrastive_core.representation.scores import area_under_curve, histogram, pair_scores

ROUNDING = 1e-12


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def test_scores_and_their_area_are_those_of_every_pair() -> None:
    """If this fails, a histogram shows other pairs than it says, or the area is not the chance of the right order."""
    rows, instances = normal(8, 3), torch.arange(4).repeat(2)
    unit = rows / rows.norm(dim=1, keepdim=True)
    positives = [float(unit[i] @ unit[j]) for i, j in itertools.combinations(range(8), 2) if i % 4 == j % 4]
    negatives = [float(unit[i] @ unit[j]) for i, j in itertools.combinations(range(8), 2) if i % 4 != j % 4]
    scores = pair_scores(rows, instances)
    assert sorted(scores.positives.tolist()) == pytest.approx(sorted(positives), abs=ROUNDING)
    assert sorted(scores.negatives.tolist()) == pytest.approx(sorted(negatives), abs=ROUNDING)
    order = np.mean([(p > n) + 0.5 * (p == n) for p in positives for n in negatives])
    assert area_under_curve(scores) == pytest.approx(order, abs=ROUNDING)
    equal = pair_scores(torch.ones(4, 2), torch.arange(2).repeat(2))
    assert area_under_curve(equal) == 0.5  # a collapsed network tells nothing apart
    assert float(histogram(scores.negatives, 10).mean()) == pytest.approx(0.5, abs=ROUNDING)
    assert histogram(torch.tensor([-1.0, 0.99, 1.0]), 4).tolist() == pytest.approx([2 / 3, 0, 0, 4 / 3])
    with pytest.raises(InputError, match="positive and negative pairs"):
        pair_scores(rows, torch.arange(8))


def test_a_transport_plan_has_its_margins_and_tends_to_the_best_assignment() -> None:
    """If this fails, prototypes are aligned by another plan than the optimal one."""
    cost = normal(5, 5).square()
    plan = transport(cost, 0.1)
    assert torch.allclose(plan.sum(1), torch.full((5,), 0.2, dtype=torch.float64), atol=ROUNDING)
    assert torch.allclose(plan.sum(0), torch.full((5,), 0.2, dtype=torch.float64), atol=1e-6)  # the other margin converges geometrically
    rows, columns = linear_sum_assignment(cost.numpy())
    sharp = transport(cost, 0.005, 5000)
    assert sharp[rows, columns].tolist() == pytest.approx([0.2] * 5, abs=1e-3)
    # A plan of the form a_i exp(-c_ij / e) b_j with these margins is the only minimum (Cuturi, 2013).
    scaled = plan.log() + cost / 0.1
    assert torch.allclose(scaled - scaled[:1] - scaled[:, :1] + scaled[0, 0], torch.zeros(5, 5, dtype=torch.float64), atol=1e-9)
    with pytest.raises(InputError, match="must be positive"):
        transport(cost, 0.0)


def test_alignment_undoes_a_shift_between_support_and_queries() -> None:
    """If this fails, prototypes stay where the support was, and a shift of the data costs what it did without transport."""
    centres = 4 * torch.eye(3, dtype=torch.float64)
    queries = centres.repeat_interleave(20, 0) + 0.1 * normal(60, 3)
    shifted = centres + torch.tensor([2.5, -1.0, 0.5], dtype=torch.float64)
    moved = aligned(shifted, queries)
    assert torch.allclose(moved, queries.view(3, 20, 3).mean(1), atol=0.05)
    assert float((moved - shifted).norm(dim=1).min()) > 2.0


def test_few_shots_of_separate_classes_are_certain_and_of_noise_are_chance() -> None:
    """If this fails, the test counts wrong queries as right ones, or knows their classes."""
    labels = torch.arange(6).repeat_interleave(20)
    apart = torch.eye(6)[labels] + 0.01 * normal(120, 6).float()
    assert few_shot(Split(apart, labels), episodes=20) == (1.0, 1.0)
    found = few_shot(Split(normal(120, 6, seed=3), labels), ways=4, episodes=400)
    # 60 queries an episode; within one they depend on the same prototypes, so that an episode counts as little as one draw: 4.5 errors.
    assert found.plain == pytest.approx(0.25, abs=4.5 * math.sqrt(0.25 * 0.75 / 400))
    with pytest.raises(InputError, match="two classes of 16 samples"):
        few_shot(Split(apart[:20], labels[:20]))


def test_the_share_between_classes_is_the_analysis_of_variance() -> None:
    """If this fails, a layer seems to weigh classes more, or less, than it does."""
    rows, labels = normal(30, 4), torch.arange(3).repeat(10)
    means = torch.stack([rows[labels == k].mean(0) for k in range(3)])
    within = (rows - means[labels]).square().sum()
    assert class_share(rows, labels) == pytest.approx(1 - float(within / (rows - rows.mean(0)).square().sum()), abs=ROUNDING)
    assert class_share(means[labels], labels) == pytest.approx(1.0, abs=ROUNDING)
    assert class_share(torch.ones(30, 4), labels) == 0.0


def test_the_kernel_of_masks_on_all_binary_inputs_is_a_product() -> None:
    """On a hypercube without zeros each coordinate gives 2 - α where inputs agree and α where not; K(x, x) is (2 - α)^n.

    If this fails, complexity is not that of the paper's definition. An entry is a mean over 8 · 1000 views of products of at most 8 · 8,
    with an expectation of at most (2 - α)³: the bound is 4.5 standard errors.
    """
    corners, share = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3)), dtype=torch.float64), 0.4
    found = augmentation_kernel(corners, "mask", Mask(), share / Mask().share, 1000)
    agree = (corners[:, None] == corners[None, :]).sum(2)
    exact, bound = (2 - share) ** agree * share ** (3 - agree), 4.5 * math.sqrt(64 * (2 - share) ** 3 / 8000)
    assert float((found.kernel - exact).abs().max()) < bound
    assert found.complexity == pytest.approx((2 - share) ** 3, abs=bound)
    assert float(found.kernel.mean()) == pytest.approx(1.0, abs=ROUNDING)
    assert float(torch.linalg.eigvalsh(found.kernel).min()) > -1e-9
    assert float((found.kernel - (2 - share / 2) ** agree * (share / 2) ** (3 - agree)).abs().max()) > bound  # another share is told apart


def test_complexity_goes_from_one_to_the_number_of_samples() -> None:
    """If this fails, an augmentation that changes nothing looks as rich as one that hides everything."""
    rows = normal(12, 5)
    assert augmentation_kernel(rows, "noise", Noise(), 1e-3, 3).complexity == pytest.approx(12.0, abs=1e-9)
    assert augmentation_kernel(rows, "noise", Noise(), 1e6, 3).complexity == pytest.approx(1.0, abs=1e-3)
    hidden = augmentation_kernel(rows, "mask", Mask(), 4.0, 3)  # every input is lost
    assert torch.allclose(hidden.kernel, torch.ones(12, 12, dtype=torch.float64), atol=ROUNDING)
    for name, strength, message in (("blur", 1.0, "not known"), ("noise", 0.0, "changes nothing")):
        with pytest.raises(InputError, match=message):
            augmentation_kernel(rows, name, Noise(), strength, 3)


def test_regression_with_the_kernel_needs_views_that_samples_share() -> None:
    """If this fails, the probe of the kernel decides by something else than shared views."""
    labels = torch.arange(2).repeat(30)
    rows = 3.0 * labels[:, None] + 0.1 * normal(60, 4)
    assert kernel_probe(augmentation_kernel(rows, "noise", Noise(), 5.0, 20), labels, 40) == 1.0
    alone = augmentation_kernel(rows, "noise", Noise(), 1e-3, 2)
    assert kernel_probe(alone, labels, 40) == 0.5  # no evidence: every sample goes to the first class
