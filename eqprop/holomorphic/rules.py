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
class SeveralPoints(Rule):
    r"""Weighted sum of the contrasts of several nudges with the free state, :math:`\sum_k w_k [g(\beta_k) - g(0)]/\beta_k`.

    The points say which rule it is.

    **Richardson's extrapolation** of centered EP to strength 0, in real numbers. With the centered contrast :math:`C(\beta)`, whose bias
    has even powers of the strength only, it is

    .. math:: \tfrac13 [4 C(\beta/2) - C(\beta)], \qquad \tfrac1{45} [64 C(\beta/4) - 20 C(\beta/2) + C(\beta)],

    of order 4 and 6. It needs 4 and 6 relaxations. Independent errors of reading grow: order 4 has 7.2 times the variance of centered EP.

    **Holomorphic EP**, a mean over nudges on a circle of the complex plane, which is Cauchy's integral of the derivative at strength 0,

    .. math:: \nabla_\theta C \approx \frac1N \sum_{k=0}^{N-1} \mathrm{Re}\left[\frac{\partial_\theta E(s_{\beta_k})}{\beta_k}\right],
              \qquad \beta_k = \beta\, e^{2\pi i k/N},

    with a bias of order N. States of conjugate strengths are conjugates, so that :math:`1 + \lfloor N/2 \rfloor` relaxations suffice. One
    point is positive EP, and two are centered EP. Units, pooling and cost must be analytic, and the states must have no singularity
    inside the circle.

    **Lock-in**, the first harmonic of the response to a real nudge that swings slowly, as a lock-in amplifier measures it. With
    :math:`\beta(t) = \beta \cos \omega t` it is :math:`(2/\beta) \langle \partial_\theta E(s_{\beta(t)}) \cos \omega t \rangle` over
    M readings a period. Its bias is of order 2, and three quarters of that of centered EP. Readings with equal nudges relax once.

    Richardson (1911), whose extrapolation is recalled; Laborieux & Zenke (2022), "Holomorphic Equilibrium Propagation Computes Exact
    Gradients Through Finite Size Oscillations", NeurIPS; abstract read, formula recalled and verified numerically.

    Attributes
    ----------
    cost : Cost
        Cost to be lowered; analytic if a point is complex.
    settling : Settling
        Relaxation of the phases; by block descent if a point is complex.
    points : tuple of Point
        Nudges of an estimate, such as those of :func:`~eqprop.holomorphic.points.circle`.
    strength : float
        :math:`\beta` of a point of size 1, in units of the output layer's stiffness, positive.
    frozen : bool
        Hold the nudging force of the free state instead of letting it follow the outputs.
    options : tuple of type
        Settings of the points, if there are any.
    """

    scale: ClassVar[str | None] = "strength"

    cost: Cost
    settling: Settling
    points: tuple[Point, ...]
    strength: float = 0.2
    frozen: bool = False
    options: tuple[type, ...] = ()  # type: ignore[misc]

    def __post_init__(self) -> None:
        accept_parts(self)
        if not 0 < self.strength < float("inf"):
            raise InputError(f"strength must be positive, got {self.strength}; the rule's points give the directions of the nudges")
        if not self.points:
            raise InputError("an estimate needs one or more points; take those of circle, richardson or lock_in")

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Relax free and at every point, and add up the contrasts."""
        asked = Asked(self.cost, self.settling, self.strength, self.frozen)
        return estimate_by(network, presented(network, batch), asked, self.points, generator)

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the free equilibrium."""
        with torch.no_grad():
            return self.settling.free_phase(network.clamp(inputs))


def richardson4(setting: Setting) -> Rule:
    """Return Richardson's extrapolation of order 4."""
    return _rule(setting, richardson(4))


def richardson6(setting: Setting) -> Rule:
    """Return Richardson's extrapolation of order 6."""
    return _rule(setting, richardson(6))


def holomorphic(setting: Setting) -> Rule:
    """Return holomorphic EP."""
    return _rule(setting, circle(_points(setting, _CIRCLE)), (Points,))


def lock_in_amplifier(setting: Setting) -> Rule:
    """Return EP by the first harmonic of a swinging nudge."""
    return _rule(setting, lock_in(_points(setting, _SWING)), (Points,))


def _rule(setting: Setting, points: tuple[Point, ...], options: tuple[type, ...] = ()) -> Rule:
    setting = as_setting(setting)
    return SeveralPoints(setting.cost, setting.settling, points, setting.strength, setting.frozen, options)


def _points(setting: Setting, default: int) -> int:
    given = as_setting(setting).of(Points).points
    return default if given is None else given
