"""Equilibrium propagation that learns as if the feedback were the transpose of the forward weights."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation
from contrastive_core.gradients import direct_gradient
from contrastive_core.network import Network
from contrastive_core.networks.untied import Untied
from contrastive_core.phases import Sides
from contrastive_core.rule import Estimate, Rule, Setting, as_setting, presented
from contrastive_core.types import Samples
from eqprop.rule import EquilibriumPropagation


@final
@dataclass(frozen=True)
class AsTied(Rule):
    """Centered equilibrium propagation in a network with feedback of its own, by the contrast of the tied network's energy.

    It is what a chip does that assumes one array where it has two: a baseline that shows what the assumption costs.

    Attributes
    ----------
    rule : EquilibriumPropagation
        Rule that relaxes the phases.
    """

    contrasts: ClassVar[bool] = True
    scale: ClassVar[str | None] = "strength"

    rule: EquilibriumPropagation

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Relax free and nudged, and contrast both halves of every connection as one; with tied feedback it is what ep-centered does."""
        batch = presented(network, batch)
        found = self.rule.estimate(network, batch, generator=generator)
        with torch.no_grad():
            inside = network.clamp(batch.inputs).network
        if found.contrast is None or not isinstance(inside, Untied):
            return found
        phases, tied = found.contrast, inside.inside
        with torch.no_grad():
            gradients = tied.energy_gradient(phases.plus, tied.clamp(batch.inputs), phases.minus, phases.factor)
        for name, value in direct_gradient(network, found.relaxations["free"].state, self.rule.cost, batch).items():
            gradients[name] = gradients[name] + value
        own = {name: gradient for name, gradient in found.gradients.items() if name not in gradients}
        return found._replace(gradients=gradients | own)

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the free equilibrium."""
        return self.rule.infer(network, inputs)


def as_tied(setting: Setting) -> Rule:
    """Return centered EP that takes feedback of its own for tied."""
    setting = as_setting(setting)
    return AsTied(EquilibriumPropagation(setting.cost, setting.settling, setting.strength, Sides.CENTERED, setting.frozen))
