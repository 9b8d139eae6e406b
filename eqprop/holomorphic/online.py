"""Holomorphic equilibrium propagation while the nudge turns and the states follow, without separate phases."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, cast, final

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.cost import Cost
from contrastive_core.devices.on_device import held_by
from contrastive_core.errors import InputError
from contrastive_core.expect import expect_whole
from contrastive_core.gradients import direct_gradient
from contrastive_core.guards.typed import typed
from contrastive_core.network import Network
from contrastive_core.networks.differences import Differences, Displacement
from contrastive_core.relaxation.relax import require_finite
from contrastive_core.rule import Estimate, Rule, Setting, Settling, accept_parts, as_setting, presented
from contrastive_core.types import Gradients, Samples, State
from eqprop.holomorphic.complex_network import added
from eqprop.holomorphic.complex_relaxation import ComplexNudge, around_free, at_rest, displace_complex, require_circle
from eqprop.holomorphic.points import name_of
from eqprop.settings import Points, Turning

_TURN = 8
"""Readings per turn where none are given."""


@final
@typed("cost", "settling")
@dataclass(frozen=True)
class OnlineHolomorphic(Rule):
    r"""First Fourier coefficient of the response to a nudge that turns once around the circle, while the state is never reset.

    :math:`\beta(t) = \beta e^{i\omega t}` acts on the free state from then on, and :math:`\partial_\theta E(s(t))\, e^{-i\omega t} / \beta`
    is averaged over N readings of one turn, with a number of sweeps between two of them. It is holomorphic EP as far as the states keep
    up: the residual of each reading says how near they are. All N points are visited, because states that lag behind have no conjugates.

    Laborieux & Zenke (2022); abstract read, formula recalled and verified numerically.

    Attributes
    ----------
    cost : Cost
        Cost to be lowered, analytic.
    settling : Settling
        Relaxation of the free phase; order of the sweeps and tolerance of the readings.
    num_points : int
        :math:`N`, at least 3: fewer readings of a turn do not tell its direction.
    sweeps : int
        Sweeps between two readings.
    strength : float
        Radius :math:`\beta` of the circle, in units of the output layer's stiffness, positive.
    """

    scale: ClassVar[str | None] = "strength"
    options: ClassVar[tuple[type, ...]] = (Points, Turning)

    cost: Cost
    settling: Settling
    num_points: int = _TURN
    sweeps: int = 20
    strength: float = 0.2

    def __post_init__(self) -> None:
        accept_parts(self)
        expect_whole(self.num_points, "the number of points of a turning nudge", "8 is the default", least=3)
        expect_whole(self.sweeps, "the number of sweeps per point", "20 is the default", least=1)
        if not 0 < self.strength < float("inf"):
            raise InputError(f"strength must be positive, got {self.strength}; it is the radius of the circle")

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Relax free, follow the nudge for one turn, and average the readings."""
        batch = presented(network, batch)
        if network is not held_by(network):
            raise InputError("a turning nudge has no readings by a device here; take ep-holomorphic, or no device")
        require_circle(network, batch, self.cost, self.settling, self.strength)
        with torch.no_grad():
            clamped = self.settling.clamp(network, batch.inputs)
        free = self.settling.free_phase(clamped, batch.start, generator)
        with torch.no_grad():
            around = around_free(network, clamped, free.state)
            gradients, readings = self._turn(around, ComplexNudge(self.cost, batch))
        for index, reading in enumerate(readings):
            require_finite(reading, f"turning ({name_of(index, self.num_points)})", network, self.cost)
        for name, value in direct_gradient(network, free.state, self.cost, batch).items():
            gradients[name] = gradients[name] + value
        named = {name_of(index, self.num_points): reading for index, reading in enumerate(readings)}
        return Estimate(gradients, {"free": free} | named)

    def _turn(self, around: Differences, nudge: ComplexNudge) -> tuple[Gradients, Sequence[Relaxation]]:
        """Follow the nudge once around the circle, and return the mean of the readings with their certificates."""
        settling = replace(self.settling, second=Stop(self.settling.second.tolerance, self.sweeps, self.settling.second.unstable))
        total: Gradients = {}
        readings: list[Relaxation] = []
        layers: State = at_rest(around)
        turned = cmath.exp(-2j * math.pi / self.num_points)
        for index in range(self.num_points):
            strength = self.strength * turned**-index
            displacement, reading = displace_complex(around, settling, nudge, strength, layers)
            # The same state, in units of the next strength.
            layers = tuple(layer * turned for layer in displacement.layers)
            readings.append(reading)
            at = Displacement(displacement.layers, cast(float, strength))
            total = added(total, around.contrast(at, None, cast(float, 1 / (self.num_points * strength))))
        return total, readings

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the free equilibrium."""
        with torch.no_grad():
            return self.settling.free_phase(network.clamp(inputs))


def turning(setting: Setting) -> Rule:
    """Return online holomorphic EP."""
    setting = as_setting(setting)
    if setting.frozen:
        raise InputError("a turning nudge follows the outputs and is never frozen; take ep-holomorphic, or leave frozen out")
    points, pace = setting.of(Points).points, setting.of(Turning).sweeps_per_point
    return OnlineHolomorphic(setting.cost, setting.settling, _TURN if points is None else points, pace, setting.strength)
