"""Chains that give the negative phase of learning: restarted at data, kept, tempered, replicated, or replaced by mean fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.types import State
from hebbian.boltzmann.gibbs import conditional_means, means_and_draws, sweep
from hebbian.boltzmann.machine import BoltzmannMachine, Path
from hebbian.boltzmann.marginals import log_weight
from hebbian.boltzmann.mean_field import settle


@dataclass(frozen=True)
class ChainPlan:
    """Settings of the chains.

    Attributes
    ----------
    sweeps : int
        Gibbs sweeps, or iterations of mean fields, per update of the weights.
    count : int
        Number of kept chains.
    replicas : int
        Points of the path between independent units and the machine: replicas of parallel tempering, or levels of a tempered transition.
    hottest : float
        Point of the path at its far end, from 0 (independent units) to below 1 (the machine).
    """

    sweeps: int = 1
    count: int = 100
    replicas: int = 10
    hottest: float = 0.0

    def __post_init__(self) -> None:
        if self.sweeps < 1 or self.count < 2 or self.replicas < 2 or not 0 <= self.hottest < 1:
            raise InputError(
                "chains need at least 1 sweep, 2 chains, 2 replicas and a hottest point from 0 to below 1, "
                f"got {self.sweeps}, {self.count}, {self.replicas} and {self.hottest:g}"
            )

    def ladder(self, dtype: torch.dtype) -> Tensor:
        """Return the points of the path, of shape (replicas,), the machine first."""
        return torch.linspace(1, self.hottest, self.replicas, dtype=dtype)


class Chains(NamedTuple):
    """Chains between two updates.

    Attributes
    ----------
    state : State
        States, of shape (count, n_l), or (replicas, count, n_l) of parallel tempering.
    base : Tensor of shape (n_0,), optional
        Biases of the independent visible units at the far end of the path.
    accepted : float
        Share of exchanges or tempered transitions that were accepted in the last update; 1 where there are none.
    """

    state: State
    base: Tensor | None = None
    accepted: float = 1.0


Advance = Callable[[BoltzmannMachine, State, Chains, ChainPlan, torch.Generator], tuple[State, Chains]]
"""Takes a machine, the posterior at a batch, chains, their plan and a generator; returns the negative phase and the next chains."""


def start(machine: BoltzmannMachine, plan: ChainPlan, kind: str, generator: torch.Generator, base: Tensor | None = None) -> Chains:
    """Return chains of independent units, with replicas for parallel tempering."""
    with torch.no_grad():
        replicas = plan.replicas if kind == "parallel-tempering" else 1
        state = machine.random_state(replicas * plan.count, generator, base)
        if replicas > 1:
            state = tuple(layer.reshape(replicas, plan.count, -1) for layer in state)
    return Chains(state, base)


def restarted(
    machine: BoltzmannMachine, posterior: State, chains: Chains, plan: ChainPlan, generator: torch.Generator
) -> tuple[State, Chains]:
    """Sweep from the data, for contrastive divergence; the kept chains are not used."""
    state = posterior
    if len(state) > 2 or machine.lateral:  # hidden units that are not drawn first have to start somewhere: at draws from the posterior
        state = sweep(machine, posterior, generator, held=(0,))
    for _ in range(plan.sweeps):
        state = sweep(machine, state, generator)
    return conditional_means(machine, state), chains


def kept(machine: BoltzmannMachine, posterior: State, chains: Chains, plan: ChainPlan, generator: torch.Generator) -> tuple[State, Chains]:
    """Sweep from where the chains were left, for persistent contrastive divergence."""
    state, odd = chains.state, range(1, len(chains.state), 2)
    for step in range(plan.sweeps):
        last = step + 1 == plan.sweeps and not machine.lateral
        state = sweep(machine, state, generator, first=0, held=odd if last else ())
    # One product with the weights gives both the means for the statistics and the draws that the chains go on with.
    means, state = means_and_draws(machine, state, generator)
    return means, chains._replace(state=state)


def tempered(
    machine: BoltzmannMachine, posterior: State, chains: Chains, plan: ChainPlan, generator: torch.Generator
) -> tuple[State, Chains]:
    """Sweep kept chains, and then try one tempered transition of each: up the ladder and down again, accepted as a whole.

    References
    ----------
    Neal (1996), Statistics and Computing 6:353; Salakhutdinov (2009), Learning in Markov random fields using tempered transitions, NIPS.
    """
    if machine.lateral:
        raise InputError("tempered transitions need sweeps that are their own reverse, without lateral couplings; take parallel-tempering")
    state = chains.state
    for _ in range(plan.sweeps):
        state = sweep(machine, state, generator)
    proposed, log_chance = state, torch.zeros_like(state[0][..., 0])
    points = [Path(float(point), chains.base) for point in plan.ladder(torch.float64)]
    for near, far in pairwise(points):
        log_chance = log_chance + log_weight(machine, proposed, far) - log_weight(machine, proposed, near)
        proposed = sweep(machine, proposed, generator, path=far)
    for far, near in zip(points[::-1], points[-2::-1], strict=False):
        # The way down needs the reverse of the sweeps upwards. Seen on the even layers alone, whose weights are compared, a sweep over
        # odd and even layers is its own reverse.
        proposed = sweep(machine, proposed, generator, path=far)
        log_chance = log_chance + log_weight(machine, proposed, near) - log_weight(machine, proposed, far)
    taken = torch.rand(log_chance.shape, generator=generator, dtype=log_chance.dtype).log() < log_chance
    state = tuple(torch.where(taken[..., None], new, old) for new, old in zip(proposed, state, strict=True))
    return conditional_means(machine, state), Chains(state, chains.base, float(taken.double().mean()))


def replicated(
    machine: BoltzmannMachine, posterior: State, chains: Chains, plan: ChainPlan, generator: torch.Generator
) -> tuple[State, Chains]:
    """Sweep replicas at all points of the path, exchange neighbours, and return those at the machine.

    Pairs (0, 1), (2, 3), ... are tried first and (1, 2), (3, 4), ... second, so that a state can travel two rungs per update.

    References
    ----------
    Desjardins et al. (2010), Tempered Markov chain Monte Carlo for training of restricted Boltzmann machines, AISTATS.
    """
    ladder = plan.ladder(machine.bias(0).dtype)
    path = Path(ladder[:, None, None], chains.base)
    state, tried, taken = chains.state, 0, 0.0
    for _ in range(plan.sweeps):
        state = sweep(machine, state, generator, path=path)
    for first in (0, 1):
        state, accepted = _exchange(machine, state, path, first, generator)
        tried, taken = tried + accepted.numel(), taken + float(accepted.double().sum())
    coldest = tuple(layer[0] for layer in state)
    return conditional_means(machine, coldest), Chains(state, chains.base, taken / max(tried, 1))


def _exchange(machine: BoltzmannMachine, state: State, path: Path, first: int, generator: torch.Generator) -> tuple[State, Tensor]:
    """Exchange the states of neighbouring points (first, first + 1), (first + 2, first + 3), ... by Metropolis' rule."""
    nearness = path.nearness
    assert isinstance(nearness, Tensor)
    lower = torch.arange(first, len(nearness) - 1, 2)
    # Interactions alone decide: what no path scales is the same on both sides.
    at_machine, at_base = (machine.energy_on(state, Path(end, path.base)) for end in (1.0, 0.0))
    gap = (at_machine - at_base)[lower + 1] - (at_machine - at_base)[lower]
    step = (nearness[lower + 1] - nearness[lower]).reshape(-1, 1)
    accepted = torch.rand(gap.shape, generator=generator, dtype=gap.dtype).log() < step * gap
    index = torch.arange(len(nearness))[:, None].expand(-1, gap.shape[1]).clone()
    index[lower] += accepted.long()
    index[lower + 1] -= accepted.long()
    return tuple(layer.gather(0, index[..., None].expand_as(layer)) for layer in state), accepted


def naive(machine: BoltzmannMachine, posterior: State, chains: Chains, plan: ChainPlan, generator: torch.Generator) -> tuple[State, Chains]:
    """Iterate kept mean fields, which are deterministic."""
    state = settle(machine, chains.state, sweeps=plan.sweeps, tolerance=0.0).state
    return state, chains._replace(state=state)


def reacting(
    machine: BoltzmannMachine, posterior: State, chains: Chains, plan: ChainPlan, generator: torch.Generator
) -> tuple[State, Chains]:
    """Iterate kept TAP equations, half damped, which are deterministic."""
    state = settle(machine, chains.state, order=2, sweeps=plan.sweeps, tolerance=0.0, damping=0.5).state
    return state, chains._replace(state=state)


CHAINS: dict[str, Advance] = {
    "cd": restarted,
    "pcd": kept,
    "tempered": tempered,
    "parallel-tempering": replicated,
    "mean-field": naive,
    "tap": reacting,
}
"""Negative phases by name."""
