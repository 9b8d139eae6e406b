"""Gradient flow in a heat bath, by the method of Euler and Maruyama."""

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from contrastive_core.dynamics.base import Dynamics, moving_blocks
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped
from contrastive_core.phases import Phase
from contrastive_core.types import State

BOLTZMANN = 1.380649e-23
"""Boltzmann constant in joule per kelvin, exact by definition."""


def temperature_of_nodes(kelvin: float, farad: float) -> float:
    r"""Return the temperature, in units of the energy, of units of stiffness 1 that are nodes of some capacity with a swing in volt.

    :math:`k_B \Theta/C`, the variance of a node's voltage in square volt: 64 microvolt rms at 1 pF and 300 K.

    Raises
    ------
    InputError
        If the temperature is negative or the capacity not positive.
    """
    if not (0 <= kelvin < float("inf") and 0 < farad < float("inf")):
        raise InputError(f"nodes have temperatures of 0 kelvin or more and positive capacities, got {kelvin} K and {farad} F")
    return BOLTZMANN * kelvin / farad


@final
@typed()
@dataclass(frozen=True)
class Langevin(Dynamics):
    r"""Projected Euler steps of gradient flow with thermal noise.

    .. math:: \kappa_l\, ds_l = -\frac{\partial F}{\partial s_l}\, dt + \sqrt{2 T \kappa_l}\, dW_l,

    which visits states with density :math:`\propto e^{-F/T}` as the step goes to 0 (at step h, the variance of a unit of its own
    curvature is :math:`(T/\kappa)/(1 - h/2)`). T is in the units of the energy: for nodes of capacity C at a physical temperature it is
    the thermal energy over that of the unit voltage, so that the rms noise is :math:`\sqrt{k_B \Theta/C}`.

    States never come to rest: relax them for a fixed budget, ``Stop(None, budget)``, and with a generator, which rules hand on. The
    residual is that of the drift alone. It is not in ``DYNAMICS``, whose members settle and need no generator.

    Attributes
    ----------
    temperature : float
        T, not negative.
    step_size : float
        Euler step, in units of the time constant; positive.
    """

    noisy: ClassVar[bool] = True
    temperature: float
    step_size: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise InputError(f"temperature must be finite and not negative, got {self.temperature}; 0 is gradient flow")
        if not self.step_size > 0:
            raise InputError(f"step_size must be positive, got {self.step_size}; 0.1 is usual")

    def advance(
        self, state: State, memory: None, clamped: Clamped, phase: Phase = None, generator: torch.Generator | None = None
    ) -> tuple[State, Tensor, None]:
        """Return the state after one noisy Euler step, and the largest change that a step of size 1 would make without noise.

        Raises
        ------
        InputError
            Without a generator, at a temperature above 0.
        """
        drifted, residual = GradientFlow(self.step_size).step(state, clamped, phase)
        if self.temperature == 0:
            return drifted, residual, None
        if generator is None:
            raise InputError("thermal noise needs a generator; pass generator=torch.Generator().manual_seed(...) to relax")
        moving = moving_blocks(state, phase)
        shaken = []
        for layer, scale in zip(drifted, clamped.network.unit_scales(clamped), strict=True):
            # Drawn where the generator lives, so that a run on a device can be repeated on the CPU.
            noise = torch.randn(layer.shape, generator=generator, dtype=layer.dtype, device=generator.device).to(layer)
            # The variance 2 T h / k balances the drift: the stationary density is that of the temperature.
            variance = 2 * self.temperature * self.step_size / scale
            shaken.append(layer + (variance.sqrt() if isinstance(variance, Tensor) else math.sqrt(variance)) * noise)
        allowed = clamped.network.project(tuple(shaken))
        return tuple(new if index in moving else old for index, (old, new) in enumerate(zip(state, allowed, strict=True))), residual, None

    @property
    def compiled(self) -> Dynamics | None:
        """Return None: no kernel belongs to these steps alone."""
        return None

    def reversed(self) -> Dynamics:
        """Return itself: there is no order."""
        return self
