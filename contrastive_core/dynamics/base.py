"""Dynamics: the steps of a relaxation, and what a phase adds to the network that they move."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from contrastive_core.network import Clamped
from contrastive_core.networks.links import is_nothing
from contrastive_core.per_sample import largest
from contrastive_core.phases import Hold, Nudge, Phase, Pull
from contrastive_core.types import State


@dataclass(frozen=True)
class Dynamics(ABC):
    r"""One step of a relaxation. The torch code is its definition; it is differentiable and changes nothing in place.

    A dynamics that remembers looks back at earlier steps of the same relaxation, through a memory that goes from step to step. The state
    that its step returns is always the image :math:`G(p)` of one *plain* step from a point p that the memory holds, and the residual is
    :math:`|G(p) - p|` without damping. A certificate then means the same as that of a plain dynamics: the choice of the next point can
    be poor, but cannot be taken for convergence.

    Attributes
    ----------
    noisy : bool
        Whether its steps draw noise, and need a generator.
    whole : bool
        Whether one step is a whole relaxation, which is not repeated, and whose free phase does not depend on where it starts.
    remembers : bool
        Whether a step depends on earlier ones.
    """

    noisy: ClassVar[bool] = False
    whole: ClassVar[bool] = False
    remembers: ClassVar[bool] = False

    @abstractmethod
    def advance(
        self, state: State, memory: Any, clamped: Clamped, phase: Phase = None, generator: torch.Generator | None = None
    ) -> tuple[State, Tensor, Any]:
        """Return the next state, the residual of the step, and the memory for the one after.

        Parameters
        ----------
        state : State
            One (B, n) tensor per free layer; not modified.
        memory : object
            Memory that the step before returned; None at the start of a relaxation, and always for a dynamics that does not remember.
        clamped : Clamped
            Network with its inputs held.
        phase : Nudge, Hold or None
            Phase that acts besides the inputs.
        generator : torch.Generator, optional
            Source of noise, for dynamics that have any.

        Returns
        -------
        state : State
            The next state.
        residual : Tensor of shape (B,)
            The largest change, over each sample's units, of the *undamped* update, so that a smaller step size cannot pass
            for convergence.
        memory : object
            None for a dynamics that does not remember.
        """

    @abstractmethod
    def reversed(self) -> "Dynamics":
        """Return the dynamics of phases that start from the free state: the opposite order of blocks; itself where there is no order."""

    @property
    @abstractmethod
    def compiled(self) -> "Dynamics | None":
        """Return a dynamics that takes the same steps by a kernel of its own, on the CPU; None if it has none."""

    @final
    def step(self, state: State, clamped: Clamped, phase: Phase = None, generator: torch.Generator | None = None) -> tuple[State, Tensor]:
        """Return the state after one step from a standing start, and its residual."""
        new, residual, _ = self.advance(state, None, clamped, phase, generator)
        return new, residual


def is_joint(phase: Phase) -> bool:
    """Whether the rows of a batch act on each other in a phase, so that they are one system."""
    return isinstance(phase, Nudge) and phase.frozen is None and phase.cost.coupled


def pull_of(phase: Phase, clamped: Clamped, state: State) -> Pull | None:
    r"""Return the pull of a nudge on the last layer at ``state``; None in other phases.

    The nudged cost is modelled by its gradient at the present output and its constant curvature :math:`c`, if it has one:
    linear :math:`= \beta (c\,o - \partial C/\partial o)`, curvature :math:`= \beta c`. A frozen nudge is a constant force. Behind a
    readout or a function of the units, the cost's curvature is not one of theirs: the pull on them is their force at ``state`` alone.
    """
    if not isinstance(phase, Nudge):
        return None
    network, strength = clamped.network, phase.strength
    if phase.frozen is not None:
        # A frozen force does not follow the outputs, and so adds no curvature.
        gradient, on_outputs = phase.frozen, Pull(-strength * phase.frozen, 0.0)
    else:
        output, curvature = network.output(state), phase.cost.curvature
        gradient = phase.cost.gradient(output, phase.batch)
        on_outputs = Pull(strength * (curvature * output - gradient if curvature else -gradient), strength * curvature)
    if network.output_is_last_layer:
        return on_outputs
    return Pull(-strength * network.pull_back(state, gradient), 0.0, on_outputs)


def moving_blocks(state: State, phase: Phase) -> range:
    """Return the indices of the layers that a phase leaves free: all but the last where the outputs are held."""
    return range(len(state) - 1 if isinstance(phase, Hold) else len(state))


def stationary(state: State, clamped: Clamped, phase: Phase) -> State:
    """Return every layer that a phase leaves free at its stationary value, with the others held at ``state``."""
    moving, pull = moving_blocks(state, phase), pull_of(phase, clamped, state)
    return tuple(
        clamped.network.minimiser(index, state, clamped, pull if index == len(state) - 1 else None) if index in moving else layer
        for index, layer in enumerate(state)
    )


def flow_residual(state: State, stepped: State, clamped: Clamped, phase: Phase) -> Tensor:
    """Return the residual of a flow, of shape (B,): the larger of what a step of size 1 and what a sweep of block descent would move.

    A step alone would not do, because spins have no curvature of their own, phases only that of the field, and a nudge may take most of a
    unit's away: weak forces would pass for convergence. A sweep alone would not do where units are so stiff that a step overshoots.
    """
    return torch.maximum(largest_change(state, stepped), largest_change(state, stationary(state, clamped, phase)))


def largest_change(old: State, new: State) -> Tensor:
    """Return the largest absolute difference over each sample's units, of shape (B,); 0 where no layer may move."""
    # Held layers are handed on as they are, and need no pass over their memory; from rest the change is the layer itself.
    changes = [
        largest(after if is_nothing(before) else after - before) for before, after in zip(old, new, strict=True) if after is not before
    ]
    residual = changes[0] if changes else old[0].new_zeros(old[0].shape[0])
    for change in changes[1:]:
        residual = torch.maximum(residual, change)
    return residual
