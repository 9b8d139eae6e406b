"""Recurrent backpropagation: the adjoint is found by iteration."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.baselines.adjoint import parameter_gradient, state_gradient
from contrastive_core.certificate import Relaxation
from contrastive_core.cost import Cost
from contrastive_core.dynamics.base import largest_change
from contrastive_core.gradients import pulled_back
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped, Network
from contrastive_core.relaxation.iterate import iterate
from contrastive_core.relaxation.relax import require_finite
from contrastive_core.rule import Estimate, Rule, Setting, Settling, accept_parts, as_setting, presented
from contrastive_core.types import Samples, State


@final
@typed("cost", "settling")
@dataclass(frozen=True)
class RecurrentBackprop(Rule):
    r"""Almeida-Pineda rule: iterates the linearised network backwards, :math:`z \leftarrow J^T z + \partial C/\partial s`.

    :math:`J` is the Jacobian of the synchronous map :math:`T` at the free equilibrium, and the gradient is
    :math:`z^T \partial_\theta T`. It converges if the synchronous iteration does. The adjoint has a certificate like any relaxation,
    under the name "adjoint".

    Attributes
    ----------
    cost : Cost
        Cost that is differentiated.
    settling : Settling
        Relaxation of the free phase; its second tolerance and budget apply to the adjoint.

    References
    ----------
    Almeida (1987); Pineda (1987), "Generalization of back-propagation to recurrent neural networks"; recalled.
    """

    cost: Cost
    settling: Settling

    def __post_init__(self) -> None:
        accept_parts(self)

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Relax the free phase, and iterate the adjoint."""
        batch = presented(network, batch)
        with torch.no_grad():
            clamped = network.clamp(batch.inputs)
        free = self.settling.free_phase(clamped, batch.start, generator)
        with torch.no_grad():
            source = state_gradient(network, free.state, self.cost, batch)
        state = tuple(layer.detach().requires_grad_() for layer in free.state)
        with torch.enable_grad():
            image = _synchronous(clamped, state)

        # A layer without moving neighbours, such as a single one, does not depend on the state and has no graph.
        moving = [index for index, layer in enumerate(image) if layer.requires_grad]

        def step(adjoint: State, _: None) -> tuple[State, Tensor, None]:
            back: State = tuple(torch.zeros_like(layer) for layer in state)
            if moving:
                with torch.enable_grad():
                    back = pulled_back([image[index] for index in moving], state, [adjoint[index] for index in moving])
            new = tuple(b + g for b, g in zip(back, source, strict=True))
            return new, largest_change(adjoint, new), None

        adjoint = iterate(step, tuple(torch.zeros_like(layer) for layer in state), self.settling.second)
        require_finite(adjoint, "adjoint")
        # T = sigma(u) and f = kappa (u - sigma^{-1}(s)): z^T dT/dtheta = v^T df/dtheta with v = compliance * z.
        solution = tuple(c * z for c, z in zip(network.compliance(free.state), adjoint.state, strict=True))
        gradients = parameter_gradient(network, free.state, solution, self.cost, batch)
        return Estimate(gradients, {"free": free, "adjoint": adjoint})

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the free equilibrium."""
        with torch.no_grad():
            return self.settling.free_phase(network.clamp(inputs))


def _synchronous(clamped: Clamped, state: State) -> State:
    """Return the synchronous map of the free phase at ``state``."""
    return tuple(clamped.network.minimiser(index, state, clamped) for index in range(len(state)))


def build(setting: Setting) -> RecurrentBackprop:
    """Return recurrent backpropagation."""
    setting = as_setting(setting)
    return RecurrentBackprop(setting.cost, setting.settling)
