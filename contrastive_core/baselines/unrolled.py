"""Backpropagation through the steps of the relaxation."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from contrastive_core.baselines.settings import Unrolling
from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.cost import Cost
from contrastive_core.errors import InputError
from contrastive_core.gradients import complete, named_gradients
from contrastive_core.guards.typed import typed
from contrastive_core.network import Network
from contrastive_core.relaxation.relax import relax, require_finite
from contrastive_core.rule import Estimate, Rule, Setting, Settling, accept_parts, as_setting, presented
from contrastive_core.types import Samples


@final
@typed("cost", "settling")
@dataclass(frozen=True)
class Unrolled(Rule):
    """BPTT: the cost is differentiated through all steps of the free phase, or through the last K.

    Memory grows with the number of steps. If truncated, the free phase runs without a graph, and K further steps are taken with one,
    whatever the residual.

    Attributes
    ----------
    cost : Cost
        Cost that is differentiated.
    settling : Settling
        Dynamics, tolerance and budget of the free phase.
    truncation : int, optional
        Number K of steps; None differentiates the whole relaxation.
    """

    options: ClassVar[tuple[type, ...]] = (Unrolling,)

    cost: Cost
    settling: Settling
    truncation: int | None = None

    def __post_init__(self) -> None:
        accept_parts(self)
        if self.truncation is not None and self.truncation < 1:
            raise InputError(f"truncation must be a positive number of steps, got {self.truncation}; None goes through all steps")

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Relax with a graph and differentiate."""
        batch = presented(network, batch)
        relaxations: dict[str, Relaxation] = {}
        with torch.enable_grad():
            clamped = network.clamp(batch.inputs)
            if self.truncation is None:
                start, stop = network.initial_state(clamped) if batch.start is None else batch.start, self.settling.free
            else:
                relaxations["free"] = self.settling.free_phase(clamped, batch.start, generator)
                start, stop = relaxations["free"].state, Stop(None, self.truncation)
            last = relax(clamped, start, self.settling.dynamics, stop, generator=generator)
            require_finite(last, "free")
            gradients = named_gradients(self.cost.value(network.output(last.state), batch).mean(), network)
        last = last._replace(state=tuple(layer.detach() for layer in last.state))
        relaxations.setdefault("free", last)
        if self.truncation is not None:
            relaxations["unrolled"] = last
        return Estimate(complete(gradients, network), relaxations)

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the free equilibrium."""
        with torch.no_grad():
            return self.settling.free_phase(network.clamp(inputs))


def build(setting: Setting) -> Unrolled:
    """Return BPTT through the setting's number of steps."""
    setting = as_setting(setting)
    return Unrolled(setting.cost, setting.settling, setting.of(Unrolling).unroll)
