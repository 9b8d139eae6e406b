"""Equilibrium propagation; the rules, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from contrastive_core.table import Table

if TYPE_CHECKING:
    from contrastive_core.rule import Rule, Setting

RULES: Table[Callable[[Setting], Rule]] = Table(
    "rule",
    {
        "ep-positive": "eqprop.rule:positive",
        "ep-negative": "eqprop.rule:negative",
        "ep-centered": "eqprop.rule:centered",
        "ep-random": "eqprop.rule:random_sign",
    },
)
