"""Contrastive Hebbian and coupled learning; the rules, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from contrastive_core.table import Table

if TYPE_CHECKING:
    from contrastive_core.rule import Rule, Setting

RULES: Table[Callable[[Setting], Rule]] = Table(
    "rule",
    {
        "contrastive-hebbian": "hebbian.coupled:contrastive_hebbian",
        "coupled-positive": "hebbian.coupled:positive",
        "coupled-negative": "hebbian.coupled:negative",
        "coupled-centered": "hebbian.coupled:centered",
    },
)
