r"""Masked, weighted log-softmax, the common form of most contrastive objectives, streamed over tiles.

.. math:: L = \sum_i c_i \log \sum_j w_{ij} e^{t_i\, a_i \cdot b_j} - \sum_{ij} W_{ij}\, t_i\, a_i \cdot b_j

with rows :math:`a`, columns :math:`b`, inverse temperatures :math:`t`, log weights :math:`\log w` (:math:`-\infty` leaves a pair out),
coefficients :math:`c` and targets :math:`W`. A tile is a slice of the rows against all columns, so that memory is O(N tile). The gradient
is computed in the same pass as the value, since the sum over a row is all that its factors depend on.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from contrastive_core.objectives.embeddings import tiles

Weigh = Callable[[Tensor, slice], None]
"""Adds log weights, or -inf, in place to the logits of some rows, of shape (T, K)."""

Targets = Callable[[slice], Tensor]
"""Returns the targets W of some rows, of shape (T, K)."""


def leave_out(columns: Tensor) -> Weigh:
    """Return a function that leaves pairs out of the sum.

    Parameters
    ----------
    columns : Tensor of shape (N, E)
        Columns that each row leaves out (int64).
    """

    def weigh(logits: Tensor, part: slice) -> None:
        logits.scatter_(1, columns[part], -float("inf"))

    return weigh


def even(rows: Tensor) -> Tensor:
    """Return equal coefficients 1/N, of shape (N,), which make the sum over rows a mean."""
    return torch.full((len(rows),), 1 / len(rows), dtype=rows.dtype, device=rows.device)


def leave_out_self(logits: Tensor, part: slice) -> None:
    """Leave out each row's pair with itself, in place; the columns must be the rows."""
    logits[:, part].fill_diagonal_(-float("inf"))


def log_sum_exp(rows: Tensor, columns: Tensor, scale: float | Tensor, weigh: Weigh | None = None) -> Tensor:
    """Return each row's log sum over the columns, of shape (N,), without a gradient; an empty sum gives -inf.

    Parameters
    ----------
    rows, columns : Tensor of shape (N, n) and (K, n)
        Embeddings, normalised by the caller if they have to be.
    scale : float or Tensor of shape () or (N,)
        Inverse temperature.
    weigh : Weigh, optional
        Function that adds the log weights.
    """
    sums = rows.new_empty(len(rows))
    with torch.no_grad():
        factor = _factor(scale, rows)
        for part in tiles(len(rows), len(columns)):
            _, peak, total = _exponentials(rows[part], columns, factor[part], weigh, part)
            sums[part] = (total.log() + peak)[:, 0]
    return sums


def pooled(
    rows: Tensor,
    columns: Tensor,
    scale: float | Tensor,
    coefficients: Tensor,
    weigh: Weigh | None = None,
    targets: Targets | None = None,
) -> Tensor:
    """Return L as defined in this module's docstring, of shape (), differentiable once in rows, columns and scale.

    Parameters
    ----------
    rows, columns, scale, weigh
        Arguments of :func:`log_sum_exp`.
    coefficients : Tensor of shape (N,)
        Coefficients c; a row with c = 0 does not count, even if all its columns are left out.
    targets : Targets, optional
        Targets W. Without them the second sum is left to the caller, which is cheaper where each row has few positives.
    """
    result: Tensor = _Pooled.apply(rows, columns, _factor(scale, rows), coefficients, weigh, targets)  # type: ignore[no-untyped-call]
    return result


def through(rows: Tensor, columns: Tensor, scale: float | Tensor, outer: Callable[[Tensor], Tensor], weigh: Weigh | None = None) -> Tensor:
    """Return ``outer`` applied to the log sums of the rows, of shape (), where it is not a weighted sum.

    The slopes of ``outer`` become the coefficients of a second pass, whose gradient is right to first order. Gradients also flow
    into other tensors that ``outer`` uses.
    """
    sums = log_sum_exp(rows, columns, scale, weigh)
    if not torch.is_grad_enabled():
        return outer(sums)
    leaf = sums.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(outer(leaf), leaf)
    moving = pooled(rows, columns, scale, slopes, weigh)
    return outer(sums) + (moving - moving.detach())


def matched(rows: Tensor, columns: Tensor, scale: float | Tensor, weigh: Weigh | None = None) -> Tensor:
    r"""Return :math:`\langle \log\sum_j e^{t\,a_i \cdot b_j} - t\,a_i \cdot b_i \rangle`, of shape (); extra columns count as negatives."""
    own = (rows * columns[: len(rows)]).sum(1)
    return pooled(rows, columns, scale, even(rows), weigh) - (scale * own).mean()


def _factor(scale: float | Tensor, rows: Tensor) -> Tensor:
    """Return the inverse temperature of each row, of shape (N, 1)."""
    return torch.as_tensor(scale, dtype=rows.dtype, device=rows.device).reshape(-1, 1).expand(len(rows), 1)


def _exponentials(
    rows: Tensor, columns: Tensor, factor: Tensor, weigh: Weigh | None, part: slice, scores: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return a tile of exponentials relative to each row's peak, of shape (T, K), and the peaks and sums, of shape (T, 1)."""
    logits = (factor * rows) @ columns.T  # scaling the rows is cheaper than scaling the tile
    if scores is not None:
        scores.copy_(logits)
    if weigh is not None:
        weigh(logits, part)
    peak = logits.amax(1, keepdim=True)
    peak = torch.where(peak > -float("inf"), peak, 0.0)  # an empty sum: exp(-inf) = 0, and not exp(-inf + inf)
    logits.sub_(peak).exp_()
    return logits, peak, logits.sum(1, keepdim=True)


class _Pooled(torch.autograd.Function):
    """Value of L, together with its gradient if any input needs one."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, columns: Tensor, factor: Tensor, coefficients: Tensor, weigh: Weigh | None, targets: Targets | None
    ) -> Tensor:
        wanted = any(ctx.needs_input_grad[:3])
        row_slopes, column_slopes, factor_slopes = (torch.zeros_like(tensor) if wanted else None for tensor in (rows, columns, factor))
        loss = rows.new_zeros(())
        for part in tiles(len(rows), len(columns)):
            share = coefficients[part, None]
            goal = None if targets is None else targets(part)
            scores = None if goal is None else torch.empty_like(goal)
            tile, peak, total = _exponentials(rows[part], columns, factor[part], weigh, part, scores)
            loss += torch.where(share == 0, 0.0, share * (total.log() + peak)).sum()
            if goal is not None and scores is not None:
                loss -= torch.dot(goal.reshape(-1), scores.reshape(-1))
            if row_slopes is None or column_slopes is None or factor_slopes is None:
                continue
            weight = torch.where(total > 0, share / total, 0.0)
            if goal is not None:
                tile.mul_(weight).sub_(goal)
                weight = torch.ones_like(weight)
            per_score = weight * (tile @ columns)
            factor_slopes[part] = (per_score * rows[part]).sum(1, keepdim=True)
            row_slopes[part] = factor[part] * per_score
            column_slopes.addmm_(tile.T, weight * factor[part] * rows[part])
        if wanted:
            ctx.save_for_backward(row_slopes, column_slopes, factor_slopes)
        return loss

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        return (*(upstream[0] * slopes for slopes in ctx.saved_tensors), None, None, None)
