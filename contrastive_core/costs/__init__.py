"""Table of costs by name; a new cost is a file and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.objectives import OBJECTIVES
from contrastive_core.registry import Table

if TYPE_CHECKING:
    from contrastive_core.cost import Cost

SAMPLE_COSTS: Table[type[Cost]] = Table(
    "cost",
    {
        "squared-error": "contrastive_core.costs.squared_error:SquaredError",
        "cross-entropy": "contrastive_core.costs.cross_entropy:CrossEntropy",
    },
)
"""Costs of one sample each, compared with its label."""

COSTS: Table[type[Cost]] = Table("cost", {**SAMPLE_COSTS.entries, **OBJECTIVES.entries})
"""All costs: those of single samples and the joint objectives."""

TERMS: Table[type[Cost]] = Table(
    "cost",
    {
        **COSTS.entries,
        "reconstruction": "contrastive_core.objectives.reconstruction:Reconstruction",
        "replaced-detection": "contrastive_core.objectives.replaced:ReplacedDetection",
    },
)
"""Costs that may stand in a weighted sum."""
