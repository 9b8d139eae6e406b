"""Synthetic data sets: each is drawn from a seed by the law that it names."""

import numpy as np
import pytest
import torch

from contrastive_core.data import DATASETS
from contrastive_core.data.catalog import CATALOG
from contrastive_core.errors import InputError

SELF_CONTAINED = [name for name, entry in CATALOG.items() if entry.kind in ("bundled", "synthetic")]

SEEDED = [name for name, entry in CATALOG.items() if entry.seeded]


@pytest.mark.parametrize("name", SEEDED)
def test_what_is_drawn_follows_its_seed_and_nothing_else(name: str) -> None:
    splits = DATASETS[name](None, 5)
    torch.manual_seed(1)
    np.random.default_rng(1).random()
    assert DATASETS[name](None, 5).digest == splits.digest
    assert DATASETS[name](None, 6).digest != splits.digest
    assert "seed 5" in splits.source


@pytest.mark.parametrize("name", [name for name in SELF_CONTAINED if name not in SEEDED])
def test_what_is_not_drawn_is_the_same_for_every_seed(name: str) -> None:
    """If this fails, the catalog tells commands to refuse a seed that matters."""
    assert DATASETS[name](None, 5).digest == DATASETS[name](None, 6).digest


@pytest.mark.parametrize("name", ["two-moons", "teacher"])
def test_synthetic_splits_share_no_sample(name: str) -> None:
    """One stream reused for two splits would make the test samples training samples."""
    rows = [tuple(row) for split in DATASETS[name](None, 5)[:3] for row in split.inputs.tolist()]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("name", SEEDED)
def test_what_is_drawn_refuses_negative_seeds(name: str) -> None:
    with pytest.raises(InputError, match="seed must be a whole number of at least 0, got -1"):
        DATASETS[name](None, -1)


def test_two_moons_lie_on_their_half_circles() -> None:
    """Undo the scaling: points are the formula's half circles plus noise of standard deviation 0.1."""
    inputs, labels = DATASETS["two-moons"](None, 2).train
    points = inputs.double() * torch.tensor([4.0, 2.5]) - torch.tensor([1.5, 1.0])
    centred = torch.where(labels[:, None] == 0, points, torch.tensor([1.0, 0.5]) - points)
    radius_error = centred.norm(dim=1) - 1
    # The radius' error is the noise along it: n = 1000, so its standard deviation is known to 0.1 / sqrt(2000) = 0.0022; 4.5 of these.
    # The noise across adds 0.1^2 / 2 = 0.005 to the mean radius, which is known to 0.1 / sqrt(1000) = 0.0032.
    assert abs(radius_error.std().item() - 0.1) < 0.010
    assert abs(radius_error.mean().item() - 0.005) < 0.0145
    # Half circles, not circles: the noise puts a point 0.5 beyond the flat side once in 3.5 million.
    assert centred[:, 1].min() > -0.5
    assert labels.bincount().tolist() == [500, 500]


def test_teacher_labels_are_those_of_one_network() -> None:
    """Label the samples by the formula, one at a time; labels of another network would make the task unlearnable."""
    seed = 4
    draw = np.random.default_rng(np.random.SeedSequence(seed).spawn(4)[0])
    first = draw.normal(0, (3 / 16) ** 0.5, (16, 32))
    second = draw.normal(0, (1 / 32) ** 0.5, (32, 4))
    splits = DATASETS["teacher"](None, seed)
    for split in splits[:3]:
        for inputs, label in zip(split.inputs[:50].tolist(), split.labels[:50].tolist(), strict=True):
            hidden = [np.tanh(sum((2 * x - 1) * first[i, j] for i, x in enumerate(inputs))) for j in range(32)]
            scores = [sum(h * second[j, k] for j, h in enumerate(hidden)) for k in range(4)]
            assert scores.index(max(scores)) == label
