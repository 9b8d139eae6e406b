"""Equilibrium propagation by several nudges of finite strength, with a bias of high order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation
from contrastive_core.cost import Cost
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.network import Network
from contrastive_core.rule import Estimate, Rule, Setting, Settling, accept_parts, as_setting, presented
from contrastive_core.types import Samples
from eqprop.holomorphic.phases import Asked, estimate_by
from eqprop.holomorphic.points import Point, circle, lock_in, richardson
from eqprop.settings import Points

_CIRCLE, _SWING = 4, 16
"""Points of the circle, and readings per period of a swinging nudge, where none are given."""


@final
@typed("cost", "settling")
@dataclass(frozen=True)
class Richardson(Rule):
    r"""Extrapolation of centered EP to strength 0, in real numbers.

    With the centered contrast :math:`C(\beta)`, whose bias has even powers of the strength only, it is

    .. math:: \tfrac13 [4 C(\beta/2) - C(\beta)], \qquad \tfrac1{45} [64 C(\beta/4) - 20 C(\beta/2) + C(\beta)],

    of order 4 and 6. It needs 4 and 6 relaxations. Independent errors of reading grow: order 4 has 7.2 times the variance of centered EP.

    Richardson (1911), whose extrapolation is recalled.

    Attributes
    ----------
    cost : Cost
        Cost to be lowered.
    settling : Settling
        Relaxation of the phases.
    order : int
        4 or 6.
    strength : float
        Largest :math:`\beta`, in units of the output layer's stiffness, positive.
    frozen : bool
        Hold the nudging force of the free state instead of letting it follow the outputs.
    """

    scale: ClassVar[str | None] = "strength"

    cost: Cost
    settling: Settling
    order: int = 4
    strength: float = 0.2
    frozen: bool = False

    def __post_init__(self) -> None:
        accept_parts(self)
        _require_positive(self.strength)
        richardson(self.order)

    @property
    def points(self) -> tuple[Point, ...]:
        """Nudges of an estimate."""
        return richardson(self.order)

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Relax free and nudged at all strengths, and extrapolate."""
        asked = Asked(self.cost, self.settling, self.strength, self.frozen)
        return estimate_by(network, presented(network, batch), asked, self.points, generator)

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the free equilibrium."""
        return _free(self.settling, network, inputs)


@final
@typed("cost", "settling")
@dataclass(frozen=True)
class Holomorphic(Rule):
    r"""Mean over nudges on a circle of the complex plane, which is Cauchy's integral of the derivative at strength 0.

    .. math:: \nabla_\theta C \approx \frac1N \sum_{k=0}^{N-1} \mathrm{Re}\left[\frac{\partial_\theta E(s_{\beta_k})}{\beta_k}\right],
              \qquad \beta_k = \beta\, e^{2\pi i k/N},

    with a bias of order N. States of conjugate strengths are conjugates, so that :math:`1 + \lfloor N/2 \rfloor` relaxations suffice. One
    point is positive EP, and two are centered EP. Units, pooling and cost must be analytic, and the states must have no singularity
    inside the circle.

    Laborieux & Zenke (2022), "Holomorphic Equilibrium Propagation Computes Exact Gradients Through Finite Size Oscillations", NeurIPS;
    abstract read, formula recalled and verified numerically.

    Attributes
    ----------
    cost : Cost
        Cost to be lowered, analytic.
    settling : Settling
        Relaxation of the phases, by block descent.
    num_points : int
        :math:`N`, at least 1.
    strength : float
        Radius :math:`\beta` of the circle, in units of the output layer's stiffness, positive.
    frozen : bool
        Hold the nudging force of the free state instead of letting it follow the outputs.
    """

    scale: ClassVar[str | None] = "strength"
    options: ClassVar[tuple[type, ...]] = (Points,)

    cost: Cost
    settling: Settling
    num_points: int = _CIRCLE
    strength: float = 0.2
    frozen: bool = False

    def __post_init__(self) -> None:
        accept_parts(self)
        _require_positive(self.strength)
        circle(self.num_points)

    @property
    def points(self) -> tuple[Point, ...]:
        """Nudges of an estimate."""
        return circle(self.num_points)

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Relax free and at half of the circle, and average."""
        asked = Asked(self.cost, self.settling, self.strength, self.frozen)
        return estimate_by(network, presented(network, batch), asked, self.points, generator)

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the free equilibrium."""
        return _free(self.settling, network, inputs)


@final
@typed("cost", "settling")
@dataclass(frozen=True)
class LockIn(Rule):
    r"""First harmonic of the response to a real nudge that swings slowly, as a lock-in amplifier measures it.

    With :math:`\beta(t) = \beta \cos \omega t` it is :math:`(2/\beta) \langle \partial_\theta E(s_{\beta(t)}) \cos \omega t \rangle` over
    M readings a period. Its bias is of order 2, and three quarters of that of centered EP. Readings with equal nudges relax once.

    Attributes
    ----------
    cost : Cost
        Cost to be lowered.
    settling : Settling
        Relaxation of the phases.
    num_points : int
        Readings :math:`M` per period, at least 3.
    strength : float
        Largest :math:`\beta`, in units of the output layer's stiffness, positive.
    frozen : bool
        Hold the nudging force of the free state instead of letting it follow the outputs.
    """

    scale: ClassVar[str | None] = "strength"
    options: ClassVar[tuple[type, ...]] = (Points,)

    cost: Cost
    settling: Settling
    num_points: int = _SWING
    strength: float = 0.2
    frozen: bool = False

    def __post_init__(self) -> None:
        accept_parts(self)
        _require_positive(self.strength)
        lock_in(self.num_points)

    @property
    def points(self) -> tuple[Point, ...]:
        """Nudges of an estimate."""
        return lock_in(self.num_points)

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Relax free and at each nudge of a period, and take the first harmonic."""
        asked = Asked(self.cost, self.settling, self.strength, self.frozen)
        return estimate_by(network, presented(network, batch), asked, self.points, generator)

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the free equilibrium."""
        return _free(self.settling, network, inputs)


def _free(settling: Settling, network: Network, inputs: Tensor) -> Relaxation:
    with torch.no_grad():
        return settling.free_phase(network.clamp(inputs))


def _require_positive(strength: float) -> None:
    if not 0 < strength < float("inf"):
        raise InputError(f"strength must be positive, got {strength}; the rule's points give the directions of the nudges")


def richardson4(setting: Setting) -> Rule:
    """Return Richardson's extrapolation of order 4."""
    return _richardson(setting, 4)


def richardson6(setting: Setting) -> Rule:
    """Return Richardson's extrapolation of order 6."""
    return _richardson(setting, 6)


def _richardson(setting: Setting, order: int) -> Rule:
    setting = as_setting(setting)
    return Richardson(setting.cost, setting.settling, order, setting.strength, setting.frozen)


def holomorphic(setting: Setting) -> Rule:
    """Return holomorphic EP."""
    setting = as_setting(setting)
    return Holomorphic(setting.cost, setting.settling, _points(setting, _CIRCLE), setting.strength, setting.frozen)


def lock_in_amplifier(setting: Setting) -> Rule:
    """Return EP by the first harmonic of a swinging nudge."""
    setting = as_setting(setting)
    return LockIn(setting.cost, setting.settling, _points(setting, _SWING), setting.strength, setting.frozen)


def _points(setting: Setting, default: int) -> int:
    given = setting.of(Points).points
    return default if given is None else given
