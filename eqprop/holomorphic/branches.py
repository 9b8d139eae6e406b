r"""Points of a circle whose states belong to no analytic function of the strength: on another branch, or around a singularity.

A small residual says that a state is stationary, not that it is the one which the free state turns into. The mean of an analytic function
over N points of a circle is its value in the middle, up to a term of order N: a mean that is off tells what no residual can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Status
from contrastive_core.types import State
from eqprop.holomorphic.complex_network import real_part
from eqprop.holomorphic.points import Point, circle, count_of

MOST = 0.1
"""Distance of the mean over the points from the free state, over the largest distance of a point, that counts as analytic.

With a pole at distance R it is about (strength/R)^(N-1), and the error of the estimate (strength/R)^N: 3 % for three points at this
threshold, 5 % for four and 7 % for eight. A state on another branch is off by far more.
"""


def off_branch(points: Sequence[Point], free: State, states: Sequence[State]) -> list[Tensor]:
    r"""Return for each point the samples in which it is the one that fits no analytic function.

    With displacements :math:`d_k = s_{\beta_k} - s_0` it is a sample with :math:`|\sum_k w_k d_k| > 0.1 \max_k |d_k|`. The
    named point is that furthest from the line :math:`\beta_k \sum_j w_j d_j / \beta_j` through all of them.

    Parameters
    ----------
    points : sequence of Point
        Points of a circle.
    free : State
        Free state.
    states : sequence of State
        State at each point.

    Returns
    -------
    list of Tensor of shape (B,)
        Booleans for each point; all False for a circle without complex points.
    """
    none = [free[0].new_zeros(len(free[0]), dtype=torch.bool) for _ in points]
    if not any(isinstance(point.strength, complex) for point in points):
        return none
    rest = torch.cat([layer.flatten(1) for layer in free], 1)
    moved = [torch.cat([layer.flatten(1) for layer in state], 1) - rest for state in states]
    weighted = list(zip(points, moved, strict=True))
    # A complex point also stands for its conjugate, so that sums over all points are real.
    mean = torch.stack([point.weight * real_part(one) for point, one in weighted]).sum(0)
    slope = torch.stack([point.weight * real_part(one / point.strength) for point, one in weighted]).sum(0)
    furthest = torch.stack([_size(one) for one in moved]).amax(0)
    off = _size(mean) > MOST * furthest
    named = torch.stack([_size(one - point.strength * slope) for point, one in weighted]).argmax(0)
    return [off & (named == index) for index in range(len(points))]


def marked(points: Sequence[Point], free: State, ends: Sequence[Relaxation]) -> list[Relaxation]:
    """Return the certificates of the points, in which those off the branch of the free state count as not converged."""
    found = []
    for end, off in zip(ends, off_branch(points, free, [one.state for one in ends]), strict=True):
        status = torch.where(off & (end.status == Status.CONVERGED), torch.full_like(end.status, Status.BUDGET), end.status)
        found.append(end._replace(status=status))
    return found


def shares_off_branch(relaxations: Mapping[str, Relaxation]) -> dict[str, float]:
    """Return the share of samples in which a point of a circle is off the branch, for those points that are in some.

    Parameters
    ----------
    relaxations : mapping of str to Relaxation
        Phases of an estimate by name; those of other rules give nothing.
    """
    complex_phase = next((name for name, phase in relaxations.items() if phase.state[0].is_complex()), None)
    if complex_phase is None:
        return {}
    points = circle(count_of(complex_phase))
    off = off_branch(points, relaxations["free"].state, [relaxations[point.name].state for point in points])
    return {point.name: float(one.double().mean()) for point, one in zip(points, off, strict=True) if bool(one.any())}


def _size(moved: Tensor) -> Tensor:
    return moved.abs().amax(1)
