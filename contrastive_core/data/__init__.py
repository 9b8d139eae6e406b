"""Data sets by name, each split once and for all into training, validation and test samples.

``DATASETS[name](data_dir, seed)`` loads one; ``catalog.CATALOG`` describes all of them without importing torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.data.catalog import CATALOG
from contrastive_core.registry import Table

if TYPE_CHECKING:
    from contrastive_core.data.splits import Loader

DATASETS: Table[Loader] = Table(
    "data set", {name: entry.loader for name, entry in CATALOG.items()}, "contrastive_core.data.loading:checked"
)
"""The loader of every data set: ``load(data_dir, seed) -> Splits``."""
