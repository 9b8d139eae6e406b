"""Checks of the inputs that networks are clamped to, and of states."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from contrastive_core.errors import InputError, ShapeError
from contrastive_core.types import State, as_tensor

if TYPE_CHECKING:
    from contrastive_core.network import Clamped


def as_inputs(inputs: Tensor, num_inputs: int, dtype: torch.dtype) -> Tensor:
    """Return inputs in the dtype of a network, whatever theirs is, and refuse those that it cannot be clamped to.

    Parameters
    ----------
    inputs : Tensor, ndarray or nested sequence of numbers
        Inputs, expected to be real, finite and of shape (B, num_inputs), with B at least 1.
    num_inputs : int
        Number of input units of the network.
    dtype : torch.dtype
        Dtype of its parameters; inputs of more digits are rounded to it.

    Returns
    -------
    Tensor of shape (B, num_inputs)
        The inputs.

    Raises
    ------
    ShapeError
        If the shape is another one.
    InputError
        If a value is complex, not finite, or infinite in the network's dtype.
    """
    inputs = as_tensor(inputs, "inputs")
    if inputs.dim() != 2 or inputs.shape[1] != num_inputs:
        raise ShapeError(f"inputs must have shape (batch, {num_inputs}), got {tuple(inputs.shape)}")
    if inputs.shape[0] == 0:
        raise ShapeError(f"inputs have shape {tuple(inputs.shape)}, which is no sample; present at least one")
    if inputs.is_complex():
        raise InputError("inputs are complex; present real and imaginary parts, or sizes, as inputs of their own")
    converted = inputs.to(dtype)
    # A sum is not finite if an input is not, and is much faster than asking each input. It may overflow too, so ask each one then.
    if not math.isfinite(float(converted.detach().sum())) and not bool(torch.isfinite(converted).all()):
        raise InputError("inputs contain NaN or infinity; clean the data before presenting it")
    return converted


def check_state(clamped: Clamped, state: State) -> None:
    """Refuse a state that has other shapes than the network and its inputs need.

    Raises
    ------
    ShapeError
        If a layer is missing, too many or of another shape.
    """
    expected = [(clamped.drive.shape[0], *shape) for shape in clamped.network.shapes]
    if [tuple(layer.shape) for layer in state] != expected:
        raise ShapeError(f"state has shapes {[tuple(layer.shape) for layer in state]}, the network and its inputs need {expected}")
