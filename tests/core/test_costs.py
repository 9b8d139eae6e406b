"""Contract of every cost: its gradient, its curvature and its decisions."""

from __future__ import annotations

import oracles
import pytest
import torch
from oracles import number
from systems import (
    COST_NAMES,
    make_cost,
    seeded,
)

from contrastive_core.costs import SAMPLE_COSTS
from contrastive_core.types import Batch


@pytest.mark.parametrize("targets", ["classes", "rows"])
@pytest.mark.parametrize("name", COST_NAMES)
def test_gradient_of_a_cost_is_that_of_its_mean_times_the_batch_size(name: str, targets: str) -> None:
    """The nudge is this gradient: a factor of B or 2 here rescales beta and every estimate."""
    cost, output = make_cost(name), torch.randn((5, 3), generator=seeded(0), dtype=torch.float64)
    labels = torch.tensor([0, 2, 1, 1, 0])
    rows = torch.softmax(torch.randn((5, 3), generator=seeded(1), dtype=torch.float64), 1)
    batch = Batch(torch.zeros(5, 1), labels if targets == "classes" or cost.coupled else rows)
    value = cost.value(output, batch)
    assert value.shape == (() if cost.coupled else (5,))

    leaf = output.clone().requires_grad_()
    (automatic,) = torch.autograd.grad(cost.value(leaf, batch).mean(), leaf)
    torch.testing.assert_close(cost.gradient(output, batch), 5 * automatic, rtol=0, atol=1e-14)
    # Step 1e-5: truncation 1e-10 * C''' / 6 with C''' <= 6; rounding 1e-16 * 10 / 1e-5.
    difference = oracles.central_difference(lambda o: cost.value(o, batch).mean(), output, 1e-5)
    assert number((cost.gradient(output, batch) - 5 * difference).abs().max()) < 2e-9


@pytest.mark.parametrize("name", SAMPLE_COSTS)
def test_curvature_of_a_cost_is_its_hessian_where_it_claims_one(name: str) -> None:
    """The exact nudged update divides by 1 + beta c: a wrong c is a wrong minimum, and hides a missing one."""
    cost, batch = make_cost(name), Batch(torch.zeros(1, 1), torch.tensor([1]))
    output = torch.randn(3, generator=seeded(2), dtype=torch.float64)
    matrix = torch.autograd.functional.hessian(lambda o: cost.value(o[None], batch).sum(), output)
    identity = torch.eye(3, dtype=torch.float64)
    is_multiple = bool(torch.allclose(matrix, matrix[0, 0] * identity, rtol=0, atol=1e-12))
    assert is_multiple == (cost.curvature != 0)
    if cost.curvature:
        torch.testing.assert_close(matrix, cost.curvature * identity, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", SAMPLE_COSTS)
def test_costs_by_hand_and_their_decisions(name: str) -> None:
    """Test errors and costs in reports come from here; half a squared error is not a squared error."""
    cost = make_cost(name)
    output = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.5, -1.0]], dtype=torch.float64)
    batch = Batch(torch.zeros(2, 1), torch.tensor([1, 1]))
    exp = output.exp()
    by_hand = {
        "squared-error": torch.tensor([(1 + 1 + 9) / 2, (0 + 0.25 + 1) / 2], dtype=torch.float64),
        "cross-entropy": -(exp[:, 1] / exp.sum(1)).log(),
    }
    torch.testing.assert_close(cost.value(output, batch), by_hand[name], rtol=1e-14, atol=0)
    one_hot = batch._replace(labels=torch.nn.functional.one_hot(batch.labels, 3).double())
    assert torch.equal(cost.value(output, one_hot), cost.value(output, batch))
    for labels in (batch, one_hot):
        wrong = cost.errors(output, labels)
        assert wrong.dtype == torch.bool
        assert wrong.tolist() == [True, False]
