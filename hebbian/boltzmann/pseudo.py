"""Pseudo-likelihood: the probability of each visible unit given all others, which needs no log Z."""

from __future__ import annotations

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.types import Gradients
from hebbian.boltzmann.machine import BoltzmannMachine

_MOST_VALUES = 2**25
"""Entries of the fields that are held in memory together."""


def pseudo_likelihood(machine: BoltzmannMachine, visible: Tensor, sites: Tensor | None = None) -> Tensor:
    r"""Return the log pseudo-likelihood of each sample, of shape (B,), in nats.

    .. math:: \sum_i \log p(v_i \mid v_{\setminus i}) = -\sum_i \log\bigl[1 + p^*(v^{(i)})/p^*(v)\bigr],

    with unit i turned to its other value in :math:`v^{(i)}`. It is exact for restricted and for fully visible machines.

    Parameters
    ----------
    machine : BoltzmannMachine
        Restricted or fully visible machine with discrete visible units.
    visible : Tensor of shape (B, n_0)
        Samples, whose values are those of the units.
    sites : Tensor of shape (M,), optional
        Units to sum over; the sum is scaled by n_0 / M, which is unbiased for random sites. None sums over all.

    Raises
    ------
    InputError
        If the machine is of another kind, or values are between those of the units.

    References
    ----------
    Besag (1975), The Statistician 24:179; Marlin et al. (2010), Inductive principles for restricted Boltzmann machine learning, AISTATS.
    """
    visible = machine.accept(visible)
    unit, size = machine.units[0], machine.sizes[0]
    if not unit.values or not (machine.restricted or len(machine.sizes) == 1):
        raise InputError("the pseudo-likelihood needs a restricted or fully visible machine of binary units or spins; others have AIS")
    low, high = unit.values
    if not bool(((visible == low) | (visible == high)).all()):
        raise InputError(f"the pseudo-likelihood is that of values {low:g} and {high:g}; make the data binary")
    chosen = torch.arange(size) if sites is None else sites
    turned = low + high - 2 * visible[:, chosen]  # change of each unit, (B, M)
    if not machine.restricted:
        # A unit does not act on itself, so that its field is that of the others.
        return -torch.nn.functional.softplus(turned * machine.field(0, (visible,))[:, chosen]).sum(1) * (size / len(chosen))
    field, weight = machine.field(1, (visible, visible.new_zeros(len(visible), machine.sizes[1]))), machine.weight(1)
    before = machine.units[1].log_partition(field).sum(1, keepdim=True)
    total = visible.new_zeros(len(visible))
    together = max(1, _MOST_VALUES // field.numel())
    for part in torch.split(torch.arange(len(chosen)), together):
        moved = field[:, None] + turned[:, part, None] * weight[chosen[part]]  # (B, m, n_1)
        gain = machine.units[1].log_partition(moved).sum(2) - before + turned[:, part] * machine.bias(0)[chosen[part]]
        total = total - torch.nn.functional.softplus(gain).sum(1)
    return total * (size / len(chosen))


def pseudo_likelihood_gradient(machine: BoltzmannMachine, visible: Tensor, sites: Tensor | None = None) -> Gradients:
    """Return the gradient of minus the mean log pseudo-likelihood per sample."""
    named = dict(machine.named_parameters())
    parts = torch.autograd.grad(-pseudo_likelihood(machine, visible, sites).mean(), list(named.values()))
    return dict(zip(named, parts, strict=True))
