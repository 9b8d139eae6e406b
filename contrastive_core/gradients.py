"""Gradients of parameters by name, in the form that rules return."""

import torch
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.network import Network
from contrastive_core.types import Batch, Gradients, State


def direct_gradient(network: Network, state: State, cost: Cost, batch: Batch) -> Gradients:
    """Return the gradient of the mean cost at fixed state, from which a readout learns; empty without a readout."""
    if not network.has_readout:
        return {}
    with torch.enable_grad():
        mean_cost = cost.value(network.output(tuple(layer.detach() for layer in state)), batch).mean()
        return named_gradients(mean_cost, network)


def named_gradients(scalar: Tensor, network: Network) -> Gradients:
    """Return the gradient of a scalar, by autograd, for every parameter that it depends on."""
    named = dict(network.named_parameters())
    values = torch.autograd.grad(scalar, list(named.values()), allow_unused=True)
    return {name: value for name, value in zip(named, values, strict=True) if value is not None}


def complete(gradients: Gradients, network: Network) -> Gradients:
    """Return the gradients in the order of the parameters, with zeros for missing ones."""
    return {name: gradients[name] if name in gradients else torch.zeros_like(p) for name, p in network.named_parameters()}
