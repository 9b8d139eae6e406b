"""Which samples meet in a batch, and what is made of embeddings before an objective sees them, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.table import Table

if TYPE_CHECKING:
    from contrastive_core.mixing import Mixing
    from contrastive_core.sampler import Sampler

SAMPLERS: Table[type[Sampler]] = Table(
    "sampling",
    {
        "shuffled": "contrastive_core.sampler:Shuffled",
        "balanced-propensity": "contrastive_core.sampling.propensity:BalancedPropensity",
        "inside-clusters": "contrastive_core.sampling.pseudo_classes:InsideClusters",
        "one-per-class": "contrastive_core.sampling.pseudo_classes:OnePerClass",
        "replication": "contrastive_core.sampling.replication:Replicated",
        "similar-batches": "contrastive_core.sampling.neighbours:SimilarBatches",
    },
)
"""Who meets whom in a batch."""

MIXINGS: Table[type[Mixing]] = Table(
    "mixing",
    {
        "clustered-positives": "contrastive_core.sampling.neighbours:ClusteredPositives",
        "extrapolated-positives": "contrastive_core.sampling.transformation:ExtrapolatedPositives",
        "gated-pairs": "contrastive_core.sampling.gates:GatedPairs",
        "hallucinated-positives": "contrastive_core.sampling.hallucination:HallucinatedPositives",
        "hard-pairs": "contrastive_core.sampling.hard_pairs:HardPairMixing",
        "interpolated-negatives": "contrastive_core.sampling.transformation:InterpolatedNegatives",
        "mixed-negatives": "contrastive_core.sampling.mochi:MixedNegatives",
        "mixed-regression": "contrastive_core.sampling.supremix:MixedRegression",
    },
)
"""What becomes of embeddings."""
