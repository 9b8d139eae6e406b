"""The costs, by name; adding one is its file and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.table import Table

if TYPE_CHECKING:
    from contrastive_core.cost import Cost

COSTS: Table[type[Cost]] = Table(
    "cost",
    {
        "squared-error": "contrastive_core.costs.squared_error:SquaredError",
        "cross-entropy": "contrastive_core.costs.cross_entropy:CrossEntropy",
    },
)
