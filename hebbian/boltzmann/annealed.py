"""Annealed importance sampling: log Z of a machine of any size, with a standard error."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.types import State
from hebbian.boltzmann.gibbs import sweep
from hebbian.boltzmann.machine import BoltzmannMachine, Path
from hebbian.boltzmann.marginals import base_log_partition, log_weight, weight_of_fields


class AnnealedEstimate(NamedTuple):
    """Estimate of log Z.

    Attributes
    ----------
    value : float
        Estimate, in nats.
    error : float
        Standard error, from the spread of the runs' weights.
    effective_size : float
        Number of equally weighted runs that the estimate is worth; the error is not trusted where it is small.
    """

    value: float
    error: float
    effective_size: float


def schedule(steps: int) -> Tensor:
    """Return the points of a path from 0 to 1, of shape (steps + 1,): 3 % up to .5, 28 % up to .9, and the rest, where weights change most.

    Shares are those of Salakhutdinov & Murray (2008): 500, 4000 and 10 000 points.

    Raises
    ------
    InputError
        If there are fewer than 10 steps.
    """
    if steps < 10:
        raise InputError(f"annealing takes at least 10 steps, got {steps}; some thousands give small errors")
    first = max(1, round(steps * 500 / 14500))
    second = max(1, round(steps * 4000 / 14500))
    parts = (
        torch.linspace(0, 0.5, first + 1, dtype=torch.float64)[:-1],
        torch.linspace(0.5, 0.9, second + 1, dtype=torch.float64)[:-1],
        torch.linspace(0.9, 1, steps - first - second + 1, dtype=torch.float64),
    )
    return torch.cat(parts)


def base_rates(visible: Tensor, unit: str) -> Tensor:
    """Return biases of independent visible units with the means of a data set, from which a path to a machine of these data is short.

    Parameters
    ----------
    visible : Tensor of shape (B, n_0)
        Data.
    unit : str
        Name of the visible unit.
    """
    mean = visible.mean(0)
    if unit == "gaussian":
        return mean
    # A count of one sample in twenty on both sides keeps pixels that are always dark at finite biases.
    chance = ((mean if unit == "binary" else (1 + mean) / 2) * len(visible) + 0.05 * len(visible)) / (1.1 * len(visible))
    field = torch.log(chance) - torch.log1p(-chance)
    return field if unit == "binary" else field / 2


def estimate_log_partition(
    machine: BoltzmannMachine, generator: torch.Generator, *, runs: int = 100, steps: int = 1000, base: Tensor | None = None
) -> AnnealedEstimate:
    r"""Estimate log Z by annealed importance sampling.

    .. math:: \frac{Z}{Z_0} = \Big\langle \prod_k \frac{p^*_{b_k}(s_{k-1})}{p^*_{b_{k-1}}(s_{k-1})} \Big\rangle,

    over runs that start from independent units and make one Gibbs sweep at each point :math:`b_k` of the path. The mean of the weights
    is unbiased; the logarithm of it is low by half the relative variance, on average.

    Parameters
    ----------
    machine : BoltzmannMachine
        The machine.
    generator : torch.Generator
        Source of the draws.
    runs : int
        Independent runs, at least 2.
    steps : int
        Steps of the path, at least 10.
    base : Tensor of shape (n_0,), optional
        Biases of the independent visible units, such as :func:`base_rates`; None is 0.

    Returns
    -------
    AnnealedEstimate
        Estimate with its standard error, by the delta method.

    Raises
    ------
    InputError
        If there are too few runs or steps.

    References
    ----------
    Neal (2001), Statistics and Computing 11:125; Salakhutdinov & Murray (2008), On the quantitative analysis of deep belief networks, ICML.
    """
    if runs < 2:
        raise InputError(f"an error needs at least 2 runs, got {runs}; 100 are usual")
    with torch.no_grad():
        points = schedule(steps).tolist()
        state = machine.random_state(runs, generator, base)
        weights = torch.zeros(runs, dtype=torch.float64)
        for below, above in pairwise(points):
            state, gained = _step(machine, state, Path(below, base), Path(above, base), generator)
            weights += gained.double()
        total = weights.logsumexp(0)
        shares = (weights - total).exp()  # sum to 1
        effective = float(1 / shares.square().sum())
        # Relative standard error of a mean: the standard deviation of runs * shares over the square root of the number of runs.
        error = float((runs * shares).std() / math.sqrt(runs))
        value = float(total) - math.log(runs) + float(base_log_partition(machine, base))
    return AnnealedEstimate(value, error, effective)


def _step(machine: BoltzmannMachine, state: State, below: Path, above: Path, generator: torch.Generator) -> tuple[State, Tensor]:
    """Move one step along the path: return the state after a sweep at its end, and the log weight that the step adds."""
    if not machine.restricted:
        gained = log_weight(machine, state, above) - log_weight(machine, state, below)
        return sweep(machine, state, generator, path=above), gained
    # The field on the hidden units does not depend on the point of the path: it serves both weights and the draw, one product in three.
    field = machine.field(1, state)
    gained = weight_of_fields(machine, state, {1: field}, above) - weight_of_fields(machine, state, {1: field}, below)
    unit = machine.units[1]
    scaled = above.nearness * field
    hidden = unit.draw(scaled, unit.noise(scaled.shape, generator, scaled))
    return sweep(machine, (state[0], hidden), generator, path=above, held=(1,)), gained
