"""What a network is: an energy of its free units, with inputs clamped."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from contrastive_core.errors import InputError, ShapeError
from contrastive_core.phases import Phase, Pull
from contrastive_core.types import Gradients, State


class Clamped(NamedTuple):
    """A network with its inputs held fixed.

    Attributes
    ----------
    network : Network
        The network itself.
    inputs : Tensor of shape (B, n_in)
        The clamped inputs.
    drive : Tensor of shape (B, n_1)
        What the inputs contribute to the first free layer, computed once for all phases: it does not change while the
        inputs are clamped, and it is most of the multiplications of a sweep. Of shape (B, 2 n_1), one component after the other,
        where units feel a field in a plane.
    load : Tensor of shape (n_1,), optional
        What the inputs add to the stiffness of the first free layer, in networks where they do: in a circuit the drive is the
        current, and the load the conductance, of the sources seen from the layer.
    """

    network: Network
    inputs: Tensor
    drive: Tensor
    load: Tensor | None = None


class Ladder(NamedTuple):
    r"""A quadratic energy whose layers act on their neighbours, each unit in a box of its own.

    .. math:: E = \sum_l \left[ \tfrac12\, d_l \cdot s_l^2 - b_l \cdot s_l - s_{l-1} K_l s_l \right] + \mathrm{const},
        \qquad low_l \le s_l \le high_l.

    Attributes
    ----------
    drives : tuple of Tensor
        :math:`b_l`: of shape (B, n_1) for the first layer, with what the inputs contribute, and (n_l,) for the others.
    curvatures : tuple of Tensor of shape (n_l,)
        :math:`d_l`, positive.
    couplings : tuple of Tensor of shape (n_{l-1}, n_l)
        :math:`K_l` of every free layer but the first.
    lows, highs : tuple of Tensor of shape (n_l,)
        The boxes, infinite where there is no bound.
    """

    drives: tuple[Tensor, ...]
    curvatures: tuple[Tensor, ...]
    couplings: tuple[Tensor, ...]
    lows: tuple[Tensor, ...]
    highs: tuple[Tensor, ...]


class Dissipation(NamedTuple):
    """What a circuit turns into heat, and how fast its nodes are; by the parameter that holds the conductances.

    Sources, amplifiers and nudges are what delivers the power, and no part of it.

    Attributes
    ----------
    heat : dict of str to Tensor of shape (B,)
        Watts in the resistors, and in the diodes of the nodes above them.
    nodes : dict of str to Tensor of shape (n,)
        Siemens of all resistors that each node above them sees, through amplifiers too.
    """

    heat: dict[str, Tensor]
    nodes: dict[str, Tensor]


class Network(nn.Module, ABC):
    r"""An energy :math:`E(s, x; \theta)` over a tuple of free layers, with everything a dynamics needs to lower it.

    A network holds parameters only. Blocks are its free layers, numbered from the input side; blocks that are not
    neighbours do not act on each other.

    The last methods have a meaning for most networks already: a network whose parameters have bounds, whose energy is a
    :class:`Ladder` or whose outputs hang on more than their own stiffness says so by its own version.
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
            If ``inputs`` does not have the network's number of input units, or no samples.
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

    def pull_back_at(self, state: State, gradient: Tensor) -> Tensor:
        """Return :meth:`pull_back` at a state, which matters only where outputs are no linear function of the last layer."""
        return self.pull_back(gradient)

    @property
    def has_readout(self) -> bool:
        """Whether the outputs are read out of the last hidden layer by weights of their own, so that no layer is theirs."""
        return not self.output_is_last_layer

    @property
    @abstractmethod
    def output_is_last_layer(self) -> bool:
        """Whether the outputs are the units of the last layer themselves, so that they can be held and nudged exactly."""

    @property
    def holds_outputs(self) -> bool:
        """Whether outputs can be held: as units of the last layer, or at what :meth:`applied` makes of their values."""
        return self.output_is_last_layer

    @abstractmethod
    def has_minimum(self, curvature: float) -> bool:
        """Whether the energy keeps a minimum in the last layer when a nudge adds this curvature to it."""

    def least_curvature(self) -> float:
        """Return the curvature above which a nudge leaves the energy a minimum; minus infinity where every nudge does."""
        return -math.inf if self.has_minimum(-math.inf) else -self.stiffness[-1]

    def applied(self, phase: Phase) -> Phase:
        """Return what acts on the network when a rule asks for ``phase``; itself where nothing stands between the two."""
        return phase

    def parameter_bounds(self) -> dict[str, tuple[float, float]]:
        """Return the smallest and largest value of each parameter that has bounds."""
        return {}

    def constrain_(self) -> None:
        """Move the parameters, in place, to the nearest values they may have; called after every step of an optimiser."""
        with torch.no_grad():
            for name, (low, high) in self.parameter_bounds().items():
                self.get_parameter(name).clamp_(low, high)

    def dissipation(self, state: State, clamped: Clamped) -> Dissipation | None:
        """Return what becomes heat at a state, outside any graph; None where the network is no circuit, and its energy no power."""
        return None

    @property
    def is_ladder(self) -> bool:
        """Whether :meth:`ladder` gives the energy as one that kernels can settle."""
        return False

    def ladder(self, clamped: Clamped) -> Ladder:
        """Return the energy as a quadratic function of layers in boxes, where it ``is_ladder``."""
        raise NotImplementedError(f"{type(self).__name__} is no ladder")


def check_inputs(inputs: Tensor, num_inputs: int) -> None:
    """Refuse inputs that a network cannot be clamped to.

    Parameters
    ----------
    inputs : Tensor
        Expected to be finite and of shape (B, num_inputs), with B at least 1.
    num_inputs : int
        The network's input units.

    Raises
    ------
    ShapeError
        If they have another shape.
    InputError
        If they are not finite.
    """
    if inputs.dim() != 2 or inputs.shape[1] != num_inputs:
        raise ShapeError(f"inputs must have shape (batch, {num_inputs}), got {tuple(inputs.shape)}")
    if inputs.shape[0] == 0:
        raise ShapeError(f"inputs have shape {tuple(inputs.shape)}, and nothing follows from no samples; present at least one")
    # A sum is not finite if an input is not, and is much faster than asking each; it may also overflow, so ask then.
    if not math.isfinite(float(inputs.sum())) and not bool(torch.isfinite(inputs).all()):
        raise InputError("inputs contain NaN or infinity; clean the data before presenting it")
