"""Boltzmann machines by loops over all joint states in NumPy, slow and obvious."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hebbian.boltzmann.machine import BoltzmannMachine

Floats = NDArray[np.float64]


def parts_of(machine: BoltzmannMachine) -> tuple[list[Floats], list[Floats], list[Floats]]:
    """Return biases, weights and lateral couplings as arrays."""
    count = len(machine.sizes)
    biases = [machine.bias(index).detach().numpy().astype(float) for index in range(count)]
    weights = [machine.weight(index).detach().numpy().astype(float) for index in range(1, count)]
    lateral = [machine.couplings(index).detach().numpy().astype(float) for index in range(count)] if machine.lateral else []
    return biases, weights, lateral


def joint_states(machine: BoltzmannMachine) -> list[tuple[Floats, ...]]:
    """List all joint states of a machine of discrete units."""
    values = [machine.units[index].values for index, size in enumerate(machine.sizes) for _ in range(size)]
    cuts = np.cumsum(machine.sizes)[:-1]
    return [tuple(np.split(np.array(state, float), cuts)) for state in itertools.product(*values)]


def energy_of(machine: BoltzmannMachine, state: tuple[Floats, ...]) -> float:
    """Return the energy of one state, pair by pair."""
    biases, weights, lateral = parts_of(machine)
    total = -sum(float(b @ s) for b, s in zip(biases, state, strict=True))
    for index, weight in enumerate(weights):
        for i, j in itertools.product(range(weight.shape[0]), range(weight.shape[1])):
            total -= state[index][i] * weight[i, j] * state[index + 1][j]
    for index, couplings in enumerate(lateral):
        for i, j in itertools.combinations(range(len(couplings)), 2):
            total -= state[index][i] * couplings[i, j] * state[index][j]
    return total


def law(machine: BoltzmannMachine) -> tuple[list[tuple[Floats, ...]], Floats, float]:
    """Return all states, their probabilities and log Z."""
    states = joint_states(machine)
    weights = np.array([-energy_of(machine, state) for state in states])
    log_z = float(np.log(np.exp(weights - weights.max()).sum()) + weights.max())
    return states, np.exp(weights - log_z), log_z


def log_likelihood_of(machine: BoltzmannMachine, visible: Floats) -> float:
    """Return the mean log likelihood of samples, of shape (B, n_0)."""
    states, chances, _ = law(machine)
    marginal: dict[tuple[float, ...], float] = {}
    for state, chance in zip(states, chances, strict=True):
        marginal[tuple(state[0])] = marginal.get(tuple(state[0]), 0.0) + float(chance)
    return float(np.mean([np.log(marginal[tuple(row)]) for row in visible]))


def expectation(machine: BoltzmannMachine, function: Callable[[tuple[Floats, ...]], Floats]) -> Floats:
    """Return the expectation of a function of the state."""
    states, chances, _ = law(machine)
    return np.asarray(sum(chance * function(state) for state, chance in zip(states, chances, strict=True)))
