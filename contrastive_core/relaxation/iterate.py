"""Repeating the steps of a dynamics until every sample has settled."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Status, Stop
from contrastive_core.per_sample import beside, largest
from contrastive_core.types import State


def iterate(
    step: Callable[[State, Any], tuple[State, Tensor, Any]], state: State, stop: Stop, *, joint: bool = False, keep: bool = True
) -> Relaxation:
    """Repeat a step until each sample's residual is small enough; samples stop one by one.

    Parameters
    ----------
    step : callable
        Maps a state and a memory to the next state, a residual of shape (B,) and the next memory. The first memory is None.
    state : State
        Start point; not modified.
    stop : Stop
        Tolerance and budget.
    joint : bool
        Whether the batch is one system, whose samples stop together.
    keep : bool
        Whether steps see the samples that have stopped as they have stopped. If not, those move on unseen: a step that
        knows its last tensors by identity then finds them.

    Returns
    -------
    Relaxation
        A sample that has stopped keeps the state of its last step, whatever the others still do, so that a result depends
        neither on the budget left nor on the rest of the batch.
    """
    batch_size = state[0].shape[0]
    steps = torch.zeros(batch_size, dtype=torch.int64, device=state[0].device)
    residual = state[0].real.new_full((batch_size,), float("inf")).detach()
    active = torch.ones(batch_size, dtype=torch.bool, device=state[0].device)
    memory, ended = None, state
    whole = True  # whether all samples are still active: saves the masking, and most sweeps are of this kind
    for _ in range(stop.budget):
        new, change, memory = step(state, memory)
        change = change.detach()
        # Samples of a joint system act on each other: none is at rest before all are.
        if joint:
            change = change.max().expand(batch_size)
        if whole:
            ended, residual = new, change
        else:
            ended = tuple(torch.where(beside(active, after), after, before) for before, after in zip(ended, new, strict=True))
            residual = torch.where(active, change, residual)
        state = ended if keep else new
        steps = steps + active
        if stop.tolerance is not None:
            active = active & (change > stop.tolerance)  # NaN compares false: a diverged sample stops here
            if not bool(active.any()):
                break
            whole = whole and bool(active.all())
    # Asked once at the end: NaN spreads through the sweeps, but a unit may overflow in the last of them.
    finite = torch.stack([torch.isfinite(largest(layer.detach())) for layer in ended]).all(0) & ~torch.isnan(residual)
    reached = residual <= stop.tolerance if stop.tolerance is not None else torch.zeros_like(finite)
    status = torch.where(reached, int(Status.CONVERGED), int(Status.BUDGET))
    status = torch.where(finite, status, int(Status.DIVERGED)).to(torch.int8)
    return Relaxation(ended, steps, residual, status)
