"""Table of mixings by name: they transform or add embeddings before an objective sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.registry import Table

if TYPE_CHECKING:
    from contrastive_core.mixing.mixing import Mixing

MIXINGS: Table[type[Mixing]] = Table(
    "mixing",
    {
        "clustered-positives": "contrastive_core.sampling.prototypes:ClusteredPositives",
        "extrapolated-positives": "contrastive_core.mixing.extrapolation:ExtrapolatedPositives",
        "fixed-reweighting": "contrastive_core.mixing.reweighting:FixedReweighting",
        "gated-pairs": "contrastive_core.mixing.gated_pairs:GatedPairs",
        "hallucinated-positives": "contrastive_core.mixing.hallucination:HallucinatedPositives",
        "hard-pairs": "contrastive_core.mixing.hard_pairs:HardPairMixing",
        "interpolated-negatives": "contrastive_core.mixing.extrapolation:InterpolatedNegatives",
        "meta-augmented": "contrastive_core.mixing.meta_augmentation:MetaAugmented",
        "mixed-negatives": "contrastive_core.mixing.mixed_negatives:MixedNegatives",
        "mixed-regression": "contrastive_core.mixing.mixed_regression:MixedRegression",
        "propensity-pairs": "contrastive_core.sampling.propensity_pairs:PropensityPairs",
        "sampled-codes": "contrastive_core.mixing.sampled_codes:SampledCodes",
    },
)
"""Mixings by name."""
