"""Gradient flow in a heat bath, by the method of Euler and Maruyama."""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.dynamics.base import Dynamics, moving_blocks
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.errors import InputError
from contrastive_core.types import Clamped, Phase, State


@final
@dataclass(frozen=True)
class Langevin(Dynamics):
    r"""Projected Euler steps of gradient flow with thermal noise.

    .. math:: \kappa_l\, ds_l = -\frac{\partial F}{\partial s_l}\, dt + \sqrt{2 T \kappa_l}\, dW_l,

    which visits states with density :math:`\propto e^{-F/T}` as the step goes to 0 (at step h, the variance of a unit of its own
    curvature is :math:`(T/\kappa)/(1 - h/2)`). T is in the units of the energy: for nodes of capacity C at a physical temperature it is
    the thermal energy over that of the unit voltage, so that the rms noise is :math:`\sqrt{k_B \Theta/C}`.

    States never come to rest: relax them for a fixed budget, ``Stop(None, budget)``, and with a generator. The residual is that of the
    drift alone. It is not in ``DYNAMICS``, whose members settle and need no generator.

    Attributes
    ----------
    temperature : float
        T, not negative.
    step_size : float
        Euler step, in units of the time constant; positive.
    """

    temperature: float
    step_size: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise InputError(f"temperature must be finite and not negative, got {self.temperature}; 0 is gradient flow")
        if not self.step_size > 0:
            raise InputError(f"step_size must be positive, got {self.step_size}; 0.1 is usual")

    def step(self, state: State, clamped: Clamped, phase: Phase = None, generator: torch.Generator | None = None) -> tuple[State, Tensor]:
        """Return the state after one noisy Euler step, and the largest change that a step of size 1 would make without noise.

        Raises
        ------
        InputError
            Without a generator, at a temperature above 0.
        """
        drifted, residual = GradientFlow(self.step_size).step(state, clamped, phase)
        if self.temperature == 0:
            return drifted, residual
        if generator is None:
            raise InputError("thermal noise needs a generator; pass generator=torch.Generator().manual_seed(...) to relax")
        moving = moving_blocks(state, phase)
        shaken = []
        for layer, stiffness in zip(drifted, clamped.network.stiffness, strict=True):
            noise = torch.randn(layer.shape, generator=generator, dtype=layer.dtype, device=generator.device).to(layer)
            shaken.append(layer + math.sqrt(2 * self.temperature * self.step_size / stiffness) * noise)
        allowed = clamped.network.project(tuple(shaken))
        return tuple(new if index in moving else old for index, (old, new) in enumerate(zip(state, allowed, strict=True))), residual

    def reversed(self) -> Dynamics:
        """Return itself: there is no order."""
        return self
