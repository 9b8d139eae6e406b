"""Contrastive Hebbian and coupled learning, and the storage of patterns; rules and storage rules, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from contrastive_core.registry import Table

if TYPE_CHECKING:
    from contrastive_core.rule import Rule, Setting
    from hebbian.arrays import Floats
    from hebbian.storage import Memory

RULES: Table[Callable[[Setting], Rule]] = Table(
    "rule",
    {
        "contrastive-hebbian": "hebbian.coupled:contrastive_hebbian",
        "coupled-positive": "hebbian.coupled:positive",
        "coupled-negative": "hebbian.coupled:negative",
        "coupled-centered": "hebbian.coupled:centered",
    },
)

STORAGE: Table[Callable[[Memory], Floats]] = Table(
    "storage rule",
    {
        "hebb": "hebbian.storage:hebb",
        "supervised-hebb": "hebbian.storage:supervised_hebb",
        "unsupervised-hebb": "hebbian.storage:unsupervised_hebb",
        "pseudo-inverse": "hebbian.storage:pseudo_inverse",
        "storkey": "hebbian.storage:storkey",
        "dreaming": "hebbian.storage:dreaming",
    },
)
