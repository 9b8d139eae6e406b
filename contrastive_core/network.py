"""Networks: energies of free units, with inputs clamped."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from contrastive_core.errors import InputError
from contrastive_core.forms import Dissipation, Ladder
from contrastive_core.phases import Hold, Nudge, Phase, Pull
from contrastive_core.types import Gradients, State


class Clamped(NamedTuple):
    """Network with its inputs held fixed.

    Attributes
    ----------
    network : Network
        Network that relaxes; the one inside, where another network only holds its parameters.
    inputs : Tensor of shape (B, n_in), or (B, C, H, W) for pictures
        Clamped inputs.
    drive : Tensor, shaped as the first free layer
        Contribution of the inputs to that layer. It is computed once for all phases, because it takes most multiplications of
        a sweep. For units in a two-dimensional field both components lie side by side, in (B, 2 n_1).
    load : Tensor of shape (n_1,), optional
        Stiffness that the inputs add to the first free layer. In a circuit the drive is the current and the load the conductance of
        the sources.
    """

    network: Network
    inputs: Tensor
    drive: Tensor
    load: Tensor | None = None


class Contrast(NamedTuple):
    """Two phases whose energy gradients were subtracted.

    Attributes
    ----------
    clamped : Clamped
        Network with the inputs of both phases.
    plus, minus : State
        End of each phase; the gradient at the second is subtracted.
    factor : float
        Factor of the difference.
    """

    clamped: Clamped
    plus: State
    minus: State
    factor: float


class Pieces(NamedTuple):
    """Optional abilities of a network; a piece is None, or empty, where a network lacks it.

    Attributes
    ----------
    bounds : mapping of str to (float, float)
        Smallest and largest value of each parameter that has bounds.
    write_ : callable, optional
        Moves the parameters, in place, to the nearest allowed values after a step along a contrast or None; by default clips them.
    read_ : callable, optional
        Reads the hardware that holds the parameters into them, in place.
    hold : callable, optional
        Maps wanted outputs, of shape (B, n_out), to values of the last layer that hold them; None holds the last layer at the outputs.
    nudge : callable, optional
        Maps the nudge that a rule asks for to the one that acts.
    ladder : callable, optional
        Returns the energy at clamped inputs as a :class:`Ladder`, which kernels can settle.
    dissipation : callable, optional
        Returns the :class:`Dissipation` at a state and clamped inputs, for a network that is a circuit.
    scales : callable, optional
        Returns each unit's own curvature at clamped inputs, one (n,) tensor per layer, where stiffness is no measure of it.
    describe : callable, optional
        Returns what ``repr`` shows beside the sizes, such as activations.
    magnitudes : callable, optional
        Returns the size of all that acts on each unit without regard to signs, shaped and scaled as the state; by default the state's.
    shapes : tuple of tuple of int
        Shape of each free layer of one sample, such as (32, 8, 8) for 32 channels; empty if every layer is a row of its units.
    skips : tuple of (int, int)
        Pairs of free layers, by index, that act on each other although they are no neighbours.
    reads : mapping of str to int
        Number of times that a sweep reads each parameter, by name, if more than once: filters are read at every place of a picture.
    """

    bounds: Mapping[str, tuple[float, float]] = {}
    write_: Callable[[Contrast | None], None] | None = None
    read_: Callable[[], None] | None = None
    hold: Callable[[Tensor], Tensor] | None = None
    nudge: Callable[[Nudge], Nudge] | None = None
    ladder: Callable[[Clamped], Ladder] | None = None
    dissipation: Callable[[State, Clamped], Dissipation | None] | None = None
    scales: Callable[[Clamped], tuple[Tensor, ...]] | None = None
    describe: Callable[[], str] | None = None
    magnitudes: Callable[[State, Clamped], State] | None = None
    shapes: tuple[tuple[int, ...], ...] = ()
    skips: tuple[tuple[int, int], ...] = ()
    reads: Mapping[str, int] = {}


class Network(nn.Module, ABC):
    r"""An energy :math:`E(s, x; \theta)` over a tuple of free layers, with everything a dynamics needs to lower it.

    A network holds parameters only. Blocks are its free layers, numbered from the input side; blocks that are not
    neighbours act on each other only if :attr:`Pieces.skips` names them. The abstract members are the core that every network has;
    abilities that only some have are in :attr:`pieces`.

    Attributes
    ----------
    num_inputs : int
        Number of values that a sample has.
    sizes : tuple of int
        Number of units of each free layer, input side first.
    stiffness : tuple of float
        Scale of each layer's own energy, which turns a force on it into a displacement.
    output_is_last_layer : bool
        Whether the outputs are the units of the last layer themselves, so that they can be held and nudged exactly.
    has_readout : bool
        Whether the outputs are read from the last hidden layer by weights of their own, so that no layer is theirs.
    """

    num_inputs: int
    sizes: tuple[int, ...]
    stiffness: tuple[float, ...]
    output_is_last_layer: bool
    has_readout: bool

    @property
    @abstractmethod
    def pieces(self) -> Pieces:
        """Return the optional abilities of this network."""

    @abstractmethod
    def clamp(self, inputs: Tensor) -> Clamped:
        """Hold the inputs, of shape (B, n_in), rows also for pictures, and compute their contribution to the first layer, once.

        Inputs may be a tensor, an array or nested lists of any real dtype, and are converted to the dtype of the parameters.

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

        With ``minus`` it is the contrast :math:`\partial_\theta E(s) - \partial_\theta E(s^-)` of two states. A joint computation saves
        products and rounding errors.
        """

    @abstractmethod
    def minimiser(self, index: int, state: State, clamped: Clamped, pull: Pull | None = None) -> Tensor:
        """Return the value of block ``index`` that is stationary with the other blocks held.

        For a quadratic energy in a box this is the exact minimum, including the ``pull`` of a nudge. For smooth activations it is one
        fixed-point step, with the curvature of the pull at the present state. For a block whose units act on each other it is one sweep
        over the units, which leaves a minimum unchanged.
        """

    @abstractmethod
    def compliance(self, state: State) -> State:
        """Return the diagonal of the inverse of each unit's own curvature at ``state``; 0 for a unit held by its bounds."""

    @abstractmethod
    def initial_state(self, clamped: Clamped, generator: torch.Generator | None = None) -> State:
        """Return the start of a free phase: rest, or a random state if a generator is given."""

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
    def pull_back(self, state: State, gradient: Tensor) -> Tensor:
        """Turn a gradient on the outputs, of shape (B, n_out), into one on the last layer at ``state``."""

    @abstractmethod
    def least_curvature(self, enough: float = -math.inf) -> float:
        """Return the curvature above which a nudge of the outputs leaves the energy a minimum.

        Minus infinity means that every nudge leaves one. If an upper bound is below ``enough``, it may be returned instead, because it
        can be cheaper.
        """

    def forward(self, *inputs: object) -> Tensor:
        """Refuse a call: outputs are those of a state, which a rule infers.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError(
            "a network is no function of its inputs, because its outputs are read from a relaxed state; "
            "write network.output(rule.infer(network, inputs).state), with a rule such as RULES['ep-centered']('squared-error')"
        )

    @final
    def extra_repr(self) -> str:
        """Return what ``repr`` shows: the number of units of each layer, and what is particular to the network."""
        units = "-".join("x".join(map(str, shape)) for shape in ((self.num_inputs,), *self.shapes))
        return units if (describe := self.pieces.describe) is None else f"{units}, {describe()}"

    @final
    def has_minimum(self, curvature: float) -> bool:
        """Whether the energy keeps a minimum when a nudge adds this curvature to the outputs."""
        return curvature >= 0 or curvature > self.least_curvature(curvature)

    @property
    @final
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return the shape of each free layer of one sample."""
        return self.pieces.shapes or tuple((size,) for size in self.sizes)

    @property
    @final
    def holds_outputs(self) -> bool:
        """Whether outputs can be held, either as units of the last layer or through values of that layer."""
        return self.output_is_last_layer or self.pieces.hold is not None

    @final
    def applied(self, phase: Phase) -> Phase:
        """Return the phase that acts on the network when a rule asks for ``phase``."""
        pieces = self.pieces
        if isinstance(phase, Nudge) and pieces.nudge is not None:
            return pieces.nudge(phase)
        if isinstance(phase, Hold) and pieces.hold is not None:
            return Hold(pieces.hold(phase.output))
        return phase

    @final
    def begin_use_(self) -> None:
        """Begin another use of the network, in place: hardware reads its arrays anew, other networks do not change.

        Call it once before each batch. All calls until the next use then see the same reading and change nothing.
        """
        read_ = self.pieces.read_
        if read_ is not None:
            with torch.no_grad():
                read_()

    @final
    def constrain_(self, contrast: Contrast | None = None) -> None:
        """Move the parameters, in place, to the nearest values they may have; called after every step of an optimiser.

        Parameters
        ----------
        contrast : Contrast, optional
            Phases that the step followed; needed by hardware that writes them one by one.
        """
        pieces = self.pieces
        with torch.no_grad():
            if pieces.write_ is not None:
                pieces.write_(contrast)
                return
            for name, (low, high) in pieces.bounds.items():
                self.get_parameter(name).clamp_(low, high)

    @final
    def unit_scales(self, clamped: Clamped) -> tuple[Tensor | float, ...]:
        """Return what turns a force on each unit into a displacement, and is the time constant of flows."""
        return self.stiffness if (scales := self.pieces.scales) is None else scales(clamped)

    @final
    def ladder(self, clamped: Clamped) -> Ladder | None:
        """Return the energy as one that kernels can settle; None if it is not of that form."""
        return None if (ladder := self.pieces.ladder) is None else ladder(clamped)

    @final
    def dissipation(self, state: State, clamped: Clamped) -> Dissipation | None:
        """Return the heat at a state, without a gradient; None if the network is not a circuit."""
        with torch.no_grad():
            return None if (dissipation := self.pieces.dissipation) is None else dissipation(state, clamped)
