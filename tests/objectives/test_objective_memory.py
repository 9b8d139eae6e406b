"""Memory of objectives: tiles of some rows by all, never all pairs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from embedded import build, embeddings, presented
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from contrastive_core.objectives import OBJECTIVES
from contrastive_core.objectives.tiled_function import tiled

ROWS, TILE = 36, 4


class LargestTensor(TorchDispatchMode):
    """Remembers how many numbers the largest tensor had that any operation made, forward or backward."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and leaf._base is None and 0 not in leaf.stride():  # views and expansions own nothing
                self.size = max(self.size, leaf.numel())
        return result


@pytest.mark.parametrize("name", OBJECTIVES)
def test_no_objective_ever_holds_all_pairs_of_rows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of 32768 rows has 10⁹ pairs, 4 GiB for each matrix of them, and more for the graph."""
    # Without labels or with few classes, and extras shorter than the batch, so that nothing given is large either.
    objective = build(name)
    batch = presented(objective, samples=ROWS // 2)
    output = embeddings(ROWS, 1)
    whole = objective.gradient(output, batch)
    monkeypatch.setattr("contrastive_core.objectives.embeddings.BUDGET", TILE * ROWS)
    with LargestTensor() as seen:
        gradient = objective.gradient(output, batch)
        objective.errors(output, batch)
    # One row of some objectives takes more than the tile: their hidden units, or the sorting network's L x L; never all rows by all.
    assert seen.size < ROWS * ROWS / 2
    torch.testing.assert_close(gradient, whole, rtol=1e-9, atol=1e-11 * float(whole.abs().max()) + 1e-13)


def test_all_pairs_would_be_seen() -> None:
    """The control: the matrix of all similarities, made inside a gradient."""
    rows = embeddings(ROWS).requires_grad_()
    with LargestTensor() as seen:
        torch.autograd.grad((rows @ rows.T).logsumexp(1).sum(), rows)
    assert seen.size == ROWS * ROWS


@pytest.mark.parametrize("budget", [1, 30, 1 << 20])
def test_tiled_sum_is_the_sum_and_its_gradients(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles are bookkeeping, for every argument, those without a gradient and those that a term leaves alone included."""
    monkeypatch.setattr("contrastive_core.objectives.embeddings.BUDGET", budget)
    rows, weights, fixed, idle = (embeddings(7, seed, 3) for seed in range(4))
    live = [tensor.requires_grad_() for tensor in (rows, weights, idle)]

    def term(part: slice, rows: torch.Tensor, weights: torch.Tensor, fixed: torch.Tensor, idle: torch.Tensor) -> torch.Tensor:
        return ((rows[part] @ weights.T).sin() * (fixed[part] @ rows.T)).sum()

    plain = term(slice(0, 7), rows, weights, fixed, idle)
    streamed = tiled(term, 7, 7, rows, weights, fixed, idle)
    assert float(streamed.detach()) == pytest.approx(float(plain.detach()), rel=1e-13)
    expected = torch.autograd.grad(3 * plain, live, allow_unused=True, materialize_grads=True)
    for ours, theirs in zip(torch.autograd.grad(3 * streamed, live), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)
    with torch.no_grad():
        assert float(tiled(term, 7, 7, rows, weights, fixed, idle)) == float(streamed.detach())
