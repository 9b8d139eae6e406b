"""Nudged phases in which a rule takes part: each sweep is seen, and the certificate is that of any other phase."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.cost import Cost
from contrastive_core.costs.labels import with_targets
from contrastive_core.dynamics.base import is_joint
from contrastive_core.gradients import direct_gradient
from contrastive_core.network import Clamped, Network
from contrastive_core.phases import Nudge, Phase
from contrastive_core.relaxation.backends import has_minimum
from contrastive_core.relaxation.convexity import certified_convex
from contrastive_core.relaxation.iterate import iterate
from contrastive_core.relaxation.relax import hopeless
from contrastive_core.relaxation.resolution import certified
from contrastive_core.rule import Settling
from contrastive_core.types import Batch, Gradients, State

Sweep = Callable[[State, Any, Phase], tuple[State, Tensor, Any]]
"""Step of a phase: maps a state, a memory and the phase to the next state, a residual of shape (B,) and the next memory."""


class FreeEnd(NamedTuple):
    """End of a free phase, from which nudged phases start.

    Attributes
    ----------
    clamped : Clamped
        Network with its inputs held, as no kernel keeps it.
    free : Relaxation
        Free phase.
    nudges : list of Nudge
        Nudges as they act, one per strength.
    noise : torch.Generator, optional
        Source of noise of all phases.
    """

    clamped: Clamped
    free: Relaxation
    nudges: list[Phase]
    noise: torch.Generator | None


def relax_free(
    network: Network,
    batch: Batch,
    cost: Cost,
    settling: Settling,
    strengths: Sequence[float],
    frozen: bool,
    generator: torch.Generator | None,
) -> FreeEnd:
    """Relax the free phase, and make the nudges that start from its end.

    Parameters
    ----------
    network, batch, cost, settling
        Network and samples to relax, cost that nudges, and dynamics, tolerances and budgets.
    strengths : sequence of float
        Signed strengths of the nudges.
    frozen : bool
        Whether the nudging force stays that of the free state.
    generator : torch.Generator, optional
        Source of noise for noisy dynamics.
    """
    noise = settling.noise(generator)
    with torch.no_grad():
        free = settling.free_phase(settling.clamp(network, batch.inputs), batch.start, noise)
        output = network.output(free.state)
        force = cost.gradient(output, batch) if frozen else None
        # A coupled cost takes what it selects at the free state, as in other rules: only then is the nudged energy a scalar.
        shown = batch._replace(held=output) if cost.coupled and not frozen else batch
        asked = [Nudge(cost, shown, strength, force) for strength in strengths]
        return FreeEnd(network.clamp(batch.inputs), free, [network.applied(nudge) for nudge in asked], noise)


def nudged(clamped: Clamped, free: State, nudge: Phase, stop: Stop, sweep: Sweep, *, together: bool = False) -> Relaxation:
    """Relax a nudged phase by sweeps that a rule takes part in.

    Parameters
    ----------
    clamped : Clamped
        Network with its inputs held, at which the certificate is given.
    free : State
        Start of the phase; not modified.
    nudge : Nudge
        Nudge that acts.
    stop : Stop
        Tolerance and budget.
    sweep : callable
        Step of the phase. It sees samples that have stopped as they have stopped.
    together : bool
        Whether all samples stop together, because the sweeps couple them.

    Returns
    -------
    Relaxation
        End of the phase, with the same checks as :func:`contrastive_core.relaxation.relax.relax` makes.
    """
    if not (stop.unstable or has_minimum(clamped.network, nudge)):
        return hopeless(free)
    target = with_targets(nudge, clamped, free)
    ended = iterate(lambda state, memory: sweep(state, memory, target), free, stop, joint=together or is_joint(target))
    return certified_convex(certified(ended, lambda: clamped, stop), clamped, free, nudge)


def phase_stop(settling: Settling, network: Network, strength: float) -> Stop:
    """Return the stop of a nudged phase; dynamics whose step is a whole relaxation take one."""
    stop = settling.second_stop(network, strength)
    return stop._replace(budget=1) if settling.dynamics.whole else stop


def with_readout(sums: Sequence[Gradients], network: Network, free: State, cost: Cost, batch: Batch) -> Gradients:
    """Return the mean of the gradients of all phases, with the direct gradient of a readout, which no phase teaches."""
    gradients = {name: torch.stack([one[name] for one in sums]).mean(0) for name in sums[0]}
    return gradients | {name: gradients[name] + value for name, value in direct_gradient(network, free, cost, batch).items()}
