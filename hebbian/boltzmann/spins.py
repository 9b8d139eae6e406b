"""A Boltzmann machine as a network of spins of the core."""

from __future__ import annotations

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.networks.spin import SpinNetwork
from hebbian.boltzmann.machine import BoltzmannMachine


def as_spin_network(machine: BoltzmannMachine) -> tuple[SpinNetwork, float]:
    r"""Return the network of all units as spins of -1 and 1, and the constant by which its energy is higher.

    A binary unit is :math:`(1 + \sigma)/2`, so that its couplings to spins count half and a pair of binary units a quarter. Units stand
    layer by layer, visible ones first.

    Parameters
    ----------
    machine : BoltzmannMachine
        Machine of discrete units.

    Returns
    -------
    network : SpinNetwork
        Network with the law :math:`e^{-E}/Z` of the machine.
    constant : float
        Energy of the network less that of the machine, equal for all states.

    Raises
    ------
    InputError
        If units are Gaussian.
    """
    if not all(unit.values for unit in machine.units):
        raise InputError("Gaussian units are no spins; sum them out, or take a machine of binary units and spins")
    ends = torch.tensor(machine.sizes).cumsum(0).tolist()
    places = [slice(end - size, end) for end, size in zip(ends, machine.sizes, strict=True)]
    couplings = machine.bias(0).new_zeros(ends[-1], ends[-1])
    with torch.no_grad():
        for index, place in enumerate(places):
            if index:
                couplings[places[index - 1], place] = machine.weight(index)
                couplings[place, places[index - 1]] = machine.weight(index).T
            if machine.lateral:
                couplings[place, place] = machine.couplings(index)
        bias = torch.cat([machine.bias(index) for index in range(len(machine.sizes))])
        slope, shift = _maps(machine)  # s = slope * sigma + shift
        network = SpinNetwork(ends[-1], slope[:, None] * couplings * slope, dtype=couplings.dtype)
        network.bias.copy_(slope * (bias + couplings @ shift))
        constant = float(shift @ bias + 0.5 * shift @ couplings @ shift)
    return network, constant


def _maps(machine: BoltzmannMachine) -> tuple[Tensor, Tensor]:
    """Return slope and shift of the map from a spin to the value of each unit."""
    like = machine.bias(0)
    pairs = [(unit.values, size) for unit, size in zip(machine.units, machine.sizes, strict=True)]
    slope = torch.cat([like.new_full((size,), (high - low) / 2) for (low, high), size in pairs])
    shift = torch.cat([like.new_full((size,), (high + low) / 2) for (low, high), size in pairs])
    return slope, shift
