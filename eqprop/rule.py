"""Equilibrium propagation: the contrast of weakly nudged equilibria."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation
from contrastive_core.contrast import contrast, contrast_again
from contrastive_core.cost import Cost
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped, Network
from contrastive_core.networks.exchanged import exchanged
from contrastive_core.phases import Nudge, Sides
from contrastive_core.rule import Estimate, Rule, Setting, Settling, accept_parts, as_setting, presented
from contrastive_core.types import Batch, Samples, State
from eqprop.homeostasis import Homeostatic
from eqprop.settings import Homeostasis


@final
@typed("cost", "settling")
@dataclass(frozen=True)
class EquilibriumPropagation(Rule):
    r"""The gradient as a contrast of equilibria nudged by the cost.

    .. math:: \nabla_\theta C \approx \frac{1}{2\beta}\left[\partial_\theta E(s_\beta) - \partial_\theta E(s_{-\beta})\right],

    or against the free state on one side, with bias of order :math:`\beta^2` and :math:`\beta`. Each phase starts from the free
    state and visits the blocks in reverse order.

    One-sided in Scellier & Bengio (2017), centered ("symmetric") in Laborieux et al. (2021).

    Attributes
    ----------
    cost : Cost
        Cost to be lowered.
    settling : Settling
        Relaxation of the phases.
    strength : float
        :math:`\beta` in units of the output layer's stiffness, positive.
    sides : Sides
        Nudged phases to run.
    frozen : bool
        Hold the nudging force of the free state instead of letting it follow the outputs.
    exchanging : bool
        Let deviations from the free state see forward and feedback weights exchanged, where these are not tied: asymmetric equilibrium
        propagation, whose nudged phases are the adjoint of the free one.
    """

    contrasts: ClassVar[bool] = True
    scale: ClassVar[str | None] = "strength"
    options: ClassVar[tuple[type, ...]] = (Homeostasis,)

    cost: Cost
    settling: Settling
    strength: float = 0.2
    sides: Sides = Sides.CENTERED
    frozen: bool = False
    exchanging: bool = False

    def __post_init__(self) -> None:
        accept_parts(self)
        if not 0 < self.strength < float("inf"):
            raise InputError(f"strength must be positive, got {self.strength}; the rule's sides give the sign of the nudge")

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Relax free and nudged, and contrast."""
        batch, signs = presented(network, batch), self.sides.signs(generator)
        key = self, signs
        if (again := contrast_again(network, batch, key)) is not None:
            return again
        strength = self.strength * network.stiffness[-1]

        def frozen(free: State) -> list[Nudge]:
            force = self.cost.gradient(network.output(free), batch)
            return [Nudge(self.cost, batch, sign * strength, force) for sign in signs]

        def live(presented: Batch) -> list[Nudge]:
            return [Nudge(self.cost, presented, sign * strength) for sign in signs]

        def joint(free: State) -> list[Nudge]:
            # What an objective selects or stops the gradient of is taken at the free state: only then is the nudged energy a scalar.
            return live(batch._replace(held=network.output(free)))

        phases = frozen if self.frozen else joint if self.cost.coupled else live(batch)
        return contrast(network, batch, self.cost, self.settling, signs, self.strength, strength, phases, generator, self.nudged, key)

    @property
    def nudged(self) -> Callable[[Clamped, State], Clamped] | None:
        """Network that relaxes in the nudged phases, as a function of the clamped one and its free state; None is the same network."""
        return exchanged if self.exchanging else None

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the free equilibrium."""
        with torch.no_grad():
            return self.settling.free_phase(network.clamp(inputs))


def _build(setting: Setting, sides: Sides, exchanging: bool = False) -> Rule:
    setting = as_setting(setting)
    rule = EquilibriumPropagation(setting.cost, setting.settling, setting.strength, sides, setting.frozen, exchanging)
    weight = setting.of(Homeostasis).homeostasis
    return Homeostatic(rule, weight) if weight else rule


def positive(setting: Setting) -> Rule:
    """Return one-sided EP with a positive nudge."""
    return _build(setting, Sides.POSITIVE)


def negative(setting: Setting) -> Rule:
    """Return one-sided EP with a negative nudge."""
    return _build(setting, Sides.NEGATIVE)


def centered(setting: Setting) -> Rule:
    """Return centered EP."""
    return _build(setting, Sides.CENTERED)


def random_sign(setting: Setting) -> Rule:
    """Return one-sided EP with a sign drawn for each batch."""
    return _build(setting, Sides.RANDOM)


def asymmetric(setting: Setting) -> Rule:
    """Return centered EP that is exact whatever the feedback is; with tied feedback it is centered EP."""
    return _build(setting, Sides.CENTERED, exchanging=True)
