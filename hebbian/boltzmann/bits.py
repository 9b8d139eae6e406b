"""Updates of restricted machines of binary units whose ones are few: only these cost additions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from contrastive_core.kernels.spins.counter_random import key_of
from contrastive_core.types import State
from hebbian.boltzmann.machine import BoltzmannMachine

SPARSE = 0.35
"""Share of ones up to which adding rows is faster than a dense product; measured at 784 and 500 units, where they meet at .4."""


class BitPhases(NamedTuple):
    """Two phases of a restricted machine, of B and C samples.

    Attributes
    ----------
    visible : Tensor of shape (B + C, n_0)
        Visible units: data first, states of the machine second.
    means : Tensor of shape (B + C, n_1)
        Means of the hidden units at these.
    state : State
        State of the chains, of shape (C, n_l).
    """

    visible: Tensor
    means: Tensor
    state: State


def suits(machine: BoltzmannMachine, visible: Tensor) -> bool:
    """Whether a machine is restricted, with binary units in the processor's memory, and ones are few in the data."""
    binary = machine.restricted and all(unit.name == "binary" for unit in machine.units)
    return binary and visible.device.type == "cpu" and float(visible.mean()) < SPARSE


def phases(machine: BoltzmannMachine, visible: Tensor, chains: State | None, sweeps: int, generator: torch.Generator) -> BitPhases:
    """Return the hidden means at data, and those of the machine after some sweeps.

    Parameters
    ----------
    machine : BoltzmannMachine
        Machine that :func:`suits`.
    visible : Tensor of shape (B, n_0)
        Batch of zeros and ones.
    chains : State or None
        Kept chains that are continued; None starts from the batch, for contrastive divergence.
    sweeps : int
        Gibbs sweeps, at least 1.
    generator : torch.Generator
        Source of the key of all draws.

    Returns
    -------
    BitPhases
        Phases whose contrast is the estimate of the gradient.
    """
    weight, turned = machine.weight(1).detach(), machine.weight(1).detach().T.contiguous()
    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    at_data, hidden = _drawn(_fields(visible, weight, machine.bias(1)), seed, 0)
    if chains is not None:
        hidden = chains[1]
    for sweep in range(1, sweeps + 1):
        _, below = _drawn(_fields(hidden, turned, machine.bias(0)), seed, 2 * sweep - 1)
        means, hidden = _drawn(_fields(below, weight, machine.bias(1)), seed, 2 * sweep)
    return BitPhases(torch.cat((visible, below)), torch.cat((at_data, means)), (below, hidden))


def descend_(
    machine: BoltzmannMachine, found: BitPhases, rate: float, velocities: dict[str, Tensor] | None, momentum: float, decay: float
) -> None:
    """Take a step down the contrast in place; without velocities it is plain, and neither momentum nor decay of the weights counts."""
    for name, parameter in machine.named_parameters():
        if velocities is None:
            add_contrast_(parameter, name, found, -rate)
            continue
        velocity = velocities[name].mul_(momentum)
        if decay and name == "weight_1":
            velocity.add_(parameter, alpha=decay)
        add_contrast_(velocity, name, found, 1.0)
        parameter.sub_(velocity, alpha=rate)


def add_contrast_(out: Tensor, name: str, found: BitPhases, scale: float) -> None:
    """Add ``scale`` times the contrast of a parameter, as :meth:`BoltzmannMachine.contrast` gives it, to ``out``, in place."""
    from contrastive_core.kernels.spins.bits_cpu import add_rows

    model = len(found.state[0])
    data = len(found.visible) - model
    if name != "weight_1":
        layer = found.visible if name == "bias_0" else found.means
        out.sub_(layer[:data].mean(0), alpha=scale).add_(layer[data:].mean(0), alpha=scale)
        return
    above = torch.cat((found.means[:data] * (-scale / data), found.means[data:] * (scale / model)))
    add_rows((found.visible > 0).T.contiguous().numpy(), above.numpy(), out.detach().numpy())


def _fields(bits: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    fields = bias.detach().expand(len(bits), -1).contiguous()
    _add_product_(fields, bits, weight)
    return fields


def _add_product_(out: Tensor, bits: Tensor, rows: Tensor) -> None:
    """Add ``bits @ rows`` to ``out``, in place."""
    from contrastive_core.kernels.spins.bits_cpu import add_rows

    if float(bits.mean()) < SPARSE:
        add_rows(bits.numpy(), rows.numpy(), out.numpy())
    else:
        out.addmm_(bits, rows)


def _drawn(fields: Tensor, seed: int, step: int) -> tuple[Tensor, Tensor]:
    """Return means and draws of units in these fields, which are overwritten."""
    from contrastive_core.kernels.spins.bits_cpu import draw

    bits = torch.empty_like(fields)
    draw(fields.view(-1).numpy(), *key_of(seed), np.uint64(step), bits.view(-1).numpy())
    return fields, bits
