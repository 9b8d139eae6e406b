"""Samplers, which decide what samples meet in a batch, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.registry import Table

if TYPE_CHECKING:
    from contrastive_core.sampling.sampler import Sampler

SAMPLERS: Table[type[Sampler]] = Table(
    "sampling",
    {
        "shuffled": "contrastive_core.sampling.sampler:Shuffled",
        "balanced-propensity": "contrastive_core.sampling.propensity:BalancedPropensity",
        "inside-clusters": "contrastive_core.sampling.clusters:InsideClusters",
        "one-per-class": "contrastive_core.sampling.clusters:OnePerClass",
        "replication": "contrastive_core.sampling.replication:Replicated",
        "similar-batches": "contrastive_core.sampling.neighbours:SimilarBatches",
    },
)
"""Who meets whom in a batch."""
