"""Retrieval between two modalities, and cures of the gap between them: mean shift, noise and a linear adapter."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.errors import InputError, ShapeError

NOISE = 0.1
"""Standard deviation of the noise on each coordinate of a unit row."""
_RIDGE = 1e-3
"""Penalty of the adapter, relative to the mean square of a coordinate."""


class Modalities(NamedTuple):
    """Embeddings of two modalities, for training samples and for those that are judged.

    Attributes
    ----------
    first, second : Tensor of shape (N, n)
        Unit rows of the training samples.
    first_test, second_test : Tensor of shape (M, n)
        Unit rows of the judged samples.
    """

    first: Tensor
    second: Tensor
    first_test: Tensor
    second_test: Tensor


def recall(queries: Tensor, items: Tensor, matches: Tensor, most: int) -> float:
    """Return the share of queries with a match among their nearest items, by cosine.

    Parameters
    ----------
    queries, items : Tensor of shape (N, n) and (K, n)
        Embeddings of two modalities.
    matches : Tensor of shape (N, K)
        Whether an item is right for a query.
    most : int
        Number of nearest items.

    Returns
    -------
    float
        Recall at this number, in [0, 1].

    Raises
    ------
    InputError
        If there are fewer items.
    ShapeError
        If the shapes do not fit.
    """
    if matches.shape != (len(queries), len(items)):
        raise ShapeError(f"{len(queries)} queries and {len(items)} items need as many matches, got {tuple(matches.shape)}")
    if not 1 <= most <= len(items):
        raise InputError(f"recall at {most} needs that many items, got {len(items)}; choose 1 to {len(items)}")
    nearest = (normalize(queries.double()) @ normalize(items.double()).T).topk(most, dim=1).indices
    return float(matches.gather(1, nearest).any(1).double().mean())


def shifted(pair: Modalities) -> Modalities:
    """Return embeddings less the mean of their modality over the training samples, of unit length again."""
    means = pair.first.mean(0), pair.second.mean(0)
    return Modalities(*(normalize(rows - means[place % 2]) for place, rows in enumerate(pair)))


def noisy(pair: Modalities, generator: torch.Generator, deviation: float = NOISE) -> Modalities:
    """Return embeddings with Gaussian noise on those of the training samples, of unit length again; judged ones stay.

    The noise is to keep a classifier of one modality from relying on where the other one differs (Nukrai et al., 2022; Gu et al., 2022).
    """
    first, second = (
        normalize(rows + deviation * torch.randn(rows.shape, generator=generator, dtype=rows.dtype)) for rows in (pair.first, pair.second)
    )
    return pair._replace(first=first, second=second)


def adapted(pair: Modalities) -> Modalities:
    """Return embeddings in which the second modality went through the ridge regression, on training pairs, of the first one on it."""
    first, second = pair.first.double(), pair.second.double()
    gram = second.T @ second
    penalty = _RIDGE * float(gram.diagonal().mean())
    adapter = torch.linalg.solve(gram + penalty * torch.eye(len(gram), dtype=gram.dtype), second.T @ first).to(pair.second.dtype)
    return pair._replace(second=normalize(pair.second @ adapter), second_test=normalize(pair.second_test @ adapter))


def matches_of(first: Tensor, second: Tensor) -> Tensor:
    """Return which samples match, of shape (N, N): those with equal inputs in one of the modalities, as images of one text have."""
    keys = [torch.unique(rows, dim=0, return_inverse=True)[1] for rows in (first, second)]
    alike: Tensor = (keys[0][:, None] == keys[0]) | (keys[1][:, None] == keys[1])
    return alike
