"""Checks of the inputs that networks are clamped to."""

import math

import torch
from torch import Tensor

from contrastive_core.errors import InputError, ShapeError


def check_inputs(inputs: Tensor, num_inputs: int) -> None:
    """Refuse inputs that a network cannot be clamped to.

    Parameters
    ----------
    inputs : Tensor
        Inputs, expected to be finite and of shape (B, num_inputs), with B at least 1.
    num_inputs : int
        Number of input units of the network.

    Raises
    ------
    ShapeError
        If the shape is another one.
    InputError
        If a value is not finite.
    """
    if inputs.dim() != 2 or inputs.shape[1] != num_inputs:
        raise ShapeError(f"inputs must have shape (batch, {num_inputs}), got {tuple(inputs.shape)}")
    if inputs.shape[0] == 0:
        raise ShapeError(f"inputs have shape {tuple(inputs.shape)}, which is no sample; present at least one")
    # A sum is not finite if an input is not, and is much faster than asking each input. It may overflow too, so ask each one then.
    if not math.isfinite(float(inputs.sum())) and not bool(torch.isfinite(inputs).all()):
        raise InputError("inputs contain NaN or infinity; clean the data before presenting it")
