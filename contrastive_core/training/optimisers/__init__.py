"""Tables of optimisers and learning-rate schedules by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from contrastive_core.registry import Table

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from contrastive_core.training.optimisers.builders import Groups

OPTIMISERS: Table[Callable[[Groups, float, float], Optimizer]] = Table(
    "optimiser",
    {name: f"contrastive_core.training.optimisers.builders:{name}" for name in ("sgd", "adam", "adamw", "rmsprop", "lion")},
)
"""Builders of optimisers, from parameter groups, momentum (first-moment decay for adaptive ones) and weight decay."""

SCHEDULES: Table[Callable[[Optimizer, int, float], LRScheduler]] = Table(
    "schedule",
    {name: f"contrastive_core.training.optimisers.builders:{name}" for name in ("constant", "cosine", "exponential")},
)
"""Builders of schedules, from an optimiser, the number of epochs and the factor per epoch; they step once per epoch."""
