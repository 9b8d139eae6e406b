"""Shared parts of the exact rules: gradient of the cost on the state, and gradient of the parameters from an adjoint."""

import torch

from contrastive_core.cost import Cost
from contrastive_core.gradients import complete, direct_gradient, named_gradients
from contrastive_core.network import Network
from contrastive_core.types import Batch, Gradients, State


def state_gradient(network: Network, state: State, cost: Cost, batch: Batch) -> State:
    """Return B times the gradient of the mean cost on every layer; it is 0 below the last layer."""
    last = network.pull_back(state, cost.gradient(network.output(state), batch))
    return (*(torch.zeros_like(layer) for layer in state[:-1]), last)


def parameter_gradient(network: Network, state: State, adjoint: State, cost: Cost, batch: Batch) -> Gradients:
    r"""Return the gradient of the mean cost, :math:`\langle v \cdot \partial_\theta f \rangle + \partial_\theta C`.

    Parameters
    ----------
    network, cost, batch
        Network, cost and samples of the gradient.
    state : State
        Free equilibrium.
    adjoint : State
        :math:`v = H^{-1} \partial C/\partial s`, with :math:`H = -\partial f/\partial s` the curvature of the energy.

    Returns
    -------
    Gradients
        Gradient of every parameter.
    """
    with torch.enable_grad():
        # The force depends on the input weights through the drive, so clamp inside the graph.
        force = network.force(tuple(layer.detach() for layer in state), network.clamp(batch.inputs))
        work = torch.stack([(v * f).sum() for v, f in zip(adjoint, force, strict=True)]).sum() / state[0].shape[0]
        gradients = named_gradients(work, network)
    for name, value in direct_gradient(network, state, cost, batch).items():
        gradients[name] = gradients.get(name, 0) + value
    return complete(gradients, network)
