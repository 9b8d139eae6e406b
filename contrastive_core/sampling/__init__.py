"""Table of samplers by name: they choose the samples of each batch."""

from __future__ import annotations

from typing import Any

from contrastive_core.registry import Table

SAMPLERS: Table[type[Any]] = Table(
    "sampling",
    {
        "shuffled": "contrastive_core.sampling.sampler:Shuffled",
        "balanced-propensity": "contrastive_core.sampling.propensity:BalancedPropensity",
        "inside-clusters": "contrastive_core.sampling.clusters:InsideClusters",
        "one-per-class": "contrastive_core.sampling.clusters:OnePerClass",
        "replication": "contrastive_core.sampling.replication:Replicated",
        "similar-batches": "contrastive_core.sampling.neighbours:SimilarBatches",
        "together": "contrastive_core.sampling.together:Together",
    },
)
"""Every kind of :data:`contrastive_core.sampling.sampler.Sampler`, with default settings."""
