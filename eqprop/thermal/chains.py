"""Chains of networks in a heat bath: their records, the averages that are read from them, and their standard errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from contrastive_core.analysis.autocorrelation import pooled_autocorrelation_time
from contrastive_core.certificate import Relaxation, Status
from contrastive_core.cost import Cost
from contrastive_core.devices.on_device import held_by
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.langevin import Langevin
from contrastive_core.errors import DivergenceError, InputError
from contrastive_core.gradients import complete, named_gradients
from contrastive_core.network import Clamped, Network
from contrastive_core.phases import Phase
from contrastive_core.types import Batch, Gradients, State
from eqprop.thermal.heat_bath import HeatBath

_FORGOTTEN = 0.01
"""Largest share of its start that a chain may still show when its record begins."""


class BathRecord(NamedTuple):
    """Record of R replicas of B samples over S sweeps at equilibrium.

    Attributes
    ----------
    states : State
        Layers of shape (S, R, B, n).
    costs : Tensor of shape (S, R, B)
        Cost of every state.
    last : State
        Last state of every chain, of shape (R B, n).
    dropped : int
        Sweeps before the record.
    """

    states: State
    costs: Tensor
    last: State
    dropped: int


def temperature_of(dynamics: Dynamics) -> float:
    """Return the temperature of a heat bath.

    Raises
    ------
    InputError
        If the dynamics has none above 0.
    """
    temperature = dynamics.temperature if isinstance(dynamics, Langevin | HeatBath) else 0.0
    if not temperature > 0:
        raise InputError(
            f"averages over a stationary distribution need a temperature, and {type(dynamics).__name__} comes to rest; give a positive "
            "--node-temperature, or in Python Settling(Langevin(0.1)) or Settling(HeatBath(1.0))"
        )
    return temperature


def replicated(batch: Batch, replicas: int) -> Batch:
    """Return a batch with its samples repeated, replica by replica."""
    labels = batch.labels.repeat(replicas, *(1,) * (batch.labels.dim() - 1))
    return Batch(batch.inputs.repeat(replicas, 1), labels)


def run_chains(
    clamped: Clamped,
    start: State,
    dynamics: Dynamics,
    phase: Phase,
    batch: Batch,
    cost: Cost,
    sweeps: tuple[int, int],
    replicas: int,
    seed: int,
) -> BathRecord:
    """Run chains from a state, and record them.

    Parameters
    ----------
    clamped : Clamped
        Network with the inputs of all R B chains held.
    start : State
        Start of every chain; not modified.
    dynamics : Dynamics
        Heat bath.
    phase : Nudge or None
        Influence beside the inputs.
    batch, cost : Batch, Cost
        Samples of all chains, and the cost that is recorded.
    sweeps : tuple of int
        Sweeps before the record, and recorded ones.
    replicas : int
        R, by which the chains are divided.
    seed : int
        Seed of all draws; phases of one seed share them.

    Raises
    ------
    DivergenceError
        If a state is not finite.
    """
    # Every phase has a generator of its own: two that start alike give common random numbers, whatever has been drawn before.
    generator, state = torch.Generator().manual_seed(seed), start
    kept: list[State] = []
    for sweep in range(sum(sweeps)):
        state, _ = dynamics.step(state, clamped, phase, generator)
        if sweep >= sweeps[0]:
            kept.append(state)
    costs = torch.stack([cost.value(clamped.network.output(one), batch) for one in kept])
    if not bool(torch.isfinite(costs).all()):
        raise DivergenceError("a chain in its heat bath left the numbers; give a smaller --step or --strength")
    shape = (len(kept), replicas, -1)
    layers = tuple(torch.stack(layer).reshape(*shape, *layer[0].shape[1:]) for layer in zip(*kept, strict=True))
    return BathRecord(layers, costs.reshape(shape), state, sweeps[0])


def certificate(chains: BathRecord) -> Relaxation:
    r"""Return the last states of the first replica, with the share of their start that the chains still show as the residual.

    The residual is :math:`e^{-2 d/\tau}` after d dropped sweeps, with the integrated autocorrelation time :math:`\tau` of the cost, which
    is twice the exponential one. A phase has converged where it is at most 1 %. The correlation is about the mean of all replicas, so that
    chains that stay in different modes have not converged, however quickly each fluctuates.
    """
    length, _, size = chains.costs.shape
    time = pooled_autocorrelation_time(chains.costs.numpy())
    left = 1.0 if math.isnan(time) else math.exp(-2 * chains.dropped / time)
    rows = chains.costs.new_full((size,), left)
    status = Status.CONVERGED if left <= _FORGOTTEN else Status.BUDGET
    steps = torch.full((size,), chains.dropped + length, dtype=torch.int64)
    return Relaxation(tuple(layer[:size] for layer in chains.last), steps, rows, torch.full((size,), int(status), dtype=torch.int8))


def mean_state(chains: BathRecord) -> State:
    """Return the average over time and replicas, one (B, n) tensor per layer."""
    return tuple(layer.mean((0, 1)) for layer in chains.states)


def contrast_of_chains(network: Network, batch: Batch, plus: BathRecord, minus: BathRecord, factor: float) -> list[Gradients]:
    r"""Return ``factor`` times :math:`\langle\partial_\theta E\rangle_+ - \langle\partial_\theta E\rangle_-` of every replica."""
    found, length = [], len(plus.costs)
    with torch.no_grad():
        clamped = network.clamp(batch.inputs.repeat(length, 1))
        for replica in range(plus.costs.shape[1]):
            found.append(network.energy_gradient(_rows(plus.states, replica), clamped, _rows(minus.states, replica), factor))
    return found


def covariance_of_chains(network: Network, batch: Batch, chains: BathRecord, temperature: float, groups: int) -> list[Gradients]:
    r"""Return estimates of :math:`-\mathrm{Cov}(\partial_\theta E, C)/T` from all replicas, whose scatter is their error.

    Their means of both factors are those of all replicas: with means of its own, a replica that stays in one mode would tell nothing of
    the others. A deviation is the linear response of the whole estimate to a group of replicas.

    Parameters
    ----------
    network, batch : Network, Batch
        Network, of which a device gives its weights without errors of circuits, and the B samples.
    chains : BathRecord
        Record of a free phase.
    temperature : float
        T in units of the energy.
    groups : int
        Number of groups, a divisor of that of replicas; each costs a pass over all states.
    """
    length, replicas, size = chains.costs.shape
    count = length * replicas
    mean = chains.costs.mean((0, 1))
    inputs, rows = batch.inputs.repeat(count, 1), tuple(layer.flatten(0, 2) for layer in chains.states)
    found = []
    for group in range(groups):
        members = torch.arange(replicas) % groups == group
        own = groups * members[None, :, None] * (chains.costs - mean)
        moved = chains.costs[:, members].mean((0, 1)) - mean
        # The mean takes one degree of freedom of each sample, as in any covariance.
        weights = -(own - moved) / (temperature * size * max(count - 1, 1))
        found.append(weighted_gradient(network, inputs, rows, weights.flatten()))
    return found


def weighted_gradient(network: Network, inputs: Tensor, state: State, weights: Tensor) -> Gradients:
    r"""Return :math:`\sum_k w_k\, \partial_\theta E(s_k)` by autograd, with the states held.

    ``inputs`` has a row for each state, or one for all of them.
    """
    inside = held_by(network)
    with torch.enable_grad():
        energy = inside.energy(tuple(layer.detach() for layer in state), inside.clamp(inputs))
        return complete(named_gradients((weights.detach() * energy).sum(), inside), inside)


def mean_and_error(found: Sequence[Gradients]) -> tuple[Gradients, Gradients | None]:
    """Return the mean of independent estimates, and its standard error; None for a single one."""
    stacked = {name: torch.stack([one[name] for one in found]) for name in found[0]}
    errors = {name: values.std(0) / math.sqrt(len(found)) for name, values in stacked.items()} if len(found) > 1 else None
    return {name: values.mean(0) for name, values in stacked.items()}, errors


def _rows(states: State, replica: int) -> State:
    """Return the states of a replica at all times as rows, time by time."""
    return tuple(layer[:, replica].flatten(0, 1) for layer in states)
