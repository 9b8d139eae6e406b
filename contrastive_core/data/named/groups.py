"""Groups of samples, by the arrays that name them."""

import torch
from torch import Tensor

from contrastive_core.data.given import Given
from contrastive_core.errors import InputError

GROUPS = ("groups", "images", "patients", "trials")
"""Arrays that name groups, the first of them the one that divides data into splits."""


def groups_of(given: Given, name: str) -> Tensor:
    """Return the number of each sample's group, from 0 on, of shape (N,).

    Raises
    ------
    InputError
        If the data have no such array.
    """
    if name not in GROUPS or name not in given:
        there = ", ".join(one for one in GROUPS if one in given)
        there = there or f"none of {', '.join(GROUPS)}"
        raise InputError(f"the data have no groups by {name!r}; they have {there}; give data that have it")
    groups: Tensor = torch.unique(given[name], return_inverse=True)[1]
    return groups
