"""Equilibrium propagation on machines that anneal, and searches whose noise is annealed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.errors import InputError
from contrastive_core.network import Network
from contrastive_core.rule import Rule
from contrastive_core.types import Batch, Clamped, Estimate, Relaxation, State, Status
from eqprop.ising import Ising


@final
@dataclass(frozen=True)
class SpinVotes(Cost):
    """Several output spins vote for each class: targets are 1 for the spins of the label and -1 for the others.

    Attributes
    ----------
    voters : int
        Spins per class.
    """

    voters: int = 4
    curvature = 1.0

    def targets(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the target of each output spin, shaped as ``output``."""
        if output.shape[1] % self.voters:
            raise InputError(f"{output.shape[1]} output spins are no whole number of classes of {self.voters} voters")
        classes = torch.arange(output.shape[1] // self.voters).repeat_interleave(self.voters)
        return torch.where(batch.labels[:, None] == classes, 1.0, -1.0).to(output)

    def value(self, output: Tensor, batch: Batch) -> Tensor:
        """Return half the squared distance to the targets, of shape (B,): twice the number of wrong spins."""
        return 0.5 * (output - self.targets(output, batch)).square().sum(1)

    def gradient(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the output less its targets."""
        return output - self.targets(output, batch)

    def errors(self, output: Tensor, batch: Batch) -> Tensor:
        """Return where the class with most votes is not the label."""
        votes = output.reshape(len(output), -1, self.voters).sum(2)
        return votes.argmax(1) != batch.labels


@final
@dataclass(frozen=True)
class AnnealedPropagation(Rule):
    r"""Equilibrium propagation on an Ising machine: annealed free states, and nudged ones reached by annealing back and forth.

    Spins cannot be moved a little, so the nudge is strong: it adds the field :math:`-\beta y`, clipped to what the machine can set,
    to the outputs and starts from the free state at a temperature low enough to remember it. Samples whose free
    outputs are their targets teach nothing and are left out of the nudge.

    Attributes
    ----------
    cost : SpinVotes
        Has the targets.
    strength : float
        :math:`\beta`.
    reads, sweeps : int
        Anneals per sample, of which the lowest energy counts, and sweeps of each.
    hot, cold : float
        Inverse temperatures between which a free anneal goes, geometrically.
    reverse : float
        Where on that way a nudged anneal starts: 0 forgets the free state, 1 stays in its basin.
    """

    settles: ClassVar[bool] = False

    cost: SpinVotes
    strength: float = 5.0
    reads: int = 10
    sweeps: int = 100
    hot: float = 0.1
    cold: float = 10.0
    reverse: float = 0.25

    def __post_init__(self) -> None:
        if not (self.strength > 0 and self.reads > 0 and self.sweeps > 0 and 0 < self.hot <= self.cold and 0 <= self.reverse <= 1):
            raise InputError(f"annealing needs positive strength, reads, sweeps, 0 < hot <= cold and reverse in [0, 1]; got {self}")

    def estimate(self, network: Network, batch: Batch, *, generator: torch.Generator | None = None) -> Estimate:
        """Anneal, nudge, and contrast.

        Raises
        ------
        InputError
            If there is no generator to draw from, or the network is not an Ising machine.
        """
        if generator is None:
            raise InputError("annealing needs a generator; pass generator=torch.Generator().manual_seed(...)")
        with torch.no_grad():
            clamped = network.clamp(batch.inputs)
            free = self._anneal(clamped, int(torch.randint(2**31, (), generator=generator)))
            targets = self.cost.targets(network.output(free.state), batch)
            wrong = (network.output(free.state) != targets).any(1)
            nudged = self._anneal(clamped, int(torch.randint(2**31, (), generator=generator)), free.state, targets)
            state = tuple(torch.where(wrong[:, None], new, old) for new, old in zip(nudged.state, free.state, strict=True))
            gradients = network.energy_gradient(state, clamped, free.state, 1 / self.strength)
        return Estimate(gradients, {"free": free, "positive": nudged._replace(state=state)})

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return annealed free states; the draws are the same for every call."""
        with torch.no_grad():
            return self._anneal(network.clamp(inputs), 0)

    def _anneal(self, clamped: Clamped, seed: int, start: State | None = None, targets: Tensor | None = None) -> Relaxation:
        from contrastive_core.kernels import rng
        from contrastive_core.kernels.anneal_cpu import anneal

        network = clamped.network
        if not isinstance(network, Ising):
            raise InputError(f"only an Ising machine anneals, and this is a {type(network).__name__}")
        fields = network.output_bias.detach().expand(len(clamped.drive), -1)
        fields = (fields if targets is None else fields - self.strength * targets).clamp(-network.field_limit, network.field_limit)
        ratio = self.cold / self.hot
        first = self.hot * ratio ** (0.0 if start is None else self.reverse)
        betas = np.geomspace(first, self.cold, self.sweeps).astype(np.float32)
        couplings = network.weight_2.detach().float()
        state = network.initial_state(clamped) if start is None else start
        spins = [layer.detach().float().clone(memory_format=torch.contiguous_format) for layer in state]
        energies = torch.empty(len(clamped.drive))
        given = [clamped.drive.detach().float(), fields.float(), couplings, couplings.T]
        reads = self.reads if start is None else 1
        below, above, forth, back = (tensor.contiguous().numpy() for tensor in given)
        (k0, k1), hidden, output = rng.key_of(seed), spins[0].numpy(), spins[1].numpy()
        anneal(below, above, forth, back, betas, reads, start is not None, k0, k1, hidden, output, energies.numpy())
        # An anneal is settled if no single spin can lower the energy; that it is the lowest of all, nothing can certify.
        uphill = (spins[0] * (given[0] + spins[1] @ couplings.T) > 0).any(1) | (spins[1] * (given[1] + spins[0] @ couplings) > 0).any(1)
        steps = torch.full((len(energies),), reads * self.sweeps, dtype=torch.int64)
        status = torch.where(uphill, int(Status.BUDGET), int(Status.CONVERGED)).to(torch.int8)
        return Relaxation(tuple(layer.to(clamped.drive) for layer in spins), steps, 2 * uphill.to(clamped.drive), status)


def noisy_energies(couplings: NDArray[np.float64], noise: float, sweeps: int, searches: int, seed: int) -> NDArray[np.float64]:
    r"""Return the energies in which annealed noisy searches end, :math:`-\tfrac12 s^T J s`.

    Asynchronous :math:`s_i = \mathrm{sgn}(\sum_j J_{ij} s_j + \sigma\xi)` from random spins, with :math:`\sigma` falling linearly to 0.

    Parameters
    ----------
    couplings : ndarray of shape (N, N)
        Symmetric, without diagonal.
    noise : float
        :math:`\sigma` of the first sweep.
    sweeps, searches : int
        Of each search, and how many.
    seed : int
        Of the start and of the noise.

    Returns
    -------
    ndarray of shape (searches,)
        Energies.
    """
    from contrastive_core.kernels import rng
    from contrastive_core.kernels.anneal_cpu import noisy_search

    starts = np.random.default_rng(seed).integers(0, 2, (searches, len(couplings)))
    spins = (2 * starts - 1).astype(np.float32)
    noisy_search(couplings.astype(np.float32), np.linspace(noise, 0, sweeps).astype(np.float32), *rng.key_of(seed), spins)
    return np.asarray(-0.5 * np.einsum("bi,ij,bj->b", spins, couplings, spins))
