"""Exact averages at a temperature: enumeration of spins, quadrature for one unit, and the Gaussian law of linear networks."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.devices.on_device import held_by
from contrastive_core.errors import InputError
from contrastive_core.gradients import complete, named_gradients
from contrastive_core.network import Clamped, Network
from contrastive_core.per_sample import flatten, unflatten
from contrastive_core.types import Batch, Gradients, State
from eqprop.ising import Ising
from eqprop.thermal.chains import weighted_gradient

MOST_SPINS = 20
"""Largest number of spins whose states are enumerated."""
_NODES = 600
_WIDE = 200.0
"""Energies above the lowest, in units of T, within which a unit is integrated: those beyond weigh less than 1e-86."""


class Nodes(NamedTuple):
    """States over which a distribution of one sample is summed.

    Attributes
    ----------
    states : State
        Layers of shape (K, n).
    measure : Tensor of shape (K,)
        Logarithm of the weight of each state in a sum or an integral.
    """

    states: State
    measure: Tensor


def free_energy(network: Network, batch: Batch, cost: Cost, temperature: float, strength: float = 0.0) -> Tensor:
    r"""Return :math:`A_\beta = -T \log \sum_s e^{-(E + \beta C)/T}`, averaged over the samples.

    Parameters
    ----------
    network, batch, cost : Network, Batch, Cost
        Ising machine of at most 20 spins, or network of one unit; samples, and cost.
    temperature : float
        T in units of the energy.
    strength : float
        :math:`\beta` in units of the energy over the cost.
    """
    network, total = held_by(network), torch.zeros((), dtype=torch.float64)
    for row in _rows(batch):
        energy, _, costs, nodes = _terms(network, row, cost, temperature)
        total = total - temperature * torch.logsumexp(nodes.measure - (energy + strength * costs) / temperature, 0)
    return total / len(batch.labels)


def expected_cost(network: Network, batch: Batch, cost: Cost, temperature: float) -> Tensor:
    """Return the mean cost at equilibrium, averaged over the samples; arguments are those of :func:`slope`."""
    network = held_by(network)
    if is_gaussian(network, cost):
        return _gaussian_cost(network, batch, cost, temperature)
    total = torch.zeros((), dtype=torch.float64)
    for row in _rows(batch):
        energy, _, costs, nodes = _terms(network, row, cost, temperature)
        total = total + (_law(energy, costs, nodes, temperature, 0.0) * costs).sum()
    return total / len(batch.labels)


def expected_gradient(network: Network, batch: Batch, cost: Cost, temperature: float, strength: float) -> Gradients:
    r"""Return :math:`\mathrm{E}_\beta[\partial_\theta E]`; arguments are those of :func:`free_energy`."""
    network = held_by(network)
    found = [_zeros(network)]
    for row in _rows(batch):
        energy, states, costs, nodes = _terms(network, row, cost, temperature)
        law = _law(energy, costs, nodes, temperature, strength) / len(batch.labels)
        found.append(weighted_gradient(network, row.inputs, states, law))
    return _summed(found)


def slope(network: Network, batch: Batch, cost: Cost, temperature: float) -> Gradients:
    r"""Return the exact gradient of the expected cost, :math:`-\mathrm{Cov}_0(\partial_\theta E, C)/T + \mathrm{E}_0[\partial_\theta C]`.

    Parameters
    ----------
    network : Network
        Ising machine of at most 20 spins, layered network of linear units, or network of one unit.
    batch, cost : Batch, Cost
        Samples and cost; linear networks need the squared error.
    temperature : float
        T in units of the energy.

    Raises
    ------
    InputError
        If the distribution is none of these.
    """
    network = held_by(network)
    if is_gaussian(network, cost):
        with torch.enable_grad():
            return complete(named_gradients(_gaussian_cost(network, batch, cost, temperature), network), network)
    found = [_zeros(network)]
    for row in _rows(batch):
        energy, states, costs, nodes = _terms(network, row, cost, temperature)
        law = _law(energy, costs, nodes, temperature, 0.0)
        weights = -law * (costs - (law * costs).sum()) / (temperature * len(batch.labels))
        found.append(weighted_gradient(network, row.inputs, states, weights))
        if network.has_readout:
            with torch.enable_grad():
                direct = (law * cost.value(network.output(states), _repeated(row, len(law)))).sum() / len(batch.labels)
                found.append(complete(named_gradients(direct, network), network))
    return _summed(found)


def has_exact_slope(network: Network, cost: Cost) -> bool:
    """Whether :func:`slope` knows the distribution of a network."""
    spins = isinstance(network, Ising) and sum(network.sizes) <= MOST_SPINS
    return spins or sum(network.sizes) == 1 or is_gaussian(network, cost)


def is_gaussian(network: Network, cost: Cost) -> bool:
    """Whether energy and cost are quadratic in units without bounds, so that the equilibrium is Gaussian."""
    if isinstance(network, Ising) or not isinstance(cost, SquaredError):
        return False
    size, dtype = sum(network.sizes), next(network.parameters()).dtype
    clamped = network.clamp(torch.zeros(1, network.num_inputs, dtype=dtype))
    like = network.initial_state(clamped)
    far = unflatten(torch.full((2, size), 1e3, dtype=dtype) * torch.tensor([[1.0], [-1.0]], dtype=dtype), like)
    if any(not torch.equal(a, b) for a, b in zip(network.project(far), far, strict=True)):
        return False
    here, there = torch.zeros(1, size, dtype=dtype), torch.linspace(-1, 1, size, dtype=dtype)[None]
    return torch.allclose(_curvature(network, clamped, here, like), _curvature(network, clamped, there, like), rtol=1e-6)


def spin_states(count: int) -> Tensor:
    """Return all states of spins as rows of -1 and 1, of shape (2^count, count).

    Raises
    ------
    InputError
        If there are more spins than can be enumerated.
    """
    if count > MOST_SPINS:
        raise InputError(
            f"{count} spins have 2^{count} states, and at most {MOST_SPINS} spins are enumerated; take a smaller machine, "
            "or compare with a sampled gradient: --against ep-covariance"
        )
    bits = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
    return torch.from_numpy(2.0 * bits - 1.0)


def _rows(batch: Batch) -> list[Batch]:
    return [Batch(batch.inputs[i : i + 1], batch.labels[i : i + 1]) for i in range(len(batch.labels))]


def _repeated(row: Batch, count: int) -> Batch:
    return Batch(row.inputs.expand(count, -1), row.labels.expand(count, *row.labels.shape[1:]))


def _zeros(network: Network) -> Gradients:
    return {name: torch.zeros_like(parameter) for name, parameter in network.named_parameters()}


def _summed(found: list[Gradients]) -> Gradients:
    return {name: torch.stack([one[name] for one in found]).sum(0) for name in found[0]}


def _law(energy: Tensor, costs: Tensor, nodes: Nodes, temperature: float, strength: float) -> Tensor:
    return torch.softmax(nodes.measure - (energy + strength * costs) / temperature, 0)


def _terms(network: Network, row: Batch, cost: Cost, temperature: float) -> tuple[Tensor, State, Tensor, Nodes]:
    """Return energies and costs of all nodes of one sample, of shape (K,)."""
    with torch.no_grad():
        clamped = network.clamp(row.inputs)
        nodes = _nodes(network, clamped, temperature)
        costs = cost.value(network.output(nodes.states), _repeated(row, len(nodes.measure)))
        return network.energy(nodes.states, clamped), nodes.states, costs, nodes


def _nodes(network: Network, clamped: Clamped, temperature: float) -> Nodes:
    if isinstance(network, Ising):
        spins = spin_states(sum(network.sizes)).to(clamped.drive)
        return Nodes(torch.split_with_sizes(spins, list(network.sizes), 1), spins.new_zeros(len(spins)))
    if sum(network.sizes) == 1:
        return _quadrature(network, clamped, temperature)
    raise InputError(
        f"no exact average is known for this network of {sum(network.sizes)} units: it is a sum for up to {MOST_SPINS} spins, an integral "
        "for one unit, and Gaussian for linear units under the squared error; compare with a sampled gradient, --against ep-covariance"
    )


def _quadrature(network: Network, clamped: Clamped, temperature: float) -> Nodes:
    """Return Gauss-Legendre nodes over the range in which the unit is found."""
    like = network.initial_state(clamped)
    low, high = (float(flatten(network.project(unflatten(torch.full_like(flatten(like), end), like)))) for end in (-1e4, 1e4))
    points, weights = _legendre()
    for _ in range(30):
        grid = torch.from_numpy(low + (high - low) * (points + 1) / 2).to(clamped.drive)[:, None]
        energy = network.energy(unflatten(grid, like), clamped)
        inside = torch.nonzero(energy - energy.min() <= _WIDE * temperature).flatten()
        first, last = max(int(inside[0]) - 1, 0), min(int(inside[-1]) + 1, _NODES - 1)
        if last - first > 0.6 * _NODES:
            break
        # The outermost nodes lie just inside the ends of the interval, which must not creep inwards.
        low, high = (low if first == 0 else float(grid[first]), high if last == _NODES - 1 else float(grid[last]))
    measure = torch.from_numpy(np.log(weights * (high - low) / 2)).to(clamped.drive)
    return Nodes(unflatten(grid, like), measure)


@cache
def _legendre() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points, weights = np.polynomial.legendre.leggauss(_NODES)
    return points, weights


def _curvature(network: Network, clamped: Clamped, at: Tensor, like: State) -> Tensor:
    """Return the second derivative of the energy of one sample, of shape (n, n); differentiable in the parameters."""
    with torch.enable_grad():
        start = at.detach().clone().requires_grad_()
        (first,) = torch.autograd.grad(network.energy(unflatten(start, like), clamped).sum(), start, create_graph=True)
        rows = [torch.autograd.grad(first[0, i], start, create_graph=True, materialize_grads=True)[0][0] for i in range(at.shape[1])]
    return torch.stack(rows)


def _gaussian_cost(network: Network, batch: Batch, cost: Cost, temperature: float) -> Tensor:
    r"""Return :math:`C(\mu) + \tfrac T2 \operatorname{Tr}(H A^{-1})` with curvatures A of the energy and H of the cost."""
    clamped = network.clamp(batch.inputs)
    like = network.initial_state(clamped)
    rest = tuple(torch.zeros_like(layer) for layer in like)
    one = network.clamp(batch.inputs[:1])
    stiffness = _curvature(network, one, torch.zeros_like(flatten(like)[:1]), tuple(layer[:1] for layer in like))
    mean = torch.linalg.solve(stiffness, flatten(network.force(rest, clamped)).T).T
    # Outputs are linear in the units, and the squared error has the identity as its curvature.
    with torch.enable_grad():
        at = mean[:1].detach().requires_grad_()
        outputs = network.output(unflatten(at, like))[0]
        moves = torch.stack([torch.autograd.grad(value, at, create_graph=True, materialize_grads=True)[0][0] for value in outputs])
    spread: Tensor = temperature * (moves * torch.linalg.solve(stiffness, moves.T).T).sum()
    mean_cost: Tensor = cost.value(network.output(unflatten(mean, like)), batch).mean()
    return mean_cost + spread / 2
