"""Gradients of parameters by name, in the form that rules return, and products with Jacobian matrices."""

from collections.abc import Sequence

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


def pulled_back(images: Sequence[Tensor], leaves: State, weights: Sequence[Tensor]) -> State:
    """Return the product of weights with the Jacobian of images, by autograd, whose graph is kept; 0 for leaves that no image depends on.

    Parameters
    ----------
    images : sequence of Tensor
        Functions of the leaves, with their graph.
    leaves : State
        Tensors by which the images are differentiated.
    weights : sequence of Tensor
        Weights of the images' entries, shaped as the images.
    """
    # Autograd checks the shapes of weights that it is given by a module that takes half a second to load; a scalar needs none.
    scalar = torch.stack([(image * weight).sum() for image, weight in zip(images, weights, strict=True)]).sum()
    return torch.autograd.grad(scalar, leaves, retain_graph=True, materialize_grads=True)


def complete(gradients: Gradients, network: Network) -> Gradients:
    """Return the gradients in the order of the parameters, with zeros for missing ones."""
    return {name: gradients[name] if name in gradients else torch.zeros_like(p) for name, p in network.named_parameters()}
