"""A network around another one, for what changes how parameters are held and learned but not how states settle."""

from __future__ import annotations

from abc import ABC

import torch
from torch import Tensor

from contrastive_core.network import Network
from contrastive_core.types import Clamped, Pull, State


class Enclosing(Network, ABC):
    """Everything about states as the network inside has it; relaxations run on that network, with its kernels.

    What is left to say is what the parameters are: their names, their gradients, and the values they may have.

    Parameters
    ----------
    network : Network
        What is inside; its parameters are not registered here.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._inside = (network,)  # in a tuple: a submodule would show its parameters a second time, with a prefix

    @property
    def inside(self) -> Network:
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

    def clamp(self, inputs: Tensor) -> Clamped:
        """Hold the inputs, of shape (B, n_in)."""
        return self.inside.clamp(inputs)

    def energy(self, state: State, clamped: Clamped) -> Tensor:
        """Return the energy of each sample, of shape (B,)."""
        return self.inside.energy(state, clamped)

    def force(self, state: State, clamped: Clamped) -> State:
        """Return the force."""
        return self.inside.force(state, clamped)

    def minimiser(self, index: int, state: State, clamped: Clamped, pull: Pull | None = None) -> Tensor:
        """Return the stationary value of a block."""
        return self.inside.minimiser(index, state, clamped, pull)

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

    @property
    def output_is_last_layer(self) -> bool:
        """Whether the outputs are the units of the last layer themselves."""
        return self.inside.output_is_last_layer

    def has_minimum(self, curvature: float) -> bool:
        """Whether the energy keeps a minimum when a nudge adds this curvature to the last layer."""
        return self.inside.has_minimum(curvature)
