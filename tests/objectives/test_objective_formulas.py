"""Every objective is its formula: value and gradient equal those of a twin that is written out row by row."""

from __future__ import annotations

import pytest
import torch
from embedded import build, close_to, embeddings, presented
from naive_objectives import TWINS

from contrastive_core.objectives import OBJECTIVES
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch

SAMPLES = 6


def in_use(objective: Objective, batch: Batch) -> Batch:
    """A batch as it comes in the middle of training: memories are filled, learnt extras have moved."""
    extras = dict(batch.extras or {})
    for place, (name, value) in enumerate(sorted(extras.items())):
        if name in ("averages", "temperatures"):
            noise = torch.rand(value.shape, generator=torch.Generator().manual_seed(place), dtype=torch.float64)
            extras[name] = 0.5 + noise if name == "averages" else value * (0.9 + 0.2 * noise)
        elif name in ("map", "first", "last", "log_scale"):
            extras[name] = value + 0.1 * torch.randn(value.shape, generator=torch.Generator().manual_seed(place), dtype=torch.float64)
    return batch._replace(extras=extras)


def test_every_objective_has_a_twin() -> None:
    """A new objective is compared with its formula, or this fails."""
    assert list(TWINS) == list(OBJECTIVES)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_value_and_gradient_are_those_of_the_formula_written_out(name: str) -> None:
    """A wrong pair, weight, sign or factor would still be smooth, invariant and equal to its own finite differences."""
    objective = build(name)
    batch = in_use(objective, presented(objective, samples=SAMPLES))
    output = embeddings(len(batch.labels), 1)
    leaf, held = output.clone().requires_grad_(), embeddings(len(output), 1) + 0.3 * embeddings(len(output), 9)
    for still in (output, held):  # where the gradient stops may be elsewhere: a live nudge holds it at the free state
        value = TWINS[name](objective, leaf, still, batch)
        (gradient,) = torch.autograd.grad(value, leaf)
        moved = batch._replace(held=still)
        assert close_to(objective.value(output, moved), value.detach())
        assert close_to(objective.gradient(output, moved) / len(output), gradient)
    assert float(gradient.abs().max()) > 1e-4
