"""Named tensors beside inputs and labels: what a data set says of each sample, and of pairs of samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from contrastive_core.errors import InputError

Given = Mapping[str, Tensor]
"""Tensors by the names in ``ARRAYS``; the first axis, in pairwise ones the second too, is that of samples."""


class Array(NamedTuple):
    """A named array of a data set.

    Attributes
    ----------
    shape : str
        Shape; N is the number of samples.
    whole : bool
        Whether it holds whole numbers.
    pairwise : bool
        Whether both axes are those of samples.
    meaning : str
        Meaning in one clause.
    """

    shape: str
    whole: bool
    pairwise: bool
    meaning: str


ARRAYS: dict[str, Array] = {
    "numbers": Array("(N,)", False, False, "a real label of each sample"),
    "vectors": Array("(N, d)", False, False, "a vector as label of each sample"),
    "groups": Array("(N,)", True, False, "group of each sample, all of which are in one split"),
    "trials": Array("(N,)", True, False, "trial of each sample"),
    "patients": Array("(N,)", True, False, "patient of each sample"),
    "images": Array("(N,)", True, False, "image that each sample is a place of"),
    "positions": Array("(N, 2)", False, False, "place of each sample in its image"),
    "guide": Array("(N, d)", False, False, "a frozen network's representation of each sample"),
    "predictions": Array("(N,)", False, False, "a predicted number for each sample"),
    "pairs": Array("(N, N)", True, True, "relation of each pair: 1 positive, 0 negative, -1 left out"),
    "pair_weights": Array("(N, N)", False, True, "weight of each pair among the negatives, at least 0"),
    "weights": Array("(N,)", False, False, "weight of each sample's own loss, at least 0"),
    "triggered": Array("(N, n)", False, False, "inputs of each sample with an attacker's trigger"),
    "target": Array("(N,)", True, False, "class that the attacker wants for each sample"),
    "negatives": Array("(N, K, n)", False, False, "inputs of K negatives of each sample"),
}
"""Arrays that a data set may have beside ``inputs`` and ``labels``."""

NOTHING: Given = {}
"""No named tensors."""


def chosen(given: Given, rows: Tensor | slice) -> dict[str, Tensor]:
    """Return the named tensors of some samples.

    Parameters
    ----------
    given : mapping of str to Tensor
        Tensors of all samples.
    rows : Tensor of shape (M,) or slice
        Indices of the samples.
    """
    return {name: value[rows][:, rows] if _is_pairwise(name) else value[rows] for name, value in given.items()}


def repeated(given: Given | None, views: int) -> dict[str, Tensor] | None:
    """Return the named tensors of all views of the samples, first views first; None stays None.

    Parameters
    ----------
    given : mapping of str to Tensor, optional
        Tensors of the samples.
    views : int
        Number of views.
    """
    if given is None:
        return None
    return {
        name: value.repeat(views, views) if _is_pairwise(name) else value.repeat(views, *(1,) * (value.dim() - 1))
        for name, value in given.items()
    }


def joined(one: Given, other: Given) -> dict[str, Tensor]:
    """Return the named tensors of the samples of two splits together.

    Raises
    ------
    InputError
        If the splits have different arrays, or one of pairs, which says nothing of pairs between the splits.
    """
    if set(one) != set(other) or any(map(_is_pairwise, one)):
        names = ", ".join(sorted({*one, *other})) or "none"
        raise InputError(f"splits with these arrays beside inputs and labels cannot be put together: {names}; leave them out")
    return {name: torch.cat((value, other[name])) for name, value in one.items()}


def _is_pairwise(name: str) -> bool:
    return name in ARRAYS and ARRAYS[name].pairwise
