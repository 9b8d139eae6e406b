"""Contraction of a dynamics at an equilibrium, and networks made to contract as slowly as wanted."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackError, LinearOperator, eigs

from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import ConvergenceError, InputError
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped
from contrastive_core.networks.input_checks import check_state
from contrastive_core.networks.layered import Layered
from contrastive_core.per_sample import flatten, unflatten
from contrastive_core.types import State

_DENSE = 64
"""Units up to which all eigenvalues are computed; above, Arnoldi looks for the largest."""


@typed()
def spectral_radius(dynamics: Dynamics, clamped: Clamped, state: State) -> float:
    r"""Return the largest modulus of the eigenvalues of :math:`\partial G/\partial s`, G one step of a dynamics, over all samples.

    At an equilibrium it is the factor per step by which a plain dynamics approaches it in the end; 1 is critical.

    Parameters
    ----------
    dynamics : Dynamics
        Dynamics with the step G.
    clamped : Clamped
        Network with its inputs held.
    state : State
        Point of the derivative, normally an equilibrium.

    Raises
    ------
    ConvergenceError
        If Arnoldi does not converge.
    """
    check_state(clamped, state)
    rows = flatten(state).detach()
    return max(_radius(dynamics, clamped, rows[row : row + 1], state, row) for row in range(len(rows)))


def _radius(dynamics: Dynamics, clamped: Clamped, point: torch.Tensor, like: State, row: int) -> float:
    one = Clamped(clamped.network, clamped.inputs[row : row + 1], clamped.drive[row : row + 1].detach())
    leaf = point.clone().requires_grad_()
    with torch.enable_grad():
        image = flatten(dynamics.step(unflatten(leaf, like), one)[0])

    def back(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        # The transposed Jacobian, which has the same eigenvalues.
        weights = torch.from_numpy(np.ascontiguousarray(vector.ravel())).to(leaf)[None]
        (product,) = torch.autograd.grad(image, leaf, weights, retain_graph=True)
        result: NDArray[np.float64] = product[0].double().cpu().numpy()
        return result

    width = point.shape[1]
    if width <= _DENSE:
        return float(np.abs(np.linalg.eigvals(np.stack([back(row) for row in np.eye(width)]))).max())
    operator = LinearOperator((width, width), matvec=back, dtype=np.float64)
    try:
        found = eigs(operator, k=1, v0=np.random.default_rng(0).standard_normal(width), return_eigenvectors=False)
    except ArpackError as error:
        raise ConvergenceError("Arnoldi did not converge on the contraction of the relaxation; use float64 or fewer units") from error
    return float(np.abs(found).max())


def set_radius(network: Layered, radius: float) -> None:
    r"""Set couplings and biases, in place, so that without inputs block descent contracts by a wanted factor.

    Biases give every unit the drive 0 at equilibrium, or 1/2 where 0 is on a bound of its activation. There the factor is
    proportional to the square of the couplings between free layers, since block descent over a chain of layers is consistently
    ordered (Young, 1954; recalled, verified numerically), so that one division is exact. Inputs that are not weak move the
    equilibrium and with it the factor.

    Parameters
    ----------
    network : Layered
        Network with two or more free layers; changed in place.
    radius : float
        Wanted factor per sweep, in (0, 1); 1 is critical.

    Raises
    ------
    InputError
        If the network is not dense, the radius is not in (0, 1), or there is one free layer or no coupling only.
    """
    if not network.is_dense:
        raise InputError("the contraction of filters, residual edges or memories does not follow from one factor; take a dense network")
    if not 0 < radius < 1 or len(network.sizes) < 2:
        raise InputError(f"a radius must lie in (0, 1) and needs two or more free layers, got {radius} and layers of {network.sizes}")
    with torch.no_grad():
        nothing = torch.zeros(1, network.num_inputs)
        at_rest = network.compliance(network.initial_state(network.clamp(nothing)))
        drives = tuple(torch.where(free > 0, 0.0, 0.5).to(free) for free in at_rest)
        state = tuple(a.value(drive) for a, drive in zip(network.activations, drives, strict=True))
        _centre(network, state, drives)
        found = spectral_radius(BlockDescent(), network.clamp(nothing), state)
        if not found > 0:
            raise InputError("the couplings between the free layers are 0 and cannot be scaled; draw the weights from a generator")
        for index in range(1, len(network.sizes)):
            network.weight(index).mul_((radius / found) ** 0.5)
        _centre(network, state, drives)


def _centre(network: Layered, state: State, drives: State) -> None:
    """Set the biases so that without inputs a state is the equilibrium, at its drives."""
    with torch.no_grad():
        for index in range(len(network.sizes)):
            drive = drives[index][0].clone()
            if index > 0:
                drive -= state[index - 1][0] @ network.weight(index)
            if index + 1 < len(network.sizes):
                drive -= network.energy_scale * state[index + 1][0] @ network.weight(index + 1).T
            network.bias(index).copy_(drive)
