"""Likelihood of data under a machine: exact where states can be enumerated, else by annealed importance sampling."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hebbian.boltzmann.annealed import estimate_log_partition
from hebbian.boltzmann.exact import LARGEST, can_enumerate, log_partition, log_visible
from hebbian.boltzmann.machine import BoltzmannMachine
from hebbian.boltzmann.mean_field import log_visible_bound
from hebbian.boltzmann.posterior import posterior_means

_SAMPLES = 1000
"""Samples whose likelihood is computed together."""


class LogPartition(NamedTuple):
    """Log Z of a machine.

    Attributes
    ----------
    value, error : float
        Log Z and its standard error, in nats; the error is 0 by enumeration.
    method : {"enumeration", "AIS"}
        How it was found.
    """

    value: float
    error: float
    method: str


def find_log_partition(
    machine: BoltzmannMachine, generator: torch.Generator, *, runs: int = 100, steps: int = 1000, base: Tensor | None = None, most: int = 16
) -> LogPartition:
    """Return log Z, by enumeration of at most ``most`` units or else by annealed importance sampling.

    Parameters
    ----------
    machine : BoltzmannMachine
        The machine.
    generator : torch.Generator
        Source of the draws of annealing.
    runs, steps : int
        Runs and steps of annealing.
    base : Tensor of shape (n_0,), optional
        Biases at the beginning of the path.
    most : int
        Number of units up to which states are enumerated.
    """
    if can_enumerate(machine, min(most, LARGEST)):
        return LogPartition(log_partition(machine), 0.0, "enumeration")
    found = estimate_log_partition(machine, generator, runs=runs, steps=steps, base=base)
    return LogPartition(found.value, found.error, "AIS")


def unnormalised(machine: BoltzmannMachine, visible: Tensor) -> Tensor:
    """Return the unnormalised log probability of each sample, of shape (B,): exact for restricted machines, else a lower bound.

    The bound is that of naive mean field over the hidden units. A fully visible machine is exact too.
    """
    with torch.no_grad():
        parts = []
        for rows in torch.split(machine.accept(visible), _SAMPLES):
            if machine.restricted or len(machine.sizes) == 1:
                parts.append(log_visible(machine, rows))
            else:
                parts.append(log_visible_bound(machine, posterior_means(machine, rows, 30)))
        return torch.cat(parts).double()
