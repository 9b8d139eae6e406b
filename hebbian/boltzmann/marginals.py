"""Sums over the odd or the even layers of a machine in closed form, which the lack of lateral couplings allows."""

from __future__ import annotations

import torch
from torch import Tensor

from contrastive_core.types import State
from hebbian.boltzmann.machine import BoltzmannMachine, Path, scaled


def log_weight(machine: BoltzmannMachine, state: State, path: Path | None = None, *, kept: int = 0) -> Tensor:
    r"""Return the logarithm of the unnormalised probability of the layers that are kept.

    Without lateral couplings, layers of the other parity are summed out: :math:`\sum_{odd} e^{-E} = e^{\sum_{even} a \cdot s}
    \prod_{odd} Z_i(field_i)`, which for a restricted machine is minus its free energy. With lateral couplings it is minus the energy.

    Parameters
    ----------
    machine : BoltzmannMachine
        The machine.
    state : State
        State, of shape (..., n_l) per layer; layers that are summed out may hold anything.
    path : Path, optional
        Point on the way to the machine.
    kept : {0, 1}
        Parity of the layers that are kept.

    Returns
    -------
    Tensor of shape (...)
        Log weight.
    """
    if machine.lateral:
        return -(machine.energy(state) if path is None else machine.energy_on(state, path))
    fields = {index: machine.field(index, state) for index in range(1 - kept, len(state), 2)}
    return weight_of_fields(machine, state, fields, path, kept=kept)


def weight_of_fields(
    machine: BoltzmannMachine, state: State, fields: dict[int, Tensor], path: Path | None = None, *, kept: int = 0
) -> Tensor:
    """Return the same from the fields on the layers that are summed out, which do not depend on the point of a path."""
    total = torch.zeros_like(state[kept][..., 0])
    for index in range(len(machine.sizes)):
        if index % 2 == kept:
            bias = machine.bias(index) if path is None else scaled(machine.bias(index), index, path)
            total = total + (state[index] * bias).sum(-1)
            if not machine.units[index].values:
                total = total - 0.5 * state[index].square().sum(-1)
        else:
            field = fields[index] if path is None else scaled(fields[index], index, path)
            total = total + machine.units[index].log_partition(field).sum(-1)
    return total


def base_log_partition(machine: BoltzmannMachine, base: Tensor | None) -> Tensor:
    """Return log Z of the independent units at the beginning of a path."""
    total = machine.bias(0).new_zeros(())
    for index, (unit, size) in enumerate(zip(machine.units, machine.sizes, strict=True)):
        field = machine.bias(0).new_zeros(size)
        total = total + unit.log_partition(field if index or base is None else base).sum()
    return total


def of_visible(machine: BoltzmannMachine, visible: Tensor) -> State:
    """Return a state with these visible values and zeros above, for quantities that depend on the visible layer only."""
    return (visible, *(visible.new_zeros(*visible.shape[:-1], size) for size in machine.sizes[1:]))
