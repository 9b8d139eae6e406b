"""Means of the hidden units given data."""

from __future__ import annotations

import torch
from torch import Tensor

from contrastive_core.types import State
from hebbian.boltzmann.machine import BoltzmannMachine
from hebbian.boltzmann.marginals import of_visible
from hebbian.boltzmann.mean_field import settle


def posterior_means(machine: BoltzmannMachine, visible: Tensor, sweeps: int = 10) -> State:
    """Return data and the means of the hidden units given them: exact for a restricted machine, else those of naive mean field."""
    with torch.no_grad():
        state = of_visible(machine, visible)
        if machine.restricted or len(machine.sizes) == 1:
            return tuple(layer if index == 0 else machine.units[1].mean(machine.field(1, state)) for index, layer in enumerate(state))
        return settle(machine, state, held=(0,), sweeps=sweeps).state
