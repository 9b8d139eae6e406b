"""Networks around another one, for what changes how its parameters are held and learned, or part of what acts on its units."""

from __future__ import annotations

from abc import ABC
from typing import Generic, TypeVar

import torch
from torch import Tensor

from contrastive_core.network import Clamped, Network
from contrastive_core.phases import Phase, Pull
from contrastive_core.types import State

N = TypeVar("N", bound=Network)


class Enclosing(Network, ABC, Generic[N]):
    """The units of the network inside: how many there are, where they may be and what is read from them.

    What is left to say is what moves the units, and what the parameters are: their names, gradients and the values they may have.

    Parameters
    ----------
    network : Network
        What is inside; its parameters are not registered here.
    """

    def __init__(self, network: N) -> None:
        super().__init__()
        self._inside = (network,)  # in a tuple: a submodule would show its parameters a second time, with a prefix

    @property
    def inside(self) -> N:
        """Return the network inside."""
        return self._inside[0]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of units of each free layer, input side first."""
        return self.inside.sizes

    @property
    def stiffness(self) -> tuple[float, ...]:
        """Scale of each layer's own energy."""
        return self.inside.stiffness

    def compliance(self, state: State) -> State:
        """Return the diagonal of the inverse of each unit's own curvature."""
        return self.inside.compliance(state)

    def initial_state(self, clamped: Clamped, generator: torch.Generator | None = None) -> State:
        """Return the state that a free phase starts from."""
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

    def pull_back(self, gradient: Tensor) -> Tensor:
        """Turn a gradient on the outputs into one on the last layer."""
        return self.inside.pull_back(gradient)

    def pull_back_at(self, state: State, gradient: Tensor) -> Tensor:
        """Return the same at a state."""
        return self.inside.pull_back_at(state, gradient)

    @property
    def has_readout(self) -> bool:
        """Whether the outputs are read out by weights of their own."""
        return self.inside.has_readout

    @property
    def output_is_last_layer(self) -> bool:
        """Whether the outputs are the units of the last layer themselves."""
        return self.inside.output_is_last_layer

    @property
    def holds_outputs(self) -> bool:
        """Whether outputs can be held."""
        return self.inside.holds_outputs

    def applied(self, phase: Phase) -> Phase:
        """Return what acts on the network inside when a rule asks for ``phase``."""
        return self.inside.applied(phase)

    def has_minimum(self, curvature: float) -> bool:
        """Whether the last layer stays stable when a nudge adds this curvature to it."""
        return self.inside.has_minimum(curvature)

    def least_curvature(self) -> float:
        """Return the curvature above which a nudge leaves the last layer stable."""
        return self.inside.least_curvature()


class SameEnergy(Enclosing[N], ABC):
    """The energy of the network inside, too: relaxations run on that network, with its kernels, once it is clamped."""

    def energy(self, state: State, clamped: Clamped) -> Tensor:
        """Return the energy of each sample, of shape (B,)."""
        return self.inside.energy(state, clamped)

    def force(self, state: State, clamped: Clamped) -> State:
        """Return the force."""
        return self.inside.force(state, clamped)

    def minimiser(self, index: int, state: State, clamped: Clamped, pull: Pull | None = None) -> Tensor:
        """Return the stationary value of a block."""
        return self.inside.minimiser(index, state, clamped, pull)
