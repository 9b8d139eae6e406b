"""Annealing of Ising machines: relaxations by annealed heat bath, and searches for the lowest energy with annealed noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive_core.dynamics.base import Dynamics, pull_of
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.kernels.spins import counter_random
from contrastive_core.network import Clamped
from contrastive_core.phases import Hold, Nudge, Phase
from contrastive_core.types import State
from eqprop.ising import Ising


class Schedule(NamedTuple):
    """One anneal of a batch, for the kernel and for the torch code.

    Attributes
    ----------
    state : State
        Start of the anneal, or the part of it that is held.
    below, above : Tensor of shape (B, H) and (B, O)
        Fields on the hidden and the output spins, the nudge included.
    couplings : Tensor of shape (H, O)
        Couplings between hidden and output spins.
    betas : ndarray of float32, shape (S,)
        Inverse temperature of each sweep.
    reads : int
        Number of anneals, of which that with the lowest energy counts.
    given, held : bool
        Whether anneals start from the state, and whether its outputs stay as they are.
    seed : int
        Seed of all draws.
    """

    state: State
    below: Tensor
    above: Tensor
    couplings: Tensor
    betas: NDArray[np.float32]
    reads: int
    given: bool
    held: bool
    seed: int


@final
@typed()
@dataclass(frozen=True)
class Annealing(Dynamics):
    r"""A step is a whole anneal: sweeps over hidden and output spins by heat bath, while the inverse temperature grows.

    .. math:: P(s_i = 1) = 1 / (1 + e^{2 b_k h_i}), \qquad b_k = b_\mathrm{hot} (b_\mathrm{cold} / b_\mathrm{hot})^{k/(S-1)},

    with h the field on a spin. A free phase starts each of some reads from random spins, whatever its start, and keeps that of the lowest
    energy; the phases after it (:meth:`reversed`) anneal once, from the free state, at a temperature low enough to remember it.
    Laydevant et al. (2024), "Training an Ising machine with equilibrium propagation", whose code was read.

    A machine's fields are set before an anneal and stay during it, so that a nudge is the force at the start of the step. A sample that
    costs nothing stays where it is under a nudge towards lower cost, or a frozen one: the state of lowest energy that also has the lowest
    cost has the lowest energy of both together, and an anneal could only shake it.

    The residual is 2, the move of a spin, where turning a single spin lowers the energy, and 0 where none does: that the energy is the
    lowest of all, nothing can certify. Spins whose fields are below the last temperature still turn, and such samples are reported as not
    converged.

    Attributes
    ----------
    reads, sweeps : int
        Anneals of a free phase, and sweeps of every anneal.
    hot, cold : float
        Inverse temperatures between which a free anneal goes, geometrically.
    reverse : float
        Point on that way at which a later phase starts: 0 forgets the free state, 1 stays in its basin.
    back : bool
        Whether it is a later phase.
    by_kernel : bool
        Whether the kernel does it; backends choose (:attr:`compiled`).
    """

    noisy: ClassVar[bool] = True
    whole: ClassVar[bool] = True
    reads: int = 10
    sweeps: int = 100
    hot: float = 0.1
    cold: float = 10.0
    reverse: float = 0.25
    back: bool = False
    by_kernel: bool = False

    def __post_init__(self) -> None:
        if not (self.reads > 0 and self.sweeps > 0):
            raise InputError(f"an anneal has at least 1 read and 1 sweep, got {self.reads} and {self.sweeps}")
        if not 1e-30 <= self.hot <= self.cold <= 1e30:  # what single precision holds
            raise InputError(f"an anneal goes from hot to cold, 1e-30 <= hot <= cold <= 1e30 inversely, got {self.hot:g} and {self.cold:g}")
        if not 0 <= self.reverse <= 1:
            raise InputError(f"reverse is where on the way from hot to cold a later phase starts, from 0 to 1, got {self.reverse:g}")

    def advance(
        self, state: State, memory: None, clamped: Clamped, phase: Phase = None, generator: torch.Generator | None = None
    ) -> tuple[State, Tensor, None]:
        """Return the state after one anneal, and 2 where a single spin could still lower the energy.

        Raises
        ------
        InputError
            If there is no generator to draw from, or the network is not an Ising machine.
        """
        schedule = self.schedule(state, clamped, phase, generator)
        annealed = _sampled_by_kernel(schedule) if self.by_kernel else _sampled(schedule)
        stays = self._stays(state, clamped, phase)
        if stays is not None:
            annealed = tuple(torch.where(stays[:, None], old, new) for old, new in zip(schedule.state, annealed, strict=True))
        return annealed, _largest_move(schedule, annealed), None

    @property
    def compiled(self) -> Dynamics:
        """Return the same anneal by the kernel, which draws the same numbers and works in float32."""
        return replace(self, by_kernel=True)

    def reversed(self) -> Dynamics:
        """Return the anneal of the phases that start from the free state, or back from them that of free phases."""
        return replace(self, back=not self.back)

    def schedule(self, state: State, clamped: Clamped, phase: Phase, generator: torch.Generator | None) -> Schedule:
        """Return the schedule of an anneal, with a seed drawn from the generator."""
        network = clamped.network
        if not isinstance(network, Ising):
            raise InputError(f"only an Ising machine anneals, and this is a {type(network).__name__}; take another dynamics")
        if generator is None:
            raise InputError("annealing needs a generator; pass generator=torch.Generator().manual_seed(...) to relax")
        first = self.hot * (self.cold / self.hot) ** (self.reverse if self.back else 0.0)
        betas = np.geomspace(first, self.cold, self.sweeps).astype(np.float32)
        state = (state[0], phase.output) if isinstance(phase, Hold) else state
        above = network.output_field(pull_of(phase, clamped, state)).expand(len(clamped.drive), -1)
        seed = int(torch.randint(2**31, (), generator=generator, device=generator.device))
        reads = 1 if self.back else self.reads
        return Schedule(state, clamped.drive, above, network.weight_2, betas, reads, self.back, isinstance(phase, Hold), seed)

    def _stays(self, state: State, clamped: Clamped, phase: Phase) -> Tensor | None:
        """Return a mask of the samples that an anneal could only disturb, of shape (B,); None if there are none."""
        if not (self.back and isinstance(phase, Nudge)) or (phase.frozen is None and phase.strength < 0):
            return None
        output = clamped.network.output(state)
        gradient = phase.cost.gradient(output, phase.batch) if phase.frozen is None else phase.frozen
        return (gradient == 0).all(1)


def _largest_move(schedule: Schedule, state: State) -> Tensor:
    """Return 2 where turning a spin that is free lowers the energy, 0 elsewhere, and NaN where a field is not finite; of shape (B,)."""
    hidden, output = state
    falls = hidden * (schedule.below + output @ schedule.couplings.T)
    if not schedule.held:
        falls = torch.cat((falls, output * (schedule.above + hidden @ schedule.couplings)), 1)
    moves = 2 * (falls > 0).any(1).to(falls)
    return torch.where(torch.isfinite(falls).all(1), moves, torch.nan).detach()


def _sampled(schedule: Schedule) -> State:
    """Anneal all reads of all samples at once; the chains of a sample are numbered one after the other."""
    rows, reads = len(schedule.below), schedule.reads
    chains = np.arange(rows * reads)[:, None]
    hidden, output, below, above = (t.repeat_interleave(reads, 0) for t in (*schedule.state, schedule.below, schedule.above))
    if not (schedule.given or schedule.held):
        words = counter_random.words(schedule.seed, chains, 0, np.arange(output.shape[1]), counter_random.SITE)
        output = torch.from_numpy(2.0 * (words >> np.uint64(31)) - 1).to(output)

    def turned(spins: Tensor, fields: Tensor, step: int) -> Tensor:
        """Draw each spin by heat bath; gradients through it are 0."""
        draws = torch.from_numpy(counter_random.uniform(schedule.seed, chains, step, np.arange(spins.shape[1]))).to(fields)
        odds = torch.exp((2 * float(schedule.betas[step // 2]) * fields).clamp(-80, 80))
        margin = 1 - draws * (1 + odds)
        return torch.sign(margin) - (margin == 0).to(margin)

    for sweep in range(len(schedule.betas)):
        hidden = turned(hidden, below + output @ schedule.couplings.T, 2 * sweep)
        if not schedule.held:
            output = turned(output, above + hidden @ schedule.couplings, 2 * sweep + 1)
    energies = ((below + output @ schedule.couplings.T) * hidden).sum(1) + (above * output).sum(1)
    best = torch.arange(rows, device=energies.device) * reads + energies.view(rows, reads).argmin(1)
    return hidden[best], output[best]


def _sampled_by_kernel(schedule: Schedule) -> State:
    from contrastive_core.kernels.spins.anneal_cpu import anneal

    given = (schedule.below, schedule.above, schedule.couplings, schedule.couplings.T)
    below, above, forth, back = (t.detach().float().contiguous().numpy() for t in given)
    hidden, output = (layer.detach().float().clone(memory_format=torch.contiguous_format) for layer in schedule.state)
    (k0, k1), spins, energies = counter_random.key_of(schedule.seed), (hidden.numpy(), output.numpy()), np.empty(len(below), np.float32)
    anneal(below, above, forth, back, schedule.betas, schedule.reads, schedule.given, schedule.held, k0, k1, *spins, energies)
    return hidden.to(schedule.below), schedule.state[1] if schedule.held else output.to(schedule.below)


def noisy_energies(couplings: NDArray[np.float64], noise: float, sweeps: int, searches: int, seed: int) -> NDArray[np.float64]:
    r"""Return the energies in which annealed noisy searches end, :math:`-\tfrac12 s^T J s`.

    Asynchronous :math:`s_i = \mathrm{sgn}(\sum_j J_{ij} s_j + \sigma\xi)` from random spins, with :math:`\sigma` falling linearly to 0.

    Parameters
    ----------
    couplings : ndarray of shape (N, N)
        Couplings, symmetric and without diagonal.
    noise : float
        Noise :math:`\sigma` of the first sweep.
    sweeps, searches : int
        Sweeps of each search, and number of searches.
    seed : int
        Seed of the start and of the noise.

    Returns
    -------
    ndarray of shape (searches,)
        Energies at the end of each search.
    """
    from contrastive_core.kernels.spins.anneal_cpu import noisy_search

    starts = np.random.default_rng(seed).integers(0, 2, (searches, len(couplings)))
    spins = (2 * starts - 1).astype(np.float32)
    noisy_search(couplings.astype(np.float32), np.linspace(noise, 0, sweeps).astype(np.float32), *counter_random.key_of(seed), spins)
    return np.asarray(-0.5 * np.einsum("bi,ij,bj->b", spins, couplings, spins))
