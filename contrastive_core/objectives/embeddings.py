"""Directions and neighbours of embeddings, with finite gradients at zero and without O(N²) memory."""

import torch
from torch import Tensor

FLOOR = 1e-6
"""Length below which a row counts as the zero vector, without a direction and without a gradient.

Adding a small constant to the length instead would give a dead output a gradient of one over that constant, and one such row
ruins a training step.
"""

BUDGET = 1 << 20
"""Largest number of similarities held at a time: 4 MiB in float32, which fits into a cache."""


def unit(rows: Tensor) -> Tensor:
    """Return the rows divided by their lengths, of shape (N, n); a row shorter than ``FLOOR`` becomes 0, with gradient 0."""
    length = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows / torch.where(length > FLOOR, length, float("inf"))


def tiles(num_rows: int, num_columns: int, budget: int | None = None) -> list[slice]:
    """Cut rows into slices with at most ``budget`` similarities to the columns each, but at least one row."""
    height = max(1, (BUDGET if budget is None else budget) // max(1, num_columns))
    return [slice(start, min(start + height, num_rows)) for start in range(0, num_rows, height)]


def nearest(rows: Tensor) -> Tensor:
    """Return the index of the other row with the largest inner product, for each row; shape (N,)."""
    found = torch.empty(len(rows), dtype=torch.int64, device=rows.device)
    with torch.no_grad():
        for part in tiles(len(rows), len(rows)):
            similarity = rows[part] @ rows.T
            similarity[:, part].fill_diagonal_(-float("inf"))
            found[part] = similarity.argmax(1)
    return found
