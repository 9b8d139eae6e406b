"""Heat bath of the spins of an Ising machine at a fixed temperature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from contrastive_core.dynamics.base import Dynamics, largest_change, pull_of, stationary
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.kernels.spins import counter_random
from contrastive_core.network import Clamped
from contrastive_core.phases import Hold, Nudge, Phase
from contrastive_core.types import State
from eqprop.ising import Ising


@final
@typed()
@dataclass(frozen=True)
class HeatBath(Dynamics):
    r"""Gibbs sweeps over hidden and output spins, which leave :math:`p \propto e^{-(E + \beta C)/T}` unchanged.

    .. math:: P(s_i = 1) = 1/(1 + e^{\Delta_i/T}), \qquad \Delta_i = (E + \beta C)|_{s_i = 1} - (E + \beta C)|_{s_i = -1}.

    Spins of a layer do not act on each other, and are drawn at once. A cost that couples the outputs, as votes do, is drawn output by
    output. Unlike an annealed machine, which clips the field of a nudge, the bath adds the whole cost, so that the law is exact.

    Draws are functions of a seed, the chain and the spin. Two phases whose generators start alike share all of them.

    Attributes
    ----------
    temperature : float
        T in units of the energy; positive.
    """

    noisy: ClassVar[bool] = True
    temperature: float

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise InputError(f"a heat bath has a positive temperature, got {self.temperature}; anneal to reach the lowest energy")

    def advance(
        self, state: State, memory: None, clamped: Clamped, phase: Phase = None, generator: torch.Generator | None = None
    ) -> tuple[State, Tensor, None]:
        """Return the state after one sweep, and 2 where turning a single spin would lower the energy.

        Raises
        ------
        InputError
            If there is no generator to draw from, or the network is not an Ising machine.
        """
        network = clamped.network
        if not isinstance(network, Ising):
            raise InputError(f"a heat bath turns the spins of an Ising machine, and this is a {type(network).__name__}; take Langevin")
        if generator is None:
            raise InputError("a heat bath needs a generator; pass generator=torch.Generator().manual_seed(...) to relax")
        seed = int(torch.randint(2**31, (), generator=generator, device=generator.device))
        output = phase.output if isinstance(phase, Hold) else state[1]
        hidden = self._turned(2 * (clamped.drive + output @ network.weight_2.T), seed, 0)
        if not isinstance(phase, Hold):
            output = self._outputs((hidden, output), clamped, phase, seed)
        new = (hidden, output)
        return new, largest_change(new, stationary(new, clamped, phase)), None

    @property
    def compiled(self) -> Dynamics | None:
        """Return None: no kernel belongs to single sweeps."""
        return None

    def reversed(self) -> Dynamics:
        """Return itself: either order leaves the law unchanged."""
        return self

    def _turned(self, gaps: Tensor, seed: int, step: int, first: int = 0) -> Tensor:
        """Draw spins that differ in energy by ``gaps``, of shape (B, n), from up to down; ``first`` is the number of the first of them."""
        rows, count = gaps.shape
        draws = counter_random.uniform(seed, np.arange(rows)[:, None], step, np.arange(first, first + count))
        # u < 1/(1 + exp(x)), multiplied out; u decides alike in both phases unless the gap has changed enough.
        odds = torch.exp((gaps / self.temperature).clamp(-80, 80))
        return torch.where(torch.from_numpy(draws).to(gaps) * (1 + odds) < 1, 1.0, -1.0).to(gaps)

    def _outputs(self, state: State, clamped: Clamped, phase: Phase, seed: int) -> Tensor:
        network: Ising = clamped.network  # type: ignore[assignment]
        hidden, output = state
        fields = torch.addmm(network.output_field(), hidden, network.weight_2)
        if not isinstance(phase, Nudge):
            return self._turned(2 * fields, seed, 1)
        pull = pull_of(phase, clamped, state)
        if pull is not None and (phase.frozen is not None or (network.voters is None and phase.cost.curvature)):
            # A constant curvature is the same for both values of a spin, so that the rest of the pull is a field.
            return self._turned(2 * (fields - pull.linear), seed, 1)
        output = output.clone()
        for index in range(output.shape[1]):
            up, down = output.clone(), output.clone()
            up[:, index], down[:, index] = 1.0, -1.0
            costs = [phase.cost.value(network.output((hidden, spins)), phase.batch) for spins in (up, down)]
            gaps = 2 * fields[:, index] + phase.strength * (costs[0] - costs[1])
            output[:, index] = self._turned(gaps[:, None], seed, 1, index)[:, 0]
        return output
