"""Optimisers and learning-rate schedules, by name."""

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
"""Builders from parameter groups, momentum (the first moment's decay, for adaptive ones) and weight decay."""

SCHEDULES: Table[Callable[[Optimizer, int, float], LRScheduler]] = Table(
    "schedule",
    {name: f"contrastive_core.training.optimisers.builders:{name}" for name in ("constant", "cosine", "exponential")},
)
"""Builders from an optimiser, the number of epochs and the factor per epoch; schedules step once an epoch."""
