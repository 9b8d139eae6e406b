"""How strong a live nudge may be: the largest curvature of a cost at the outputs."""

import torch
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.types import Batch

_ROUNDS = 20
"""Of power iteration: its value is a lower bound from the first on, and within a few per cent by then for costs of a batch."""


def largest_curvature(cost: Cost, output: Tensor, batch: Batch) -> float:
    r"""Return the largest size of an eigenvalue of :math:`B\, \partial^2 C/\partial o^2`, by power iteration on its differences.

    A live nudge of strength :math:`\beta` (in units of the outputs' stiffness) moves smooth outputs by a fixed-point step whose slope is
    up to :math:`\beta` times this; from 1 on it need not settle, and the negative phase need not have a minimum. Objectives that normalise
    have about :math:`1 / (\tau |o|^2)`: the shorter the outputs, the weaker a live nudge has to be. A frozen one has no such limit.

    Parameters
    ----------
    cost : Cost
        What nudges.
    output : Tensor of shape (B, n)
        At the free state.
    batch : Batch
        The samples that they belong to.

    Returns
    -------
    float
        At least 0; what carries no gradient is held at ``output``.
    """
    output = output.detach().double()
    extras = {name: extra.double() if extra.is_floating_point() else extra for name, extra in (batch.extras or {}).items()}
    held = batch._replace(held=output, extras=extras)
    # Central differences lose half the digits of float64 to the step and as many to rounding when the step is their root.
    step = 1e-5 * float(output.norm(dim=1).clamp(min=1e-6).min())
    direction = torch.randn(output.shape, generator=torch.Generator().manual_seed(0), dtype=output.dtype)
    size = 0.0
    with torch.no_grad():
        for _ in range(_ROUNDS):
            direction = direction / direction.norm().clamp(min=1e-300)
            ahead, behind = (cost.gradient(output + sign * step * direction, held) for sign in (1, -1))
            direction = (ahead - behind) / (2 * step)
            size = float(direction.norm())
    return size
