"""What a network is: an energy of its free units, with inputs clamped."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from contrastive_core.types import Clamped, Gradients, Pull, State


class Network(nn.Module, ABC):
    r"""An energy :math:`E(s, x; \theta)` over a tuple of free layers, with everything a dynamics needs to lower it.

    A network holds parameters only. Blocks are its free layers, numbered from the input side; blocks that are not
    neighbours do not act on each other.
    """

    @property
    @abstractmethod
    def sizes(self) -> tuple[int, ...]:
        """Number of units of each free layer, input side first."""

    @property
    @abstractmethod
    def stiffness(self) -> tuple[float, ...]:
        """Scale of each layer's own energy: what turns a force on it into a displacement."""

    @abstractmethod
    def clamp(self, inputs: Tensor) -> Clamped:
        """Hold the inputs, of shape (B, n_in), and compute what they contribute to the first layer, once.

        Raises
        ------
        ShapeError
            If ``inputs`` does not have the network's number of input units.
        InputError
            If ``inputs`` is not finite.
        """

    @abstractmethod
    def energy(self, state: State, clamped: Clamped) -> Tensor:
        """Return the energy of each sample, of shape (B,)."""

    @abstractmethod
    def force(self, state: State, clamped: Clamped) -> State:
        r"""Return :math:`-\partial E/\partial s`, in closed form, shaped as ``state``."""

    @abstractmethod
    def energy_gradient(self, state: State, clamped: Clamped, minus: State | None = None, factor: float = 1.0) -> Gradients:
        r"""Return ``factor`` times :math:`\partial E/\partial\theta` at fixed state, averaged over the batch, in closed form.

        With ``minus`` it is the contrast :math:`\partial_\theta E(s) - \partial_\theta E(s^-)` of two states, for which a network
        can save products and digits.
        """

    @abstractmethod
    def minimiser(self, index: int, state: State, clamped: Clamped, pull: Pull | None = None) -> Tensor:
        """Return the value of block ``index`` that is stationary with the other blocks held where they are.

        For a quadratic energy in a box it is the exact minimum, with the ``pull`` of a nudge included; for smooth
        activations the curvature of the pull is taken at the present state, one fixed-point step. A block whose units act on
        each other has no such minimum at hand: it returns one sweep over its units, which stays put in a minimum.
        """

    @abstractmethod
    def compliance(self, state: State) -> State:
        """Return the diagonal of the inverse of each unit's own curvature at ``state``; 0 for a unit held by its bounds."""

    @abstractmethod
    def initial_state(self, clamped: Clamped, generator: torch.Generator | None = None) -> State:
        """Return the state that a free phase starts from: rest, or a random state where a generator is given."""

    @abstractmethod
    def project(self, state: State) -> State:
        """Return ``state`` moved to the nearest point inside the units' bounds."""

    @abstractmethod
    def feedforward(self, clamped: Clamped) -> State:
        """Return one bottom-up pass with the same weights and no feedback: the network that backpropagation trains."""

    @abstractmethod
    def output(self, state: State) -> Tensor:
        """Return the outputs that the cost sees, of shape (B, n_out)."""

    @abstractmethod
    def pull_back(self, gradient: Tensor) -> Tensor:
        """Turn a gradient on the outputs, of shape (B, n_out), into one on the last layer."""

    @property
    @abstractmethod
    def output_is_last_layer(self) -> bool:
        """Whether the outputs are the units of the last layer themselves, so that they can be held and nudged exactly."""

    @abstractmethod
    def has_minimum(self, curvature: float) -> bool:
        """Whether the energy keeps a minimum in the last layer when a nudge adds this curvature to it."""
