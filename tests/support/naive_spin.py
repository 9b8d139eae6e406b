"""Slow and obvious twins of the spin kernels: one spin at a time, fields summed over all other spins, exact sums over states."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from contrastive_core.kernels.spins import counter_random


def couplings(features: np.ndarray, scale: float) -> np.ndarray:
    """The dense matrix, without diagonal."""
    matrix = scale / features.shape[1] * features.T.astype(float) @ features.astype(float)
    np.fill_diagonal(matrix, 0)
    return matrix


def new_value(field: float, spin: int, temperature: float, draw: float, rule: str) -> int:
    """One spin by its definition: heat bath, Metropolis, or descent."""
    if rule == "descent":
        return int(np.sign(field)) if abs(field) > 1e-12 else spin
    if rule == "metropolis":
        return -spin if draw < np.exp(min(-2 * spin * field / temperature, 0)) else spin
    return 1 if draw < 1 / (1 + np.exp(-2 * field / temperature)) else -1


def sweep(
    features: np.ndarray,
    scale: float,
    spins: np.ndarray,
    temperature: float,
    seed: int,
    chain: int,
    step: int,
    *,
    rule: str = "glauber",
    order: str = "random",
    site_chain: int | None = None,
) -> np.ndarray:
    """N sequential updates of one chain."""
    matrix, spins, count = couplings(features, scale), spins.copy(), len(spins)
    draws = counter_random.uniform(seed, chain, step, np.arange(count))
    picks = counter_random.words(seed, chain if site_chain is None else site_chain, step, np.arange(count), counter_random.SITE)
    for position in range(count):
        site = int(picks[position]) * count >> 32 if order == "random" else position
        spins[site] = new_value(matrix[site] @ spins, spins[site], temperature, draws[position], rule)
    return spins


def little(features: np.ndarray, scale: float, spins: np.ndarray, temperature: float, seed: int, chain: int, step: int) -> np.ndarray:
    """All spins at once, from the fields of the old ones."""
    fields = couplings(features, scale) @ spins
    draws = counter_random.uniform(seed, chain, step, np.arange(len(spins)))
    return np.array([new_value(f, s, temperature, u, "glauber") for f, s, u in zip(fields, spins, draws, strict=True)], np.int8)


def block(features: np.ndarray, scale: float, spins: np.ndarray, temperature: float, seed: int, chain: int, step: int) -> np.ndarray:
    """The Gaussian hidden layer, and then all spins independently."""
    count, (num_features, num_spins) = features @ spins.astype(int), features.shape
    noise = counter_random.normal(seed, chain, step, num_features) * np.sqrt(num_spins * temperature / scale)
    fields = scale / num_spins * features.T @ (count + noise)
    draws = counter_random.uniform(seed, chain, step, np.arange(num_spins))
    return np.array([new_value(f, s, temperature, u, "glauber") for f, s, u in zip(fields, spins, draws, strict=True)], np.int8)


class Exact(NamedTuple):
    """Canonical averages of two patterns, and the logarithm of the partition function."""

    m1_squared: float
    both_squared: float
    energy_per_spin: float
    log_partition: float


def canonical(counts: tuple[int, ...], temperature: float) -> Exact:
    """Exact sums for two patterns over the up spins of each type; counts of (1,0), (0,1), (1,1), (1,-1) and (0,0) sites."""
    *used, blank = counts
    total = sum(counts)
    ups = np.meshgrid(*[np.arange(n + 1) for n in used], indexing="ij")
    weight = sum(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) for n, k in zip(used, ups, strict=True)) + blank * np.log(2)
    a, b, c, e = (2 * k - n for n, k in zip(used, ups, strict=True))
    m1, m2 = (a + c + e) / total, (b + c - e) / total
    norms = (used[0] + used[1] + 2 * used[2] + 2 * used[3]) / total
    energy = -total / 2 * (m1**2 + m2**2) + norms / 2
    exponent = weight - energy / temperature
    log_z = float(np.log(np.exp(exponent - exponent.max()).sum()) + exponent.max())
    chance = np.exp(exponent - log_z)
    return Exact(float((chance * m1**2).sum()), float((chance * m1**2 * m2**2).sum()), float((chance * energy).sum() / total), log_z)


def parallel_law(patterns: np.ndarray, temperature: float, diagonal: bool) -> float:
    """Return <m_1^2> under the stationary law of parallel updates, as the eigenvector of the whole transition matrix."""
    states = np.array(list(product((-1, 1), repeat=patterns.shape[1])), dtype=float)  # (2^N, N)
    couplings = patterns.T.astype(float) @ patterns / patterns.shape[1]
    if not diagonal:
        np.fill_diagonal(couplings, 0)
    up = 1 / (1 + np.exp(-2 / temperature * states @ couplings))  # (2^N, N): chance of each spin to be up next
    move = np.ones((len(states), len(states)))
    for spin in range(states.shape[1]):
        move *= np.where(states[None, :, spin] > 0, up[:, None, spin], 1 - up[:, None, spin])
    law = np.full(len(states), 1 / len(states))
    for _ in range(20_000):
        moved = law @ move
        if np.abs(moved - law).max() < 1e-15:
            break
        law = moved
    return float(law @ np.square(states @ patterns[0] / patterns.shape[1]))


def boltzmann(patterns: np.ndarray, temperature: float) -> float:
    """Return <m_1^2> under Boltzmann's law, by enumeration."""
    states = np.array(list(product((-1, 1), repeat=patterns.shape[1])), dtype=float)
    overlaps = states @ patterns.T / patterns.shape[1]
    weights = np.exp(patterns.shape[1] / (2 * temperature) * np.square(overlaps).sum(1))
    return float(weights @ np.square(overlaps[:, 0]) / weights.sum())
