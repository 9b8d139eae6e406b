"""The computations that ``eqlab bench settle`` times: one gradient of one batch, by equilibrium propagation and by others.

Every case returns what it would hand to an optimiser, from the same weights and the same batch, and none pays for more than
it needs: the textbook and backpropagation cases are plain torch, without this package's checks and certificates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.networks.layered import Layered
from contrastive_core.rule import Settling
from contrastive_core.types import Batch
from eqprop.rule import EquilibriumPropagation

STRENGTH = 0.2
"""Nudging strength of every case, in units of the stiffness of the output layer."""

TEXTBOOK_SWEEPS = 15
"""Sweeps of each textbook phase, as in Scellier et al. (2023) for one hidden layer."""


class Plain(NamedTuple):
    """A network with a hard-sigmoid hidden part and linear outputs as plain tensors, and a batch with one-hot targets."""

    weights: list[Tensor]
    biases: list[Tensor]
    feedback: float
    inputs: Tensor
    targets: Tensor


Run = Callable[[], float]
"""Computes the gradients once and returns the sweeps it took per sample, 0 where there are none."""


def plain(network: Layered, batch: Batch) -> Plain:
    """Return copies of a network's parameters and a batch, without anything of ours around them."""
    depth = len(network.sizes)
    targets = torch.zeros(len(batch.labels), network.sizes[-1], dtype=batch.inputs.dtype)
    targets.scatter_(1, batch.labels[:, None], 1.0)
    weights = [network.weight(index).detach().clone() for index in range(depth)]
    biases = [network.bias(index).detach().clone() for index in range(depth)]
    return Plain(weights, biases, network.energy_scale, batch.inputs, targets)


def ep_centered(network: Layered, batch: Batch, backend: str, settling: Settling) -> Run:
    """Return centered equilibrium propagation as the trainer runs it, to the settling's tolerances."""
    rule = EquilibriumPropagation(SquaredError(), Settling(settling.dynamics, settling.free, settling.second, backend), STRENGTH)

    def run() -> float:
        rule.estimate(network, batch)
        return 0.0

    return run


@torch.no_grad()
def ep_textbook(case: Plain) -> Run:
    """Return centered equilibrium propagation as it is usually written: all layers at once, fixed sweeps, inputs in every sweep."""
    weights, biases, feedback, inputs, targets = case
    last, rows = len(weights) - 1, len(inputs)
    strength = STRENGTH * feedback ** len(weights)

    def sweep(state: list[Tensor], beta: float) -> list[Tensor]:
        below = [inputs, *state[:-1]]
        drives = [torch.addmm(b, s, w) for b, s, w in zip(biases, below, weights, strict=True)]
        hidden = [(drives[i] + feedback * (state[i + 1] @ weights[i + 1].T)).clamp(0, 1) for i in range(last)]
        return [*hidden, drives[last] + beta / feedback ** len(weights) * (targets - state[last])]

    @torch.no_grad()
    def run() -> float:
        free = [inputs.new_zeros(rows, weight.shape[1]) for weight in weights]
        for _ in range(TEXTBOOK_SWEEPS):
            free = sweep(free, 0.0)
        ends = []
        for beta in (strength, -strength):
            state = free
            for _ in range(TEXTBOOK_SWEEPS):
                state = sweep(state, beta)
            ends.append(state)
        plus, minus = ends
        for i in range(last + 1):
            factor = -(feedback ** (i + 1)) / (2 * strength * rows)
            below = (inputs, inputs) if i == 0 else (plus[i - 1], minus[i - 1])
            _keep(factor * (below[0].T @ plus[i] - below[1].T @ minus[i]), factor * (plus[i] - minus[i]).sum(0))
        return 3.0 * TEXTBOOK_SWEEPS

    return run


def backprop_autograd(case: Plain) -> Run:
    """Return ordinary backpropagation of the feedforward network of the same weights, by torch's autograd."""
    parameters = [parameter.requires_grad_() for pair in zip(case.weights, case.biases, strict=True) for parameter in pair]

    def run() -> float:
        layer = case.inputs
        for i, (weight, bias) in enumerate(zip(case.weights, case.biases, strict=True)):
            layer = torch.addmm(bias, layer, weight)
            if i + 1 < len(case.weights):
                layer = layer.clamp(0, 1)
        cost = 0.5 * (layer - case.targets).square().sum(1).mean()
        _keep(*torch.autograd.grad(cost, parameters))
        return 0.0

    return run


def backprop_manual(case: Plain) -> Run:
    """Return the same backpropagation written out by hand, without autograd."""
    weights, biases, _, inputs, targets = case

    @torch.no_grad()
    def run() -> float:
        layers = [inputs]
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            layers.append(torch.addmm(bias, layers[-1], weight).clamp_(0, 1))
        error = (torch.addmm(biases[-1], layers[-1], weights[-1]) - targets).div_(len(inputs))
        for i in range(len(weights) - 1, -1, -1):
            _keep(layers[i].T @ error, error.sum(0))
            if i:
                error = (error @ weights[i].T).mul_((layers[i] > 0) & (layers[i] < 1))
        return 0.0

    return run


def floor(case: Plain) -> Run:
    """Return the two products with the inputs that no method can do without: the drive and the gradient of the first layer."""

    @torch.no_grad()
    def run() -> float:
        drive = case.inputs @ case.weights[0]
        _keep(case.inputs.T @ drive)
        return 0.0

    return run


def _keep(*results: Tensor) -> None:
    """Take results as an optimiser would, so that every case gives its gradients up at the same point."""
