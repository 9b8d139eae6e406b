"""Sizes and initial weights of networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral

import torch
from torch import nn

from contrastive_core.errors import InputError
from contrastive_core.expect import expect_number, shown


def layer_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the numbers of units of all layers, inputs first.

    Parameters
    ----------
    sizes : sequence of int
        Two or more positive whole numbers.

    Raises
    ------
    InputError
        If they are anything else.
    """
    try:
        given = () if isinstance(sizes, bytes) else tuple(sizes)
    except TypeError:  # nothing to go through, such as a number
        given = ()
    whole = all(isinstance(size, Integral) and not isinstance(size, bool) for size in given)
    if len(given) < 2 or not whole or min(given) < 1:
        raise InputError(f"layer sizes must be two or more positive numbers (inputs first), whole ones, got {shown(sizes)}")
    return tuple(int(size) for size in given)


def initial_weight(
    shape: Sequence[int], fan_in: int, gain: float, generator: torch.Generator, dtype: torch.dtype, name: str = "gain"
) -> nn.Parameter:
    r"""Draw weights uniform in :math:`\pm g/\sqrt{\mathrm{fan\ in}}`; a gain g of 0 makes all of them 0.

    Parameters
    ----------
    shape : sequence of int
        Shape of the weights.
    fan_in : int
        Number of units below that a unit sees.
    gain : float
        :math:`g`, at least 0.
    generator : torch.Generator
        Source of the weights, which this advances.
    dtype : torch.dtype
        Dtype of the weights.
    name : str
        Name of the gain in messages.

    Raises
    ------
    InputError
        If the gain is not a finite number of at least 0.
    """
    bound = expect_number(gain, name, "0 makes all weights 0", least=0) / math.sqrt(fan_in)
    return nn.Parameter(torch.zeros(*shape, dtype=dtype).uniform_(-bound, bound, generator=generator))
