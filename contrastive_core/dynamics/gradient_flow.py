"""Gradient flow of the energy, by Euler's method inside the units' bounds."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.dynamics.base import Dynamics, flow_residual, moving_blocks, pull_of
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped
from contrastive_core.phases import Phase
from contrastive_core.types import State


@final
@typed()
@dataclass(frozen=True)
class GradientFlow(Dynamics):
    r"""Projected Euler steps of :math:`\kappa_l\, \dot s_l = -\partial F/\partial s_l`.

    The time constants :math:`\kappa_l` are the network's unit scales: a layer's stiffness, so that a small layer energy scale does not slow
    the upper layers, or the conductance of a circuit's node. The energy falls all the same. With smooth activations the flow is stiff near
    the bounds: prefer ``Synchronous`` with damping there. Scellier & Bengio (2017) use a step of one half.

    Attributes
    ----------
    step_size : float
        Euler step, in units of the time constant; positive.
    """

    step_size: float = 0.5

    def __post_init__(self) -> None:
        if not self.step_size > 0:
            raise InputError(f"step_size must be positive, got {self.step_size}; 0.5 is usual")

    def advance(
        self, state: State, memory: None, clamped: Clamped, phase: Phase = None, generator: torch.Generator | None = None
    ) -> tuple[State, Tensor, None]:
        """Return the state after one Euler step, and the larger of what a step of size 1 and what a sweep of block descent would move."""
        network = clamped.network
        moving = moving_blocks(state, phase)
        velocity = velocity_of(state, clamped, phase)

        def euler(size: float) -> State:
            moved = network.project(tuple(s + size * v for s, v in zip(state, velocity, strict=True)))
            return tuple(new if index in moving else old for index, (old, new) in enumerate(zip(state, moved, strict=True)))

        # The residual is that of a whole step at least: a short one would look converged anywhere.
        return euler(self.step_size), flow_residual(state, euler(1.0), clamped, phase), None

    @property
    def compiled(self) -> Dynamics | None:
        """Return None: no kernel belongs to these steps alone."""
        return None

    def reversed(self) -> Dynamics:
        """Return itself: there is no order."""
        return self


def velocity_of(state: State, clamped: Clamped, phase: Phase) -> State:
    r"""Return :math:`-\kappa_l^{-1}\, \partial F/\partial s_l` for every layer, bounds and held layers left out of account."""
    network = clamped.network
    pull = pull_of(phase, clamped, state)
    # A force over a constant would be no displacement: amperes are not volts, and would pass for convergence at small conductances.
    scales = network.unit_scales(clamped)
    velocity = [f / k for f, k in zip(network.force(state, clamped), scales, strict=True)]
    if pull is not None:
        velocity[-1] = velocity[-1] + (pull.linear - pull.curvature * state[-1]) / scales[-1]
    return tuple(velocity)
