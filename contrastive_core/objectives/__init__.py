"""Table of contrastive objectives by name; a new objective is a file and one line here.

Losses are grouped by what makes two rows a positive pair: views of one instance, paired modalities, or labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.registry import Table

if TYPE_CHECKING:
    from contrastive_core.objectives.objective import Objective

OBJECTIVES: Table[type[Objective]] = Table(
    "objective",
    {
        "nt-xent": "contrastive_core.objectives.instances.nt_xent:NTXent",
        "dcl": "contrastive_core.objectives.instances.nt_xent:DCL",
        "dclw": "contrastive_core.objectives.instances.nt_xent:DCLW",
        "binary-nce": "contrastive_core.objectives.instances.binary:BinaryNCE",
        "infonce-queue": "contrastive_core.objectives.instances.queue:QueueInfoNCE",
        "momentum-queue": "contrastive_core.objectives.instances.queue:MomentumQueue",
        "clip": "contrastive_core.objectives.modalities.bimodal:CLIP",
        "cwcl": "contrastive_core.objectives.modalities.bimodal:CWCL",
        "cmim": "contrastive_core.objectives.modalities.bimodal:CMIM",
        "supcon": "contrastive_core.objectives.labelled.supervised:SupCon",
        "focal-supcon": "contrastive_core.objectives.labelled.supervised:FocalSupCon",
        "soft-supcon": "contrastive_core.objectives.labelled.soft_labels:SoftSupCon",
        "soft-label": "contrastive_core.objectives.labelled.soft_labels:SoftLabel",
        "softcon": "contrastive_core.objectives.labelled.soft_labels:SoftCon",
        "mv-infonce": "contrastive_core.objectives.instances.multiview:MVInfoNCE",
        "mv-dhel": "contrastive_core.objectives.instances.multiview:MVDHEL",
        "isogclr": "contrastive_core.objectives.instances.individual_temperatures:ISogCLR",
        "rgcl": "contrastive_core.objectives.instances.individual_temperatures:RGCL",
        "amcl": "contrastive_core.objectives.instances.amcl:AMCL",
        "comet": "contrastive_core.objectives.instances.comet:COMET",
        "pixpro": "contrastive_core.objectives.instances.pixels:PixPro",
        "pixel-contrast": "contrastive_core.objectives.instances.pixels:PixelContrast",
        "slots": "contrastive_core.objectives.instances.slots:Slots",
        "byol": "contrastive_core.objectives.instances.asymmetric:BYOL",
        "simsiam": "contrastive_core.objectives.instances.asymmetric:SimSiam",
        "pamc": "contrastive_core.objectives.instances.clustering:PamC",
        "pamc-learnt": "contrastive_core.objectives.instances.learnt_clusters:PamCLearnt",
        "swav": "contrastive_core.objectives.instances.clustering:SwAV",
        "alignment": "contrastive_core.objectives.instances.alignment_uniformity:Alignment",
        "uniformity": "contrastive_core.objectives.instances.alignment_uniformity:Uniformity",
        "alignment-uniformity": "contrastive_core.objectives.instances.alignment_uniformity:AlignmentUniformity",
        "scattering": "contrastive_core.objectives.instances.alignment_uniformity:Scattering",
        "simctg": "contrastive_core.objectives.instances.cosine_margin:CosineMargin",
        "balanced-squared-error": "contrastive_core.objectives.labelled.balanced:BalancedSquaredError",
        "balanced-softmax": "contrastive_core.objectives.labelled.balanced:BalancedSoftmax",
        "cua": "contrastive_core.objectives.modalities.modality_gap:CUA",
        "cuaxu": "contrastive_core.objectives.modalities.modality_gap:CUAXU",
        "cacr": "contrastive_core.objectives.instances.cacr:CACR",
        "sepclr": "contrastive_core.objectives.labelled.sepclr:SepCLR",
        "pmrl": "contrastive_core.objectives.modalities.pmrl:PMRL",
        "whitenedcse": "contrastive_core.objectives.instances.whitening:WhitenedCSE",
        "barlow-twins": "contrastive_core.objectives.instances.spectral:BarlowTwins",
        "vicreg": "contrastive_core.objectives.instances.spectral:VICReg",
        "mw": "contrastive_core.objectives.labelled.ranking:MW",
        "triplet": "contrastive_core.objectives.labelled.ranking:Triplet",
        "pair-margin": "contrastive_core.objectives.labelled.pair_margin:PairMargin",
        "adaptive-triplet": "contrastive_core.objectives.labelled.ranking:AdaptiveTriplet",
        "deep-boosting": "contrastive_core.objectives.instances.deep_boosting:DeepBoosting",
        "groco": "contrastive_core.objectives.instances.groco:GroCo",
        "retriever-ranker": "contrastive_core.objectives.distilled.retriever_ranker:RetrieverRanker",
        "conr": "contrastive_core.objectives.labelled.regression:ConR",
        "supremix": "contrastive_core.objectives.labelled.regression:SupReMix",
        "self-distillation": "contrastive_core.objectives.distilled.teacher:SelfDistillation",
        "contrastive-distillation": "contrastive_core.objectives.distilled.teacher:ContrastiveDistillation",
        "relation-distillation": "contrastive_core.objectives.distilled.teacher:RelationDistillation",
        "score-distillation": "contrastive_core.objectives.distilled.teacher:ScoreDistillation",
        "entry-prediction": "contrastive_core.objectives.distilled.entries:EntryPrediction",
        "bag-of-words": "contrastive_core.objectives.distilled.words:BagOfWords",
        "quantised-targets": "contrastive_core.objectives.distilled.words:QuantisedTargets",
        "growing-views": "contrastive_core.objectives.distilled.growing:GrowingViews",
    },
)
"""Costs of the joint batch, whose rows are embeddings that attract and repel each other."""
