"""Second-order check of nudged states, for costs whose curvature nobody can bound beforehand."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Status
from contrastive_core.network import Clamped, Network
from contrastive_core.phases import Nudge, Phase
from contrastive_core.types import Batch, State

_ROUNDS = 8
"""Rounds of power iteration. They start along the way of the outputs, which an unstable direction dominates."""
_FAR = 0.25
"""Curvature of the nudge, over the units' own, that after two rounds is too far from 1 to reach it: each round costs two gradients."""
_TINY = 1e-300
"""Stands for 0 in divisors."""


def certified_convex(relaxation: Relaxation, clamped: Clamped, free: State, phase: Phase) -> Relaxation:
    r"""Return a nudged relaxation that is not converged where the nudged energy is concave along some direction of the outputs.

    Directional objectives have a curvature of about :math:`1/|o|^2`, and others grow without bound, so that no strength is safe
    beforehand. At the end of a live nudge the curvature of the nudged energy is measured along directions of the last layer, with the
    other layers held. Where it is negative the state is a saddle, or a corner into which the nudge has driven units; no derivative leads
    there. Units that rest on the same bound in both states do not count.

    A direction that is found is proof. Power iteration may miss one, so that a state without one need not be a minimum.

    Parameters
    ----------
    relaxation : Relaxation
        End of the phase.
    clamped : Clamped
        Network with its inputs held. Networks whose outputs are a function of the last layer are not judged.
    free : State
        State from which the nudge started.
    phase : Nudge, Hold or None
        Phase; all but live nudges by a cost without a bound are returned as they are.
    """
    network = clamped.network
    if not isinstance(phase, Nudge) or phase.frozen is not None or math.isfinite(phase.cost.steepest):
        return relaxation
    if not (network.output_is_last_layer or network.has_readout) or not bool((relaxation.status == int(Status.CONVERGED)).any()):
        return relaxation
    with torch.no_grad():
        concave = _least_curvature(network, relaxation.state, free, phase) < 0
        lost = concave & (relaxation.status == int(Status.CONVERGED))
        return relaxation._replace(status=torch.where(lost, int(Status.BUDGET), relaxation.status).to(torch.int8))


def _least_curvature(network: Network, state: State, free: State, nudge: Nudge) -> Tensor:
    """Return the least curvature of the nudged energy that is found along a direction of the last layer, over the units' own; (B,)."""
    units, before = state[-1].double(), free[-1].double()
    slack = network.compliance(state)[-1].double()
    moved = (slack > 0) | (units != before)
    # In units of their own curvature the nudged energy has one of 1 plus that of the nudge.
    root = torch.where(slack > 0, slack, 1 / network.stiffness[-1]).sqrt() * moved  # (B, n)

    def total(rows: Tensor) -> Tensor:
        return rows.sum().expand(len(rows)) if nudge.cost.coupled else rows

    way = (units - before) / root.clamp(min=_TINY) * moved
    # A symmetric way may be orthogonal to an unstable direction; the same draw for every batch keeps results repeatable.
    random = torch.randn(units.shape, generator=torch.Generator().manual_seed(0), dtype=units.dtype).to(units) * moved
    direction = way + 1e-3 * way.norm() * random if bool((way != 0).any()) else random
    product = _curvature_along(network, state, nudge)
    least, largest = torch.full_like(units[:, 0], math.inf), torch.zeros_like(units[:, 0])
    for number in range(_ROUNDS):
        direction = direction / total(direction.square().sum(1)).sqrt().clamp(min=_TINY)[:, None]
        image = root * product(root * direction)
        least = torch.minimum(least, 1 + total((direction * image).sum(1)))
        largest = torch.maximum(largest, total(image.square().sum(1)).sqrt())
        if number and bool((largest < _FAR).all()):
            break
        direction = largest[:, None] * direction - image  # the shift makes the most negative eigenvalue the largest one
    return least


def _curvature_along(network: Network, state: State, nudge: Nudge) -> Callable[[Tensor], Tensor]:
    """Return the product of the nudge's curvature with a direction of the last layer, in float64."""
    output, batch, last = network.output(state).double(), _doubled(nudge.batch), state[-1]
    # Truncation and rounding errors of a central difference balance at a step near the cube root of the precision.
    step = 1e-5 * max(float(output.norm(dim=1).min()), 1e-6)

    def through(direction: Tensor) -> Tensor:
        """Return how the outputs move along a direction: a readout is linear, so that a step of any length says it."""
        if not network.has_readout:
            return direction
        ends = (network.output((*state[:-1], units)) for units in (direction.to(last), torch.zeros_like(last)))
        return next(ends).double() - next(ends).double()

    def product(direction: Tensor) -> Tensor:
        reached = through(direction)
        size = step / reached.norm(dim=1).max().clamp(min=_TINY)
        ahead, behind = (nudge.cost.gradient(output + sign * size * reached, batch) for sign in (1, -1))
        slope = nudge.strength * (ahead - behind) / (2 * size)
        return network.pull_back(state, slope.to(last)).double() if network.has_readout else slope

    return product


def _doubled(batch: Batch) -> Batch:
    """Return a batch whose targets, held outputs and extras are in float64, in which differences keep their digits."""

    def double(value: Tensor) -> Tensor:
        return value.double() if value.is_floating_point() else value

    held = None if batch.held is None else double(batch.held)
    extras = None if batch.extras is None else {name: double(extra) for name, extra in batch.extras.items()}
    return batch._replace(labels=double(batch.labels), held=held, extras=extras)
