"""Mean-field and TAP approximations: means of all units, and the estimate of log Z at them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.types import State
from hebbian.boltzmann.machine import BoltzmannMachine


class MeanFields(NamedTuple):
    """Approximate means of all units.

    Attributes
    ----------
    state : State
        Means, of shape (B, n_l) per layer.
    residual : float
        Largest change in the last sweep, before damping.
    """

    state: State
    residual: float


def settle(
    machine: BoltzmannMachine,
    start: State,
    *,
    order: int = 1,
    held: tuple[int, ...] = (),
    sweeps: int = 100,
    tolerance: float = 1e-6,
    damping: float = 0.0,
) -> MeanFields:
    r"""Iterate the mean-field equations :math:`m_i = \langle s_i \rangle(a_i)`, with the reaction of TAP at order 2.

    .. math:: a_i = b_i + \sum_j W_{ij} m_j + \tfrac12 v'(m_i) \sum_j W_{ij}^2 v(m_j),

    with the variance v(m) of a unit. Layers follow each other, odd ones first.

    Parameters
    ----------
    machine : BoltzmannMachine
        The machine.
    start : State
        Start, of shape (B, n_l) per layer; not modified.
    order : {1, 2}
        1 for naive mean field, 2 for TAP.
    held : tuple of int
        Layers that stay as they are, such as (0,) for the posterior at data.
    sweeps : int
        Largest number of sweeps.
    tolerance : float
        Change of a mean at which iteration ends.
    damping : float
        Share of the old mean that is kept, in [0, 1).

    Returns
    -------
    MeanFields
        Means with their residual, which may be above the tolerance.

    Raises
    ------
    InputError
        If the order is neither 1 nor 2.

    References
    ----------
    Plefka (1982), J. Phys. A 15:1971; Gabrié, Tramel & Krzakala (2015), Training restricted Boltzmann machines via the
    Thouless-Anderson-Palmer free energy, NIPS.
    """
    if order not in (1, 2):
        raise InputError(f"order must be 1 (mean field) or 2 (TAP), got {order}")
    with torch.no_grad():
        return _iterate(machine, list(start), order, held, sweeps, tolerance, damping)


def _iterate(
    machine: BoltzmannMachine, layers: list[Tensor], order: int, held: tuple[int, ...], sweeps: int, tolerance: float, damping: float
) -> MeanFields:
    residual = float("inf")
    sequence = (*range(1, len(layers), 2), *range(0, len(layers), 2))
    for _ in range(sweeps):
        residual = 0.0
        for index in sequence:
            if index in held:
                continue
            field = machine.field(index, tuple(layers))
            if order == 2:
                field = field + 0.5 * machine.units[index].variance_slope(layers[index]) * _reaction(machine, index, layers)
            mean = machine.units[index].mean(field)
            residual = max(residual, float((mean - layers[index]).abs().max()))
            layers[index] = mean if damping == 0 else damping * layers[index] + (1 - damping) * mean
        if residual <= tolerance:
            break
    return MeanFields(tuple(layers), residual)


def _reaction(machine: BoltzmannMachine, index: int, layers: list[Tensor]) -> Tensor:
    """Return the sum of squared couplings times the variances at their other ends."""

    def variance(other: int) -> Tensor:
        return machine.units[other].variance(layers[other])

    total = torch.zeros_like(layers[index])
    if index:
        total = total + variance(index - 1) @ machine.weight(index).square()
    if index + 1 < len(layers):
        total = total + variance(index + 1) @ machine.weight(index + 1).square().T
    return total + variance(index) @ machine.couplings(index).square() if machine.lateral else total


def log_partition_at(machine: BoltzmannMachine, means: State, *, order: int = 1) -> Tensor:
    r"""Return the approximation of log Z at given means, of shape (B,): entropy less energy, and the second-order term of TAP.

    .. math:: \log Z \approx \sum_i S(m_i) - E(m) + \tfrac12 \sum_{(ij)} W_{ij}^2 v(m_i) v(m_j).

    Naive mean field is a lower bound of log Z at any means. With the visible layer held at a sample it is a lower bound of the
    unnormalised log probability of that sample, if the entropy of that layer is left out (:func:`log_visible_bound`).
    """
    total = -machine.energy(means)
    for index, (unit, layer) in enumerate(zip(machine.units, means, strict=True)):
        total = total + unit.entropy(layer).sum(-1)
        if order == 2 and index:
            total = total + 0.5 * _pairs(machine, means, index - 1, index, machine.weight(index))
        if order == 2 and machine.lateral:
            total = total + 0.25 * _pairs(machine, means, index, index, machine.couplings(index))
    return total


def log_visible_bound(machine: BoltzmannMachine, posterior: State) -> Tensor:
    """Return a lower bound of the unnormalised log probability of visible values, at means of the hidden units, of shape (B,)."""
    return log_partition_at(machine, posterior) - machine.units[0].entropy(posterior[0]).sum(-1)


def _pairs(machine: BoltzmannMachine, means: State, below: int, above: int, couplings: Tensor) -> Tensor:
    one, other = (machine.units[index].variance(means[index]) for index in (below, above))
    return ((one @ couplings.square()) * other).sum(-1)
