"""The costs, by name; adding one is its file and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.table import Table

if TYPE_CHECKING:
    from contrastive_core.cost import Cost
    from contrastive_core.objective import Objective

SAMPLE_COSTS: Table[type[Cost]] = Table(
    "cost",
    {
        "squared-error": "contrastive_core.costs.squared_error:SquaredError",
        "cross-entropy": "contrastive_core.costs.cross_entropy:CrossEntropy",
    },
)
"""Costs of one sample each, compared with its label."""

OBJECTIVES: Table[type[Objective]] = Table(
    "objective",
    {
        "nt-xent": "contrastive_core.costs.pairs:NTXent",
        "dcl": "contrastive_core.costs.pairs:DCL",
        "dclw": "contrastive_core.costs.pairs:DCLW",
        "supcon": "contrastive_core.costs.supervised:SupCon",
        "mv-infonce": "contrastive_core.costs.multiview:MVInfoNCE",
        "mv-dhel": "contrastive_core.costs.multiview:MVDHEL",
        "alignment": "contrastive_core.costs.distance:Alignment",
        "uniformity": "contrastive_core.costs.distance:Uniformity",
        "alignment-uniformity": "contrastive_core.costs.distance:AlignmentUniformity",
        "vicreg": "contrastive_core.costs.spectral:VICReg",
        "swav": "contrastive_core.costs.clustering:SwAV",
    },
)
"""Costs of the joint batch, whose rows are embeddings that attract and repel each other."""

COSTS: Table[type[Cost]] = Table("cost", {**SAMPLE_COSTS.entries, **OBJECTIVES.entries})
"""Both."""
