"""Backpropagation through one bottom-up pass with the same weights."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Status
from contrastive_core.cost import Cost
from contrastive_core.gradients import complete, named_gradients
from contrastive_core.guards.typed import typed
from contrastive_core.network import Network
from contrastive_core.rule import Estimate, Rule, Setting, accept_parts, as_setting, presented
from contrastive_core.types import Samples, State


@final
@typed("cost")
@dataclass(frozen=True)
class FeedforwardBackprop(Rule):
    """Ordinary backpropagation: the network without its feedback, differentiated by autograd.

    Inference is the bottom-up pass, not an equilibrium, so that the rule trains and tests the feedforward network with the same
    weights.

    Attributes
    ----------
    cost : Cost
        Cost that is differentiated.

    References
    ----------
    Rumelhart, Hinton & Williams (1986), "Learning representations by back-propagating errors"; recalled.
    """

    settles: ClassVar[bool] = False

    cost: Cost

    def __post_init__(self) -> None:
        accept_parts(self)

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Run the bottom-up pass and differentiate the cost through it."""
        batch = presented(network, batch)
        with torch.enable_grad():
            state = network.feedforward(network.clamp(batch.inputs))
            gradients = named_gradients(self.cost.value(network.output(state), batch).mean(), network)
        detached = tuple(layer.detach() for layer in state)
        return Estimate(complete(gradients, network), {"free": _single_pass(detached)})

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the bottom-up pass."""
        with torch.no_grad():
            return _single_pass(network.feedforward(network.clamp(inputs)))


def _single_pass(state: State) -> Relaxation:
    """Return the certificate of a bottom-up pass: one step and a residual of 0."""
    zeros = state[0].new_zeros(state[0].shape[0])
    steps = torch.ones_like(zeros, dtype=torch.int64)
    return Relaxation(state, steps, zeros, torch.full_like(steps, int(Status.CONVERGED), dtype=torch.int8))


def build(setting: Setting) -> FeedforwardBackprop:
    """Return feedforward backpropagation."""
    return FeedforwardBackprop(as_setting(setting).cost)
