r"""Gradients of a cost with respect to the inputs of a network, feedforward or settled.

At an equilibrium :math:`dC/dx = \frac{d}{d\beta} \partial_x E(s_\beta, x)`: the gradient of the inputs is one more contrast of nudged
states, beside those of the parameters. The inputs of a layered network enter by the drive :math:`u(x)` of the first layer, with
:math:`\partial_x E = -\lambda\, \partial_x (s_1 \cdot u(x))`. With :math:`e_1` the displacement of that layer by a nudge, per unit of
strength and in its own units (:mod:`contrastive_core.networks.differences`), this is :math:`-e_1 \cdot \partial_x u(x)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, cast

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.contrast import drawn_back, relax_from
from contrastive_core.cost import Cost
from contrastive_core.errors import ConvergenceError, DivergenceError, InputError
from contrastive_core.network import Clamped, Network
from contrastive_core.networks.differences import Differences
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Nudge
from contrastive_core.relaxation.displace import adjoint
from contrastive_core.rule import Estimate, Rule, Setting
from contrastive_core.types import Batch, State

_SWEEPS = 2000
"""Most sweeps of an adjoint, as in the exact rule for the parameters."""


class Slope(NamedTuple):
    """Gradient of each sample's cost with respect to its inputs.

    Attributes
    ----------
    output : Tensor of shape (B, n_out)
        Outputs at the inputs.
    gradient : Tensor of shape (B, n_in)
        Gradient of each sample's cost.
    state : State, optional
        Free state, from which the free phase of nearby inputs may start; None for a bottom-up pass.
    """

    output: Tensor
    gradient: Tensor
    state: State | None = None


@dataclass(frozen=True)
class Classifier:
    """A network, and the rule by which it infers and learns.

    Rules of equilibria take input gradients at the settled network: by a contrast if the rule contrasts phases, and by the exact adjoint
    otherwise. Rules without relaxation differentiate the bottom-up pass.

    Attributes
    ----------
    network : Network
        Network; a settled one has to be layered, rows of units or pictures.
    build : callable
        Builds the rule from a setting.
    setting : Setting
        Setting of the rule, whose cost is replaced by that of each question.
    """

    network: Network
    build: Callable[[Setting], Rule]
    setting: Setting

    def __post_init__(self) -> None:
        if self._rule(self.setting.cost).settles and type(self.network) is not Layered:
            raise InputError("gradients of inputs need a layered or convolutional network, or a rule without relaxation such as backprop")

    def outputs(self, inputs: Tensor) -> Tensor:
        """Return the logits, of shape (B, n_out), without a graph."""
        with torch.no_grad():
            return self.network.output(self._rule(self.setting.cost).infer(self.network, inputs).state)

    def learn(self, cost: Cost, batch: Batch, generator: torch.Generator) -> Estimate:
        """Return the rule's estimate of the gradient of the mean cost of a batch."""
        return self._rule(cost).estimate(self.network, batch, generator=generator)

    def slope(self, cost: Cost, batch: Batch) -> Slope:
        """Return the gradient of each sample's cost with respect to its inputs; a free phase starts from ``batch.start``.

        Raises
        ------
        DivergenceError
            If a phase diverges, or the gradient is not finite.
        ConvergenceError
            If the exact adjoint does not exist.
        """
        rule = self._rule(cost)
        if not rule.settles:
            slope = by_autograd(self.network, cost, batch)
        else:
            slope = (by_contrast if rule.contrasts else by_adjoint)(self.network, cost, batch, self.setting)
        if not math.isfinite(float(slope.gradient.sum())):
            raise DivergenceError("the gradient of the inputs is not finite; lower the learning rate, or the steps of chains")
        return slope

    def _rule(self, cost: Cost) -> Rule:
        return self.build(replace(self.setting, cost=cost))


def by_autograd(network: Network, cost: Cost, batch: Batch) -> Slope:
    """Differentiate the bottom-up pass.

    Parameters
    ----------
    network : Network
        Network without its feedback.
    cost : Cost
        Cost of each sample.
    batch : Batch
        Samples.
    """
    with torch.enable_grad():
        inputs = batch.inputs.detach().requires_grad_(True)
        output = network.output(network.feedforward(network.clamp(inputs)))
        (gradient,) = torch.autograd.grad(cost.value(output, batch).sum(), inputs)
    return Slope(output.detach(), gradient)


def by_contrast(network: Network, cost: Cost, batch: Batch, setting: Setting) -> Slope:
    r"""Contrast two nudged states, with a bias of order :math:`\beta^2`.

    Parameters
    ----------
    network : Layered
        Network that settles.
    cost : Cost
        Cost of each sample.
    batch : Batch
        Samples.
    setting : Setting
        Relaxation, and strength of the nudges.
    """
    clamped, free = _free(network, batch, setting)
    strength = setting.strength * network.stiffness[-1]
    nudges = {sign: Nudge(cost, batch, sign * strength) for sign in (1, -1)}
    ends = relax_from(network, clamped, free, setting.settling, nudges, setting.strength, cost=cost)
    gradient = ends.input_gradient(network, batch.inputs, 1 / (2 * strength))
    return Slope(network.output(free.state).detach(), gradient, free.state)


def by_adjoint(network: Network, cost: Cost, batch: Batch, setting: Setting) -> Slope:
    """Solve for the exact adjoint, exact up to rounding and the residual of the free phase.

    Parameters
    ----------
    network, cost, batch, setting
        Same as in :func:`by_contrast`.

    Raises
    ------
    ConvergenceError
        If a sample is not at a minimum of the energy.
    """
    clamped, free = _free(network, batch, setting)
    with torch.no_grad():
        error = network.pull_back(free.state, cost.gradient(network.output(free.state), batch))
        accuracy = 10 * torch.finfo(error.dtype).eps
        moved, residual = adjoint(Differences(cast(Layered, clamped.network), clamped, free.state), error, Stop(accuracy, _SWEEPS))
    if bool((failed := ~(residual <= 1e3 * accuracy)).any()):
        raise ConvergenceError(
            f"{int(failed.sum())} of {len(failed)} samples are not at a minimum of the energy, so that their inputs have no gradient; "
            "relax further (larger budget), or train with a lower learning rate"
        )
    return Slope(network.output(free.state).detach(), drawn_back(network, batch.inputs, moved.layers[0]), free.state)


def _free(network: Network, batch: Batch, setting: Setting) -> tuple[Clamped, Relaxation]:
    with torch.no_grad():
        clamped = setting.settling.clamp(network, batch.inputs)
        return clamped, setting.settling.free_phase(clamped, batch.start)
