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
        "infonce-queue": "contrastive_core.costs.queue:QueueInfoNCE",
        "momentum-queue": "contrastive_core.costs.queue:MomentumQueue",
        "clip": "contrastive_core.costs.bimodal:CLIP",
        "cwcl": "contrastive_core.costs.bimodal:CWCL",
        "cmim": "contrastive_core.costs.bimodal:CMIM",
        "supcon": "contrastive_core.costs.supervised:SupCon",
        "focal-supcon": "contrastive_core.costs.supervised:FocalSupCon",
        "soft-supcon": "contrastive_core.costs.soft_labels:SoftSupCon",
        "soft-label": "contrastive_core.costs.soft_labels:SoftLabel",
        "softcon": "contrastive_core.costs.soft_labels:SoftCon",
        "mv-infonce": "contrastive_core.costs.multiview:MVInfoNCE",
        "mv-dhel": "contrastive_core.costs.multiview:MVDHEL",
        "isogclr": "contrastive_core.costs.individual:ISogCLR",
        "rgcl": "contrastive_core.costs.individual:RGCL",
        "amcl": "contrastive_core.costs.heads:AMCL",
        "comet": "contrastive_core.costs.hierarchy:COMET",
        "pixpro": "contrastive_core.costs.dense:PixPro",
        "pamc": "contrastive_core.costs.clustering:PamC",
        "swav": "contrastive_core.costs.clustering:SwAV",
        "alignment": "contrastive_core.costs.distance:Alignment",
        "uniformity": "contrastive_core.costs.distance:Uniformity",
        "alignment-uniformity": "contrastive_core.costs.distance:AlignmentUniformity",
        "scattering": "contrastive_core.costs.distance:Scattering",
        "cua": "contrastive_core.costs.gap:CUA",
        "cuaxu": "contrastive_core.costs.gap:CUAXU",
        "cacr": "contrastive_core.costs.attraction:CACR",
        "sepclr": "contrastive_core.costs.separation:SepCLR",
        "pmrl": "contrastive_core.costs.modes:PMRL",
        "whitenedcse": "contrastive_core.costs.whitening:WhitenedCSE",
        "barlow-twins": "contrastive_core.costs.spectral:BarlowTwins",
        "vicreg": "contrastive_core.costs.spectral:VICReg",
        "mw": "contrastive_core.costs.ranking:MW",
        "triplet": "contrastive_core.costs.ranking:Triplet",
        "adaptive-triplet": "contrastive_core.costs.ranking:AdaptiveTriplet",
        "groco": "contrastive_core.costs.sorting:GroCo",
        "conr": "contrastive_core.costs.regression:ConR",
        "supremix": "contrastive_core.costs.regression:SupReMix",
    },
)
"""Costs of the joint batch, whose rows are embeddings that attract and repel each other."""

COSTS: Table[type[Cost]] = Table("cost", {**SAMPLE_COSTS.entries, **OBJECTIVES.entries})
"""Both."""
