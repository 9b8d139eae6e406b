"""Rows of embeddings: their directions, distances and neighbours, safe at zero and never of O(N²) memory."""

import torch
from torch import Tensor

FLOOR = 1e-6
"""Length below which a row has no direction: it counts as the zero vector, and no gradient flows into it. Dividing by the length
alone gives a dead output a gradient of 1 over whatever guards the division, and one such row wrecks a step."""

BUDGET = 1 << 20
"""Largest number of similarities held at a time: 4 MiB in float32, which stays in a cache."""


def unit(rows: Tensor) -> Tensor:
    """Return the rows divided by their lengths, of shape (N, n); a row shorter than ``FLOOR`` becomes 0, with gradient 0."""
    length = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows / torch.where(length > FLOOR, length, float("inf"))


def tiles(num_rows: int, num_columns: int, budget: int | None = None) -> list[slice]:
    """Cut rows into slices of at most ``budget`` similarities to the columns, of one row at least."""
    height = max(1, (BUDGET if budget is None else budget) // max(1, num_columns))
    return [slice(start, min(start + height, num_rows)) for start in range(0, num_rows, height)]


def nearest(rows: Tensor) -> Tensor:
    """Return for each row the index of the other row with the largest inner product, of shape (N,)."""
    found = torch.empty(len(rows), dtype=torch.int64, device=rows.device)
    with torch.no_grad():
        for part in tiles(len(rows), len(rows)):
            similarity = rows[part] @ rows.T
            similarity[:, part].fill_diagonal_(-float("inf"))
            found[part] = similarity.argmax(1)
    return found
