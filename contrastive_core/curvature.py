"""The curvature of the energy at a state, as products with vectors, restricted to the units that can move."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator
from torch import Tensor

from contrastive_core.types import Clamped, State


def scaled_hessian(clamped: Clamped, state: State) -> tuple[Callable[[State], State], State]:
    r"""Return products with :math:`S H S`, and the diagonal scale S.

    :math:`H = \partial^2 E/\partial s^2`, and :math:`S^2` is each unit's own compliance, so that the diagonal is 1 and a saturated
    smooth unit does no harm to the conditioning. A unit held by its bounds has S = 0; the operator is the identity there,
    which leaves it out.

    Parameters
    ----------
    clamped : Clamped
        Network with its inputs held.
    state : State
        Where the curvature is taken, normally an equilibrium.

    Returns
    -------
    multiply : callable
        Maps a State of vectors to a State: one Hessian-vector product, batched over samples.
    scale : State
        S, shaped as the state.
    """
    free = tuple(layer.detach().requires_grad_() for layer in state)
    with torch.enable_grad():
        forces = clamped.network.force(free, Clamped(clamped.network, clamped.inputs, clamped.drive.detach()))
    scale = tuple(layer.sqrt() for layer in clamped.network.compliance(state))

    def multiply(vector: State) -> State:
        scaled = tuple(s * v for s, v in zip(scale, vector, strict=True))
        # H is symmetric: the transposed product that autograd gives is the product itself, up to the sign of the force.
        product = torch.autograd.grad(forces, free, scaled, retain_graph=True)
        return tuple(torch.where(s > 0, -s * p, v) for s, p, v in zip(scale, product, vector, strict=True))

    return multiply, scale


def flatten(state: State) -> Tensor:
    """Return the layers of each sample in one row, of shape (B, n)."""
    return torch.cat(state, dim=1)


def unflatten(rows: Tensor, like: State) -> State:
    """Split rows of shape (B, n) into layers as wide as those of ``like``."""
    return torch.split_with_sizes(rows, [layer.shape[1] for layer in like], dim=1)


def as_operator(multiply: Callable[[State], State], like: State) -> LinearOperator:
    """Return a SciPy operator on the flattened batch, of B·n unknowns; samples do not act on each other."""
    rows, width = like[0].shape[0], sum(layer.shape[1] for layer in like)

    def product(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        tensor = torch.from_numpy(np.array(vector, dtype=np.float64).reshape(rows, width)).to(like[0])
        result: NDArray[np.float64] = flatten(multiply(unflatten(tensor, like))).double().cpu().numpy().ravel()
        return result

    return LinearOperator((rows * width, rows * width), matvec=product, dtype=np.float64)


def dense(multiply: Callable[[State], State], like: State) -> Tensor:
    """Return the operator as one matrix per sample, of shape (B, n, n), by n products."""
    width = sum(layer.shape[1] for layer in like)
    columns = []
    for unit in range(width):
        basis = torch.zeros(like[0].shape[0], width, dtype=like[0].dtype, device=like[0].device)
        basis[:, unit] = 1
        columns.append(flatten(multiply(unflatten(basis, like))))
    return torch.stack(columns, dim=2)  # (B, n, n)
