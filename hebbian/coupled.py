"""Coupled learning and contrastive Hebbian learning: contrasts of equilibria with held outputs."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation
from contrastive_core.contrast import contrast
from contrastive_core.cost import Cost
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.network import Network
from contrastive_core.phases import Hold, Phase, Sides
from contrastive_core.rule import Estimate, Rule, Setting, Settling, accept_parts, as_setting, presented
from contrastive_core.types import Samples, State


@final
@typed("cost", "settling")
@dataclass(frozen=True)
class CoupledLearning(Rule):
    r"""Contrast of equilibria with the outputs held at :math:`o \mp \eta\, \partial C/\partial o`.

    .. math:: \Delta = \frac{1}{2\eta\kappa}\left[\partial_\theta E(s^{o - \eta g}) - \partial_\theta E(s^{o + \eta g})\right],

    or against the free state on one side; :math:`\kappa` is the stiffness of the output layer (1 unless the layer energy scale is
    smaller), without which the estimate would shrink with it. **It is not the gradient of the cost, whatever the fraction**: with
    :math:`E_\mathrm{eff}(o)` the energy minimised over the hidden units and H its Hessian at the free outputs, the limit
    :math:`\eta \to 0` is the gradient with the output error g replaced by :math:`H g/\kappa`. It is near the gradient where
    feedback into the outputs is weak. With squared error, the positive side at :math:`\eta = 1` holds the outputs at their targets:
    contrastive Hebbian learning.

    Attributes
    ----------
    cost : Cost
        Cost to be lowered; its gradient g gives the direction of the held outputs.
    settling : Settling
        Settings of the relaxations.
    fraction : float
        :math:`\eta`, positive.
    sides : Sides
        Held phases to run: one side or both.

    References
    ----------
    Stern, Hexner, Rocks and Liu (2021), "Supervised learning in physical networks: from machine learning to learning machines"; recalled.
    """

    contrasts: ClassVar[bool] = True
    holds_outputs: ClassVar[bool] = True
    scale: ClassVar[str | None] = "fraction"

    cost: Cost
    settling: Settling
    fraction: float = 0.2
    sides: Sides = Sides.CENTERED

    def __post_init__(self) -> None:
        accept_parts(self)
        if not 0 < self.fraction < float("inf"):
            raise InputError(f"fraction must be positive, got {self.fraction}; the rule's sides give the direction of the hold")

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Contrast the free phase with the held ones, or these with each other."""
        batch = presented(network, batch)
        signs = self.sides.signs(generator)

        def holds(free: State) -> list[Phase]:
            output = network.output(free)
            gradient = self.cost.gradient(output, batch)
            return [Hold(output - sign * self.fraction * gradient) for sign in signs]

        strength = self.fraction * network.stiffness[-1]
        return contrast(network, batch, self.cost, self.settling, signs, self.fraction, strength, holds, generator)

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the free equilibrium."""
        with torch.no_grad():
            return self.settling.free_phase(network.clamp(inputs))


@final
@dataclass(frozen=True)
class ContrastiveHebbian(Rule):
    r"""Coupled learning that holds the outputs a whole step down the cost, at :math:`o - \partial C/\partial o`; it has no fraction.

    With squared error the outputs are held at their targets y, the clamped phase of Hopfield networks. With cross-entropy they are held
    at :math:`o - p + y`, so that a right prediction, :math:`p = y`, changes nothing. Objectives of several samples have no targets.

    Attributes
    ----------
    cost : Cost
        Cost to be lowered.
    settling : Settling
        Dynamics, tolerances and budgets of the phases.

    References
    ----------
    Movellan (1991), "Contrastive Hebbian learning in the continuous Hopfield model"; recalled.
    """

    contrasts: ClassVar[bool] = True
    holds_outputs: ClassVar[bool] = True

    cost: Cost
    settling: Settling

    def __post_init__(self) -> None:
        accept_parts(self)

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Relax free and held a step down the cost, and contrast."""
        return CoupledLearning(self.cost, self.settling, 1.0, Sides.POSITIVE).estimate(network, batch, generator=generator)

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the free equilibrium."""
        with torch.no_grad():
            return self.settling.free_phase(network.clamp(inputs))


@typed("setting")
def contrastive_hebbian(setting: Setting) -> ContrastiveHebbian:
    """Return contrastive Hebbian learning, which does not use the fraction."""
    setting = as_setting(setting)
    return ContrastiveHebbian(setting.cost, setting.settling)


def _build(setting: Setting, sides: Sides) -> CoupledLearning:
    setting = as_setting(setting)
    return CoupledLearning(setting.cost, setting.settling, setting.fraction, sides)


def positive(setting: Setting) -> CoupledLearning:
    """Return coupled learning held towards lower cost."""
    return _build(setting, Sides.POSITIVE)


def negative(setting: Setting) -> CoupledLearning:
    """Return coupled learning held towards higher cost."""
    return _build(setting, Sides.NEGATIVE)


def centered(setting: Setting) -> CoupledLearning:
    """Return coupled learning held on both sides."""
    return _build(setting, Sides.CENTERED)
