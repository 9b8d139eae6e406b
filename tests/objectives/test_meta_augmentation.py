"""Learnt augmenters: the outer gradient is that of outputs one inner step ahead, and the penalty keeps views apart."""

from __future__ import annotations

import pytest
import torch
from systems import seeded
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.errors import InputError
from contrastive_core.mixing import MIXINGS
from contrastive_core.mixing.meta_augmentation import similarity_penalty
from contrastive_core.mixing.mixing import Mixed, mixed
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.types import Batch

N, WIDTH = 8, 5
PLAIN = OBJECTIVES["nt-xent"]()
PARTNER = torch.arange(2 * N).roll(N)


def meta(**settings: float) -> Mixed:
    return mixed(PLAIN, MIXINGS["meta-augmented"](**settings), "meta-augmented")


def views(weights: Tensor) -> tuple[Tensor, Batch]:
    """Return two close views of each sample, and their batch."""
    first = torch.randn(N, WIDTH, generator=seeded(1), dtype=torch.float64)
    second = first + 0.3 * torch.randn(N, WIDTH, generator=seeded(2), dtype=torch.float64)
    nothing = torch.full((2 * N,), -1)
    extras = {"augmenters": weights, "draws": torch.tensor(0)}
    return torch.cat([first, second]), Batch(torch.zeros(2 * N, 1), nothing, torch.arange(N).repeat(2), extras=extras)


def started() -> Tensor:
    return meta().start(WIDTH, 60, seeded(3))["augmenters"].double()


def slow_penalty(rows: Tensor) -> Tensor:
    """Loop over rows, as the formula is written."""
    scores, total = normalize(rows) @ normalize(rows).T, rows.new_zeros(())
    for a in range(2 * N):
        others = torch.stack([scores[a, k] for k in range(2 * N) if k % N != a % N])
        positive, hardest = scores[a, (a + N) % (2 * N)], others.max()
        total = total + (positive - torch.minimum(positive, hardest)).clamp(min=0) / (2 * N)
        total = total + (torch.maximum(positive, hardest) - others).clamp(min=0).mean() / (2 * N)
    return total


def slow_loss(output: Tensor, weights: Tensor, batch: Batch, weight: float, penalty: float) -> Tensor:
    """Sum over the pairs (z, z'^), (z^, z') and (z^, z'^); NT-Xent takes directions alone."""
    first, second = output[:N], output[N:]
    made = [rows @ weights[view] for view, rows in enumerate((first, second))]
    total = PLAIN.value(output, batch)
    for pair in ((first, made[1]), (made[0], second), (made[0], made[1])):
        rows = torch.cat(pair)
        total = total + weight * (PLAIN.value(rows, batch) + penalty * slow_penalty(rows))
    return total


@pytest.mark.parametrize("second_order", [False, True])
def test_the_outer_gradient_is_that_of_the_loss_one_inner_step_ahead(second_order: bool) -> None:
    """If this fails, augmenters lower the loss of the present outputs, or another look-ahead than is documented."""
    weights = started()
    output, batch = views(weights)
    objective = meta(step=0.5, weight=0.7, penalty=0.4, second_order=second_order)
    assert float(objective.value(output, batch)) == pytest.approx(float(slow_loss(output, weights, batch, 0.7, 0.4)), abs=1e-12)

    def ahead(inner: Tensor, outer: Tensor) -> float:
        leaf = output.clone().requires_grad_()
        (slope,) = torch.autograd.grad(slow_loss(leaf, inner, batch, 0.7, 0.4), leaf)
        return float(slow_loss(output - 0.5 * len(output) * slope, outer, batch, 0.7, 0.4))

    found = objective.extra_gradient(output, batch)["augmenters"]
    here = meta(step=0.0, weight=0.7, penalty=0.4).extra_gradient(output, batch)["augmenters"]
    direction, step = torch.randn(weights.shape, generator=seeded(4), dtype=torch.float64), 1e-5
    ends = [ahead(weights + move if second_order else weights, weights + move) for move in (step * direction, -step * direction)]
    slope = (ends[0] - ends[1]) / (2 * step)
    # Differences err by step² and by rounding over the step, 1e-10; those inside of the second order by eps^(2/3) = 4e-11.
    assert float((found * direction).sum()) == pytest.approx(slope, rel=1e-6)
    assert abs(float((here * direction).sum()) / slope - 1) > 1e-3  # the control: without a look-ahead it is another gradient


def test_the_penalty_is_zero_for_equal_scores_and_two_where_views_coincide() -> None:
    """If this fails, views are punished for being apart, or not for being the same."""
    apart = torch.eye(2 * N, dtype=torch.float64)  # all scores are 0
    assert float(similarity_penalty(apart, PARTNER)) == 0
    below = apart.clone()
    below[:N, :N], below[N:, :N], below[:, N:] = torch.eye(N), -torch.eye(N), 0  # positives are -1, negatives 0
    assert float(similarity_penalty(below, PARTNER)) == 0
    same = torch.eye(N, dtype=torch.float64).repeat(2, 1)  # (1 - 0) of the positive, and (1 - 0) of each negative
    assert float(similarity_penalty(same, PARTNER)) == pytest.approx(2, abs=1e-12)


def test_augmented_views_stay_apart_by_the_penalty_alone() -> None:
    """If this fails, augmenters learn views that coincide, which teach the network nothing."""
    alike = {}
    for penalty in (0.0, 1.0):
        weights, objective = started(), meta(penalty=penalty)
        output, batch = views(weights)
        for _ in range(12):
            weights -= 5 * objective.extra_gradient(output, batch)["augmenters"]
        made = [normalize(rows @ weights[view]) for view, rows in enumerate(output.chunk(2))]
        alike[penalty] = float((made[0] * made[1]).sum(1).mean())
    output, _ = views(started())
    made = [normalize(rows @ started()[view]) for view, rows in enumerate(output.chunk(2))]
    first = float((made[0] * made[1]).sum(1).mean())
    assert alike[1.0] < first - 0.01
    assert alike[0.0] > first + 0.002  # the control: the objective alone draws them together


def test_the_look_ahead_leaves_the_parameters_of_the_objective_alone() -> None:
    """If this fails, a predictor that the objective learns is trained twice, by the inner and by the outer loss."""
    plain, found = OBJECTIVES["simsiam"](), []
    output, batch = views(started())
    for step in (0.0, 0.5):
        objective = mixed(plain, MIXINGS["meta-augmented"](step=step), "meta-augmented")  # type: ignore[call-arg]
        extras = {"map": objective.start(WIDTH, 60, seeded(5))["map"].double(), **(batch.extras or {})}
        found.append(objective.extra_gradient(output, batch._replace(extras=extras)))
    assert torch.equal(found[0]["map"], found[1]["map"])
    assert not torch.equal(found[0]["augmenters"], found[1]["augmenters"])


def test_settings_without_meaning_are_refused() -> None:
    """If this fails, a negative step climbs, and a negative penalty makes views the same."""
    for settings, words in (({"step": -1.0}, "step must be at least 0"), ({"penalty": -0.1}, "penalty"), ({"weight": 0.0}, "weight")):
        with pytest.raises(InputError, match=words):
            meta(**settings)
