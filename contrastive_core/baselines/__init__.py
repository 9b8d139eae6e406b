"""Table of baselines by name: exact gradients and backpropagation, as rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from contrastive_core.registry import Table

if TYPE_CHECKING:
    from contrastive_core.rule import Rule, Setting

RULES: Table[Callable[[Setting], Rule]] = Table(
    "rule",
    {
        "implicit": "contrastive_core.baselines.implicit:build",
        "recurrent-backprop": "contrastive_core.baselines.recurrent:build",
        "unrolled": "contrastive_core.baselines.unrolled:build",
        "backprop": "contrastive_core.baselines.feedforward:build",
    },
)
