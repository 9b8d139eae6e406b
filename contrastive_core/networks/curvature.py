"""The curvature of the energy at a state, as products with vectors, restricted to the units that can move."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, cg, eigsh
from torch import Tensor

from contrastive_core.errors import ConvergenceError
from contrastive_core.gradients import pulled_back
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped
from contrastive_core.networks.input_checks import check_state
from contrastive_core.networks.untied import Untied
from contrastive_core.per_sample import flatten, unflatten, widths
from contrastive_core.types import State

_GRADED = 1e-2
"""Ratio of the softest to the stiffest unit below which the smallest curvature is found by solving with the curvature."""


def _differentiable_force(clamped: Clamped, state: State) -> tuple[State, State]:
    """Return the force, and the copy of the state to which its graph leads back."""
    free = tuple(layer.detach().requires_grad_() for layer in state)
    with torch.enable_grad():
        return clamped.network.force(free, clamped._replace(drive=clamped.drive.detach())), free


def hessian(clamped: Clamped, state: State) -> Callable[[State], State]:
    r"""Return products with :math:`H = \partial^2 E/\partial s^2` at a state, without regard to the bounds.

    Parameters
    ----------
    clamped : Clamped
        Network with its inputs held.
    state : State
        State at which the curvature is taken, normally an equilibrium.

    Returns
    -------
    callable
        Maps a State of vectors to a State: one Hessian-vector product for every sample at once.
    """
    forces, free = _differentiable_force(clamped, state)

    def multiply(vector: State) -> State:
        # H is symmetric, so the transposed product that autograd gives is the product itself, up to the sign of the force.
        with torch.enable_grad():
            return tuple(-product for product in pulled_back(forces, free, vector))

    return multiply


def scaled_hessian(clamped: Clamped, state: State) -> tuple[Callable[[State], State], State]:
    r"""Return products with :math:`S H S`, and the diagonal scale S.

    :math:`S^2` is each unit's own compliance, so that the diagonal is 1 and a saturated smooth unit does no harm to the
    conditioning. A unit held by its bounds has S = 0; the operator is the identity there, which leaves it out.

    Parameters
    ----------
    clamped : Clamped
        Network with its inputs held.
    state : State
        State at which the curvature is taken.

    Returns
    -------
    multiply : callable
        Maps a State of vectors to a State.
    scale : State
        S, shaped as the state.
    """
    product = hessian(clamped, state)
    scale = tuple(layer.sqrt() for layer in clamped.network.compliance(state))

    def multiply(vector: State) -> State:
        image = product(tuple(s * v for s, v in zip(scale, vector, strict=True)))
        return tuple(torch.where(s > 0, s * h, v) for s, h, v in zip(scale, image, vector, strict=True))

    return multiply, scale


def as_operator(multiply: Callable[[State], State], like: State) -> LinearOperator:
    """Return a SciPy operator on the flattened batch, of B·n unknowns; samples do not act on each other."""
    rows, width = like[0].shape[0], sum(widths(like))

    def product(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        tensor = torch.from_numpy(np.array(vector, dtype=np.float64).reshape(rows, width)).to(like[0])
        result: NDArray[np.float64] = flatten(multiply(unflatten(tensor, like))).double().cpu().numpy().ravel()
        return result

    return LinearOperator((rows * width, rows * width), matvec=product, dtype=np.float64)


@typed()
def extreme_eigenvalues(clamped: Clamped, state: State, *, relative: bool = False) -> tuple[float, float]:
    r"""Return the smallest and the largest curvature of the energy over all samples, by Lanczos.

    With ``relative``, they are those of :math:`\kappa^{-1/2} H \kappa^{-1/2}`, in units of the layers' stiffness. Only directions in which
    no unit is held by its bounds count. A smallest one near 0 means slow relaxation and large bias; a negative one means that the state
    is no minimum.

    Raises
    ------
    ConvergenceError
        If Lanczos does not converge, or every unit is held by its bounds.
    """
    check_state(clamped, state)
    if isinstance(clamped.network, Untied):
        raise ConvergenceError("a network whose feedback is not tied has no energy, and so no curvature of one")
    movable = flatten(clamped.network.compliance(state)) > 0  # (B, n)
    count = int(movable.sum())
    if count < 3:
        raise ConvergenceError("fewer than 3 units are inside their bounds, so there is no curvature to measure; lower the gain")
    product = hessian(clamped, state)
    scales = zip(widths(state), clamped.network.unit_scales(clamped), strict=True)
    units = torch.cat([torch.ones(n).to(state[0]) * k for n, k in scales]).detach()  # (n,)

    def compressed(vector: NDArray[np.float64], root: Tensor) -> NDArray[np.float64]:
        rows = torch.zeros(movable.shape, dtype=state[0].dtype, device=state[0].device)
        rows[movable] = torch.from_numpy(np.asarray(vector).ravel()).to(rows)
        image: NDArray[np.float64] = (flatten(product(unflatten(rows / root, state))) / root)[movable].double().cpu().numpy()
        return image

    def operator(root: Tensor) -> LinearOperator:
        return LinearOperator((count, count), matvec=lambda vector: compressed(vector, root), dtype=np.float64)

    in_units, plain = operator(units.sqrt()), operator(torch.ones_like(units))
    asked = in_units if relative else plain
    start = np.random.default_rng(0).standard_normal(count)  # a fixed start makes the result reproducible
    graded = not relative and float(units.min()) < _GRADED * float(units.max())
    # The stiff units alone make up the upper end of a graded spectrum, so that fewer vectors resolve it.
    settings: dict[str, Any] = {"k": 1, "v0": start, "ncv": min(count, 20 if graded else 60), "tol": 1e-6}
    try:
        largest = float(eigsh(asked, which="LA", return_eigenvectors=False, **settings)[0])
        if graded:
            root = units.sqrt().expand(movable.shape)[movable].double().cpu().numpy()
            return _smallest_graded(plain, in_units, root, settings), largest
        return float(eigsh(asked, which="SA", return_eigenvectors=False, **settings)[0]), largest
    except ArpackNoConvergence as error:
        raise ConvergenceError("Lanczos did not converge on the curvature of the energy; use float64 or fewer samples") from error


def _smallest_graded(plain: LinearOperator, in_units: LinearOperator, root: NDArray[np.float64], settings: dict[str, Any]) -> float:
    """Return the smallest curvature where units differ in stiffness by orders of magnitude, so that Lanczos would not see the soft ones.

    Where the curvature is negative, it is an upper bound: that along the most negative direction in units of the stiffness.
    """
    # Stretching by the stiffness keeps the signs of the eigenvalues (Sylvester), and leaves a well conditioned matrix.
    least, direction = eigsh(in_units, which="SA", **settings | {"tol": 1e-2})
    if least[0] <= 0:
        return float(least[0] / np.square(direction[:, 0] / root).sum())

    def solve(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        found, _ = cg(in_units, np.asarray(vector).ravel() / root, rtol=1e-6)
        solution: NDArray[np.float64] = found / root
        return solution

    inverse = LinearOperator(plain.shape, matvec=solve, dtype=np.float64)
    # Each product is a solution of a linear system. Errors of an eigenvalue are of second order in those of its vector.
    fewer = settings | {"ncv": min(settings["ncv"], 12), "tol": 1e-3}
    return float(1 / eigsh(inverse, which="LA", return_eigenvectors=False, **fewer)[0])


def dense(clamped: Clamped, state: State) -> tuple[Tensor, State]:
    """Return :func:`scaled_hessian` as one matrix per sample, of shape (B, n, n), and its scale.

    All n products are taken in one vectorised pass, which needs memory for n states.
    """
    forces, free = _differentiable_force(clamped, state)
    scale = tuple(layer.sqrt() for layer in clamped.network.compliance(state))
    width, rows = sum(widths(state)), state[0].shape[0]
    basis = torch.eye(width, dtype=state[0].dtype, device=state[0].device)[:, None, :].expand(width, rows, width)
    parts = torch.split_with_sizes(basis, widths(state), dim=2)
    vectors = tuple(part.reshape(width, *layer.shape) for part, layer in zip(parts, state, strict=True))
    products = torch.autograd.grad(forces, free, vectors, is_grads_batched=True)
    weights = flatten(scale)
    matrices = (
        -torch.cat([product.flatten(2) for product in products], dim=2).transpose(0, 1) * weights[:, :, None] * weights[:, None, :]
    )  # (B, n, n)
    return matrices + torch.diag_embed((weights == 0).to(weights)), scale
