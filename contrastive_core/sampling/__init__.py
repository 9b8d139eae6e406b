"""Which samples meet in a batch, and what is made of embeddings before an objective sees them, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contrastive_core.table import Table

TECHNIQUES: Table[Callable[..., Any]] = Table(
    "technique",
    {
        "balanced-propensity": "contrastive_core.sampling.propensity:draw_pairs",
        "clustered-positives": "contrastive_core.sampling.neighbours:clustered_positives",
        "extrapolated-positives": "contrastive_core.sampling.transformation:extrapolate",
        "gated-pairs": "contrastive_core.sampling.gates:gate",
        "hard-pairs": "contrastive_core.sampling.hard_pairs:hard_pairs",
        "inside-clusters": "contrastive_core.sampling.pseudo_classes:inside_clusters",
        "interpolated-negatives": "contrastive_core.sampling.transformation:interpolate",
        "mixed-negatives": "contrastive_core.sampling.mochi:mix_hard_negatives",
        "mixed-regression": "contrastive_core.sampling.supremix:mix_positives",
        "one-per-class": "contrastive_core.sampling.pseudo_classes:one_per_class",
        "replication": "contrastive_core.sampling.replication:replicate",
        "similar-batches": "contrastive_core.sampling.neighbours:similar_batches",
    },
)
"""Functions of tensors and a generator, for writing a training loop with; ``eqlab contrast`` has no options for them yet."""
