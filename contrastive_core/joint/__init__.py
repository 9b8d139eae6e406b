"""Joint energy models: a classifier as a density of its inputs, ways to train it, and measures of both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.registry import Table

if TYPE_CHECKING:
    from contrastive_core.joint.arms import Arm

ARMS: Table[Arm] = Table(
    "arm",
    {
        "standard": "contrastive_core.joint.arms:standard",
        "adversarial": "contrastive_core.joint.arms:adversarial",
        "dat": "contrastive_core.joint.arms:dual",
        "sgld": "contrastive_core.joint.arms:chained",
    },
)
"""Ways to train a classifier; a new one is a function that names the terms of its loss, and one line here."""
