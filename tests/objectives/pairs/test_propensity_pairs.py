"""Pairs by inverse propensity: their weights, draws, importance weights and positives."""

from __future__ import annotations

import math

import pytest
import torch
from systems import seeded
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.errors import InputError
from contrastive_core.mixing.mixing import mixed
from contrastive_core.objectives.instances.nt_xent import DCL
from contrastive_core.sampling.propensity_pairs import PropensityPairs
from contrastive_core.types import Batch

SAMPLES, SHARPNESS = 5, 3.0
ROWS = torch.arange(2 * SAMPLES)


def a_batch(views: int = 2) -> tuple[Tensor, Batch]:
    count = views * SAMPLES
    inputs, output, teacher = (torch.randn((count, width), generator=seeded(width), dtype=torch.float64) for width in (7, 4, 3))
    extras = {"teacher": teacher, "draws": torch.tensor(0)}
    instances, numbers = torch.arange(SAMPLES).repeat(views), torch.arange(views).repeat_interleave(SAMPLES)
    return output, Batch(inputs, torch.zeros(count, dtype=torch.int64), instances, numbers, extras)


def preference(batch: Batch, a: int, k: int) -> float:
    """Log of the inverse propensity of a negative pair, from its two cosines."""
    cosines = [float(normalize(values[a], dim=0) @ normalize(values[k], dim=0)) for values in (batch.inputs, batch.extras["teacher"])]  # type: ignore[index]
    return SHARPNESS * (cosines[0] - cosines[1])


def test_all_negatives_count_by_their_inverse_propensity() -> None:
    """If this fails, negatives that look alike and mean something else do not count more, or weights do not reach the loss."""
    output, batch = a_batch()
    objective = mixed(DCL(temperature=0.4), PropensityPairs(SHARPNESS, draws=0), "propensity-pairs")
    z, total = normalize(output), 0.0
    for a in range(len(z)):
        others = [k for k in range(len(z)) if k % SAMPLES != a % SAMPLES]
        inverse = [math.exp(preference(batch, a, k)) for k in others]
        weights = [len(others) * one / sum(inverse) for one in inverse]
        total += math.log(sum(w * math.exp(float(z[a] @ z[k]) / 0.4) for w, k in zip(weights, others, strict=True)))
        total -= float(z[a] @ z[(a + SAMPLES) % len(z)]) / 0.4
    assert float(objective.value(output, batch)) == pytest.approx(total / len(z), rel=1e-12)
    assert float(DCL(temperature=0.4).value(output, batch)) != pytest.approx(total / len(z), rel=1e-3)


@pytest.mark.parametrize("unbiased", [False, True])
def test_drawn_negatives_have_the_weights_of_all_as_their_mean(unbiased: bool) -> None:
    """If this fails, drawing is biased: with importance weights the mean weight is 1, without them that of the inverse propensity."""
    _, batch = a_batch()
    every = PropensityPairs(SHARPNESS, draws=0).weights(batch, ROWS, seeded(0))
    drawn, generator = PropensityPairs(SHARPNESS, draws=4, unbiased=unbiased), seeded(1)
    found = torch.stack([drawn.weights(batch, ROWS, generator) for _ in range(4000)])
    others = ROWS[:, None] % SAMPLES != ROWS[None, :] % SAMPLES
    scores = (found.mean(0) - (torch.ones_like(every) if unbiased else every))[others] / (found.std(0)[others] / 4000**0.5)
    assert float(scores.abs().max()) < 5  # of 80 standard normal scores
    control = (found.mean(0) - (every if unbiased else torch.ones_like(every)))[others] / (found.std(0)[others] / 4000**0.5)
    assert float(control.abs().max()) > 20
    assert bool((found[:, ~others] == 1).all())


def test_positives_look_different_and_mean_the_same() -> None:
    """If this fails, the positive is any view, or the one that is alike by surface alone."""
    _, batch = a_batch(views=4)
    mixing, generator = PropensityPairs(SHARPNESS), seeded(3)
    drawn = torch.stack([mixing._chosen(batch, generator)[SAMPLES:] for _ in range(3000)]) // SAMPLES
    for sample in range(SAMPLES):
        logits = torch.tensor([-preference(batch, sample, view * SAMPLES + sample) for view in (1, 2, 3)])
        shares = torch.bincount(drawn[:, sample], minlength=4)[1:] / 3000
        expected = logits.softmax(0)
        assert bool(((shares - expected).abs() < 4.5 * (expected * (1 - expected) / 3000).sqrt()).all())
    assert bool((mixing._chosen(batch, seeded(0))[:SAMPLES] == torch.arange(SAMPLES)).all())


def test_settings_without_meaning_are_refused() -> None:
    """If this fails, weights underflow, or a setting is swallowed."""
    with pytest.raises(InputError, match="at most 150"):
        PropensityPairs(200.0)
    with pytest.raises(InputError, match="unbiased is about drawn negatives"):
        PropensityPairs(draws=0, unbiased=True)
