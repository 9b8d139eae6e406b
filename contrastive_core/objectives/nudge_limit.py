"""Largest curvature of a cost at the outputs, which limits the strength of a live nudge."""

import torch
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.types import Batch

_ROUNDS = 20
"""Rounds of power iteration. Each round gives a lower bound; after 20 it is within a few per cent for costs of a batch."""


def largest_curvature(cost: Cost, output: Tensor, batch: Batch) -> float:
    r"""Return the largest absolute eigenvalue of :math:`B\, \partial^2 C/\partial o^2`, by power iteration on gradient differences.

    A live nudge of strength :math:`\beta` (in units of the outputs' stiffness) moves smooth outputs by a fixed-point step. The slope of
    this step is up to :math:`\beta` times the returned curvature; from a slope of 1 on, the phase may not settle, and the negative
    phase may have no minimum. Objectives of normalised outputs have a curvature of about :math:`1 / (\tau |o|^2)`, so that short
    outputs need a weak live nudge. No bound holds for all outputs, because lengths may shrink during the phase: the curvature where the
    phase has led is judged by :func:`contrastive_core.relaxation.convexity.certified_convex`. A frozen nudge has no such limit.

    Parameters
    ----------
    cost : Cost
        Cost that nudges.
    output : Tensor of shape (B, n)
        Outputs at the free state.
    batch : Batch
        Samples that the outputs belong to.

    Returns
    -------
    float
        Curvature, at least 0. Parts of the cost without a gradient are held at ``output``.
    """
    output = output.detach().double()
    extras = {name: extra.double() if extra.is_floating_point() else extra for name, extra in (batch.extras or {}).items()}
    held = batch._replace(held=output, extras=extras)
    # Truncation and rounding errors of a central difference balance at a step near the cube root of the precision, about 1e-5.
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
