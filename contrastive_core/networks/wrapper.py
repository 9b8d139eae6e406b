"""Networks around another one, which change how its parameters are held and learned, or part of what acts on its units.

Both classes here are parts of such networks: they answer for the units by asking the network inside, and hold no parameters.
"""

from __future__ import annotations

import math
from typing import Generic, TypeVar

import torch
from torch import Tensor

from contrastive_core.network import Clamped, Network
from contrastive_core.phases import Pull
from contrastive_core.types import State

N = TypeVar("N", bound=Network)


class SameUnits(Generic[N]):
    """Units of the network inside: their number, their bounds and their outputs.

    A network that has this part defines the forces on the units and its parameters itself.
    """

    _inside: tuple[N]
    num_inputs: int
    sizes: tuple[int, ...]
    stiffness: tuple[float, ...]
    output_is_last_layer: bool
    has_readout: bool

    def enclose(self, network: N) -> None:
        """Put a network inside, in place; its parameters are not registered."""
        self._inside = (network,)  # in a tuple: a submodule would show its parameters a second time, with a prefix
        self.num_inputs, self.sizes, self.stiffness = network.num_inputs, network.sizes, network.stiffness
        self.output_is_last_layer, self.has_readout = network.output_is_last_layer, network.has_readout

    @property
    def inside(self) -> N:
        """Return the network inside."""
        return self._inside[0]

    def compliance(self, state: State) -> State:
        """Return the diagonal of the inverse of each unit's own curvature."""
        return self.inside.compliance(state)

    def initial_state(self, clamped: Clamped, generator: torch.Generator | None = None) -> State:
        """Return the start of a free phase."""
        return self.inside.initial_state(clamped, generator)

    def project(self, state: State) -> State:
        """Return ``state`` moved to the nearest point inside the units' bounds."""
        return self.inside.project(state)

    def feedforward(self, clamped: Clamped) -> State:
        """Return one bottom-up pass."""
        return self.inside.feedforward(clamped)

    def output(self, state: State) -> Tensor:
        """Return the outputs that the cost sees, of shape (B, n_out)."""
        return self.inside.output(state)

    def pull_back(self, state: State, gradient: Tensor) -> Tensor:
        """Turn a gradient on the outputs into one on the last layer."""
        return self.inside.pull_back(state, gradient)

    def least_curvature(self, enough: float = -math.inf) -> float:
        """Return the curvature above which a nudge leaves the last layer stable."""
        return self.inside.least_curvature(enough)


class SameEnergy(SameUnits[N]):
    """Energy of the network inside, too: relaxations run on that network, with its kernels, once it is clamped."""

    def energy(self, state: State, clamped: Clamped) -> Tensor:
        """Return the energy of each sample, of shape (B,)."""
        return self.inside.energy(state, clamped)

    def force(self, state: State, clamped: Clamped) -> State:
        """Return the force."""
        return self.inside.force(state, clamped)

    def minimiser(self, index: int, state: State, clamped: Clamped, pull: Pull | None = None) -> Tensor:
        """Return the stationary value of a block."""
        return self.inside.minimiser(index, state, clamped, pull)
