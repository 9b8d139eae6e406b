"""The dynamics, by name; adding one is its file and one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from contrastive_core.registry import Table

if TYPE_CHECKING:
    from contrastive_core.dynamics.base import Dynamics

DYNAMICS: Table[Callable[[], Dynamics]] = Table(
    "dynamics",
    {
        "forward": "contrastive_core.dynamics.block_descent:forward",
        "backward": "contrastive_core.dynamics.block_descent:backward",
        "even-odd": "contrastive_core.dynamics.block_descent:even_odd",
        "synchronous": "contrastive_core.dynamics.synchronous:Synchronous",
        "gradient-flow": "contrastive_core.dynamics.gradient_flow:GradientFlow",
        "momentum": "contrastive_core.dynamics.momentum:Momentum",
        "anderson": "contrastive_core.dynamics.anderson:Anderson",
    },
)
