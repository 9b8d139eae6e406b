"""Sums over tiles of rows, for losses that are not a plain log-softmax; memory is O(N tile)."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from contrastive_core.objectives.embeddings import tiles

Term = Callable[..., Tensor]
"""Returns the contribution of a slice of rows, of shape (), given the slice and the tensors that the sum depends on."""


def tiled(term: Term, num_rows: int, num_columns: int, *tensors: Tensor) -> Tensor:
    """Return the sum of a term over tiles of rows, of shape (), differentiable once in the tensors.

    The gradient of each tile is taken before the next tile is computed, so that memory is O(N tile) instead of that of all pairs.

    Parameters
    ----------
    term : Term
        Called as ``term(part, *tensors)`` for slices that cover the rows.
    num_rows, num_columns : int
        Number of rows, and of values that each row needs at a time.
    *tensors : Tensor
        Tensors that gradients flow into. The term must use these arguments, not tensors from its closure.
    """
    result: Tensor = _Tiled.apply(term, tiles(num_rows, num_columns), *tensors)  # type: ignore[no-untyped-call]
    return result


class _Tiled(torch.autograd.Function):
    """Sum of the tiles, together with its gradient if any tensor needs one."""

    @staticmethod
    def forward(ctx: Any, term: Term, parts: list[slice], *tensors: Tensor) -> Tensor:
        wanted = ctx.needs_input_grad[2:]
        leaves = [tensor.detach().requires_grad_(needed) for tensor, needed in zip(tensors, wanted, strict=True)]
        live = [leaf for leaf in leaves if leaf.requires_grad]
        slopes = [torch.zeros_like(leaf) for leaf in live]
        total = leaves[0].new_zeros(())
        for part in parts:
            with torch.enable_grad() if live else nullcontext():
                value = term(part, *leaves)
                moved = torch.autograd.grad(value, live, allow_unused=True, materialize_grads=True) if value.requires_grad else ()
            total = total + value.detach()
            for slope, move in zip(slopes, moved, strict=False):
                slope += move
        ctx.save_for_backward(*slopes)
        ctx.wanted = wanted
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        slopes = iter(ctx.saved_tensors)
        return (None, None, *(upstream[0] * next(slopes) if needed else None for needed in ctx.wanted))
