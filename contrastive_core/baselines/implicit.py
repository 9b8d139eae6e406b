"""Exact gradient at an equilibrium, by the implicit function theorem."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from scipy.sparse.linalg import minres
from torch import Tensor

from contrastive_core.baselines.adjoint import parameter_gradient, state_gradient
from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.cost import Cost
from contrastive_core.errors import ConvergenceError
from contrastive_core.gradients import direct_gradient
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped, Network
from contrastive_core.networks.curvature import as_operator, dense, scaled_hessian
from contrastive_core.networks.differences import Differences
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.untied import Untied
from contrastive_core.per_sample import flatten, unflatten
from contrastive_core.relaxation.displace import adjoint as swept_adjoint
from contrastive_core.rule import Estimate, Rule, Setting, Settling, accept_parts, as_setting, presented
from contrastive_core.types import Batch, Gradients, Samples, State

_SWEEPS = 2000
"""Most sweeps for an adjoint: with a gain at which the free phase settles, it takes tens."""

_NO_MINIMUM = (
    "{} of {} samples are not at a minimum of the energy (its curvature there is singular or negative), so there is no exact gradient; "
    "relax further (larger budget), or train with a lower learning rate"
)


@final
@typed("cost", "settling")
@dataclass(frozen=True)
class Implicit(Rule):
    r"""Gradient of the cost at the free equilibrium, exact up to rounding and the residual of the free phase.

    Differentiating :math:`\partial_s E(s^*) = 0` gives :math:`\nabla_\theta C = v^T \partial_\theta f` with
    :math:`H v = \partial C/\partial s`, where H is the curvature of the energy on the units that are not held by their bounds. Up to
    ``dense_units`` units the system is solved with one matrix per sample, in O(n³). Larger systems of layered networks are solved by
    sweeps in difference coordinates, in which every layer's part has all its digits. A field without an energy, as that of feedback of
    its own, is always solved with the transposed matrices. Systems of other networks are solved by MINRES with
    Hessian-vector products, all samples in one block-diagonal system.

    Attributes
    ----------
    cost : Cost
        Cost that is differentiated.
    settling : Settling
        Relaxation of the free phase, whose tolerance limits the accuracy of the gradient.
    dense_units : int
        Largest number of free units for the dense solve.
    """

    cost: Cost
    settling: Settling
    dense_units: int = 128

    def __post_init__(self) -> None:
        accept_parts(self)

    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Relax the free phase, and solve for the adjoint.

        Raises
        ------
        ConvergenceError
            If sweeps or the Krylov solver do not reach their tolerance, or the curvature is singular or negative.
        """
        batch = presented(network, batch)
        with torch.no_grad():
            clamped = network.clamp(batch.inputs)
        free = self.settling.free_phase(clamped, batch.start, generator)
        with torch.no_grad():
            right_side = state_gradient(network, free.state, self.cost, batch)
        if type(network) is Layered and _units(free.state) > self.dense_units:
            return Estimate(self._swept(network, clamped, free.state, batch, right_side[-1]), {"free": free})
        adjoint = self.solve(clamped, free.state, right_side)
        return Estimate(parameter_gradient(network, free.state, adjoint, self.cost, batch), {"free": free})

    def _swept(self, network: Layered, clamped: Clamped, state: State, batch: Batch, error: Tensor) -> Gradients:
        """Return the gradient from the adjoint in difference coordinates, in which no layer's part is below the others' rounding."""
        accuracy = 10 * torch.finfo(error.dtype).eps
        with torch.no_grad():
            around = Differences(network, clamped, state)
            solution, residual = swept_adjoint(around, error, Stop(accuracy, _SWEEPS))
            if bool((failed := ~(residual <= 1e3 * accuracy)).any()):
                raise ConvergenceError(_NO_MINIMUM.format(int(failed.sum()), len(failed)))
            gradients = around.contrast(solution, None, 1.0)
        for name, value in direct_gradient(network, state, self.cost, batch).items():
            gradients[name] = gradients[name] + value
        return gradients

    def solve(self, clamped: Clamped, state: State, right_side: State) -> State:
        """Return :math:`H^{-1}` applied to ``right_side``, or the transposed inverse of a field's Jacobian; 0 on units held by bounds."""
        if isinstance(clamped.network, Untied):
            return _transposed(clamped, state, right_side)
        if _units(state) <= self.dense_units:
            matrices, scale = dense(clamped, state)
            weighted = _weigh(scale, right_side)
            factors, info = torch.linalg.cholesky_ex(matrices)  # fails where the curvature is not positive: no minimum
            if bool(info.any()):
                raise ConvergenceError(_NO_MINIMUM.format(int((info > 0).sum()), len(info)))
            scaled = torch.cholesky_solve(weighted[:, :, None], factors)[:, :, 0]
        else:
            multiply, scale = scaled_hessian(clamped, state)
            scaled = _krylov(multiply, state, _weigh(scale, right_side))
        return tuple(s * v for s, v in zip(scale, unflatten(scaled, state), strict=True))

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the free equilibrium."""
        with torch.no_grad():
            return self.settling.free_phase(network.clamp(inputs))


def _transposed(clamped: Clamped, state: State, right_side: State) -> State:
    """Return the adjoint of a field without an energy, whose Jacobian is not symmetric: one matrix per sample, in O(n³)."""
    matrices, scale = dense(clamped, state)
    scaled, info = torch.linalg.solve_ex(matrices.mT, _weigh(scale, right_side)[:, :, None])
    if bool(info.any()):
        raise ConvergenceError(_NO_MINIMUM.format(int((info > 0).sum()), len(info)))
    return tuple(s * v for s, v in zip(scale, unflatten(scaled[:, :, 0], state), strict=True))


def _units(state: State) -> int:
    return sum(layer[0].numel() for layer in state)


def _weigh(scale: State, right_side: State) -> Tensor:
    """Return the scaled right side, of shape (B, n)."""
    return flatten(tuple(s * g for s, g in zip(scale, right_side, strict=True)))


def _krylov(multiply: Callable[[State], State], state: State, weighted: Tensor) -> Tensor:
    operator = as_operator(multiply, state)
    right = weighted.double().cpu().numpy().ravel()
    # Products are as accurate as the state's dtype, so a tighter tolerance than a few roundings cannot be reached.
    accuracy = 10 * torch.finfo(weighted.dtype).eps
    solution, _ = minres(operator, right, rtol=accuracy, maxiter=2000)
    error = float(np.linalg.norm(operator @ solution - right))
    if not error <= 1e3 * accuracy * max(float(np.linalg.norm(right)), 1e-300):
        raise ConvergenceError(
            f"MINRES left a relative error of {error / float(np.linalg.norm(right)):.1e} in the adjoint; the curvature is nearly "
            "singular: use float64, a smaller gain, or a smaller layer energy scale"
        )
    scaled = torch.from_numpy(solution).reshape(weighted.shape)
    # MINRES also solves indefinite systems without a warning, so check the curvature along the solution, x A x = x b.
    below = (scaled * weighted.double().cpu()).sum(1) < 0
    if bool(below.any()):
        raise ConvergenceError(_NO_MINIMUM.format(int(below.sum()), len(below)))
    return scaled.to(weighted)


def build(setting: Setting) -> Implicit:
    """Return the implicit gradient."""
    setting = as_setting(setting)
    return Implicit(setting.cost, setting.settling)
