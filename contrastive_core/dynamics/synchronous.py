"""The synchronous fixed-point iteration: all layers move at once."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.dynamics.base import Dynamics, largest_change, stationary
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped
from contrastive_core.phases import Phase
from contrastive_core.types import State


@final
@typed()
@dataclass(frozen=True)
class Synchronous(Dynamics):
    r"""All layers move towards their stationary values at once, :math:`s \leftarrow s + \tau (T(s) - s)`.

    With :math:`\tau = 1` it is the discrete-time dynamics of Ernoult et al. (2019); a smaller one is Euler's method for the
    leaky units :math:`\dot s = T(s) - s`. Undamped it may oscillate where block descent converges.

    Attributes
    ----------
    damping : float
        Damping :math:`\tau`, in (0, 1].
    """

    damping: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.damping <= 1:
            raise InputError(f"damping must lie in (0, 1], got {self.damping}; 1 is the undamped iteration")

    def advance(
        self, state: State, memory: None, clamped: Clamped, phase: Phase = None, generator: torch.Generator | None = None
    ) -> tuple[State, Tensor, None]:
        """Return the state after one damped move of all layers, and the largest undamped change."""
        target = stationary(state, clamped, phase)
        # Before damping, which would shrink the change without an equilibrium.
        residual = largest_change(state, target)
        if self.damping == 1:
            return target, residual, None
        return tuple(torch.lerp(old, new, self.damping) for old, new in zip(state, target, strict=True)), residual, None

    @property
    def compiled(self) -> Dynamics | None:
        """Return None: no kernel belongs to these steps alone."""
        return None

    def reversed(self) -> Dynamics:
        """Return itself: there is no order."""
        return self
