"""Jacobian homeostasis, which keeps separate feedback near to the transpose of the forward weights."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation
from contrastive_core.errors import InputError
from contrastive_core.network import Clamped, Network
from contrastive_core.rule import Estimate, Rule, presented
from contrastive_core.types import Gradients, Samples, State
from eqprop.settings import Homeostasis


@final
@dataclass(frozen=True)
class Homeostatic(Rule):
    r"""Another rule's gradient, and that of the asymmetry of the field's Jacobian at the free state.

    .. math:: L = \operatorname{Tr}(J^T J) - \operatorname{Tr}(J^2) = \tfrac12 |J - J^T|^2
              = \mathrm{E}_\varepsilon\left[ |J\varepsilon|^2 - (J^T\varepsilon) \cdot (J\varepsilon) \right],
              \qquad J = \partial F/\partial s,

    averaged over the batch, with the state held. EP generalised to vector fields finds the gradient of the cost as far as J is symmetric.
    In a layered network with learning feedback L is :math:`\sum_l \lambda^{2l} |W_l - W^{fb}_l|^2` whatever the state, and each
    connection's part is local; where an energy is, J is symmetric and nothing is added.

    Laborieux & Zenke (2024), ICLR, whose objective it is; the formula is recalled and verified numerically.

    Attributes
    ----------
    rule : Rule
        Rule of equilibrium propagation that estimates the gradient of the cost.
    weight : float
        Weight of the asymmetry beside the cost; positive.
    samples : int
        Draws of the normal noise :math:`\varepsilon` for each sample of a batch.
    """

    contrasts: ClassVar[bool] = True
    scale: ClassVar[str | None] = "strength"
    options: ClassVar[tuple[type, ...]] = (Homeostasis,)

    rule: Rule
    weight: float
    samples: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.weight < float("inf") or self.samples < 1:
            raise InputError(f"homeostasis needs a positive weight and at least 1 sample, got {self.weight} and {self.samples}")

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Estimate the gradient of the mean cost, with that of the asymmetry.

        Raises
        ------
        InputError
            Without a generator.
        """
        if generator is None:
            raise InputError("homeostasis probes the network with noise; pass generator=torch.Generator().manual_seed(...)")
        batch = presented(network, batch)
        found = self.rule.estimate(network, batch, generator=generator)
        state = found.relaxations["free"].state
        with torch.no_grad():
            clamped = network.clamp(batch.inputs)
        gradients = dict(found.gradients)
        for _ in range(self.samples):
            noise = tuple(torch.randn(layer.shape, generator=generator, dtype=torch.float64).to(layer) for layer in state)
            for name, gradient in asymmetry_gradient(network, clamped, state, noise).items():
                gradients[name] = gradients[name] + (self.weight / self.samples) * gradient
        return found._replace(gradients=gradients)

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the state from which outputs are read, as the inner rule does."""
        return self.rule.infer(network, inputs)


def asymmetry(network: Network, clamped: Clamped, state: State, noise: State) -> Tensor:
    r"""Return :math:`|J\varepsilon|^2 - (J^T\varepsilon) \cdot (J\varepsilon)`, averaged over the batch; differentiable.

    Parameters
    ----------
    network, clamped : Network, Clamped
        Network with the field, and its clamped inputs.
    state : State
        State at which it is taken; not modified.
    noise : State
        Noise :math:`\varepsilon`.
    """
    with torch.enable_grad():
        at = tuple(layer.detach().clone().requires_grad_() for layer in state)
        force = network.force(at, clamped)
        probe = tuple(torch.zeros_like(layer).requires_grad_() for layer in force)
        # J^T y is linear in y, so that its derivative along the noise is J times the noise.
        backward = torch.autograd.grad(force, at, probe, create_graph=True)
        ahead = torch.autograd.grad(backward, probe, noise, create_graph=True)
        back = torch.autograd.grad(force, at, noise, create_graph=True)
        total = torch.stack([(a * (a - b)).sum() for a, b in zip(ahead, back, strict=True)]).sum()
    return total / state[0].shape[0]


def asymmetry_gradient(network: Network, clamped: Clamped, state: State, noise: State) -> Gradients:
    """Return the gradient of :func:`asymmetry` for every parameter that it depends on; empty if it depends on none."""
    value = asymmetry(network, clamped, state, noise)
    if not value.requires_grad:  # the Jacobian of a single layer is symmetric whatever the parameters are
        return {}
    named = dict(network.named_parameters())
    values = torch.autograd.grad(value, list(named.values()), allow_unused=True)
    return {name: gradient for name, gradient in zip(named, values, strict=True) if gradient is not None}
