"""A small restricted machine of two modes, and data that sit in them unevenly: where chains that do not mix learn the wrong shares."""

from __future__ import annotations

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from hebbian.boltzmann.machine import BoltzmannMachine


def two_modes(coupling: float, sizes: tuple[int, int] = (6, 4)) -> BoltzmannMachine:
    """Make a restricted machine of binary units that prefer to be all on or all off.

    Weights are the coupling times 1 plus or minus up to a half, so that no symmetry hides an error. Biases balance them for half of the
    units on, so that both modes are likely.

    Parameters
    ----------
    coupling : float
        Mean weight between a visible and a hidden unit.
    sizes : tuple of int
        Numbers of visible and hidden units.
    """
    machine = BoltzmannMachine(sizes, dtype=torch.float64)
    rows, columns = torch.arange(sizes[0], dtype=torch.float64), torch.arange(sizes[1], dtype=torch.float64)
    weight = coupling * (1 + 0.5 * torch.cos(2.4 * rows[:, None] + 1.1 * columns[None] * rows[:, None] + columns[None]))
    with torch.no_grad():
        machine.weight(1).copy_(weight)
        machine.bias(0).copy_(-weight.sum(1) / 2)
        machine.bias(1).copy_(-weight.sum(0) / 2)
    return machine


def uneven_modes(count: int, size: int, share: float, turned: float, generator: torch.Generator) -> Tensor:
    """Return samples of which a share has all units on and the others have all off, with some units turned.

    Parameters
    ----------
    count, size : int
        Numbers of samples and of units.
    share : float
        Share of the samples in the mode of all units on.
    turned : float
        Chance of each unit to be turned.
    generator : torch.Generator
        Source of the turned units.

    Returns
    -------
    Tensor of shape (count, size)
        Zeros and ones in float64.

    Raises
    ------
    InputError
        If the share or the chance is no probability.
    """
    if not (0 <= share <= 1 and 0 <= turned <= 1):
        raise InputError(f"the share of a mode and the chance of a turned unit lie between 0 and 1, got {share:g} and {turned:g}")
    data = torch.zeros(count, size, dtype=torch.float64)
    data[: round(share * count)] = 1.0
    flipped = torch.rand(data.shape, generator=generator, dtype=torch.float64) < turned
    return torch.where(flipped, 1 - data, data)
