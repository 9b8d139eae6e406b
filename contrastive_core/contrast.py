"""Contrast of two relaxed states, which is the estimate of equilibrium propagation and of coupled learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from contrastive_core.certificate import Deferred
from contrastive_core.cost import Cost
from contrastive_core.errors import InputError
from contrastive_core.gradients import direct_gradient
from contrastive_core.network import Clamped, Contrast, Network
from contrastive_core.phases import PHASE_NAMES, SIDE_NAMES, Phase
from contrastive_core.relaxation.relax import require_finite
from contrastive_core.rule import Estimate, Settling
from contrastive_core.types import Batch, State


def contrast(
    network: Network,
    batch: Batch,
    cost: Cost,
    settling: Settling,
    signs: tuple[int, ...],
    displacement: float,
    strength: float,
    phases: Sequence[Phase] | Callable[[State], Sequence[Phase]],
    generator: torch.Generator | None = None,
    nudged: Callable[[Clamped, State], Clamped] | None = None,
) -> Estimate:
    r"""Estimate a gradient by the contrast of two relaxed states.

    :math:`[\partial_\theta E(s^+) - \partial_\theta E(s^-)] / (\beta\, n)`, where :math:`s^\pm` are the ends of the phases of the n
    signs. The free state takes the place of a sign that is not run. With a readout, its direct gradient is added. Nudges of layered
    networks relax in difference coordinates, in which nothing cancels (:mod:`contrastive_core.networks.differences`), and so do held
    outputs where the contrast of states would be rounding.

    Parameters
    ----------
    network, batch, cost, settling
        Network and samples to relax, cost to lower, and dynamics, tolerances and budgets.
    signs : tuple of int
        Signs of the phases: (1,), (-1,) or (1, -1).
    displacement : float
        Displacement of the outputs by a phase, per unit of error.
    strength : float
        Divisor :math:`\beta` of the contrast.
    phases : sequence of Nudge or Hold, or callable
        Phases to run, one per sign, or a function that returns them for the free state.
    generator : torch.Generator, optional
        Source of noise for noisy dynamics.
    nudged : callable, optional
        Returns the network that relaxes in the nudged phases, from the clamped one and its free state; None is the same network.

    Returns
    -------
    Estimate
        Estimate with the relaxations "free" and "positive", "negative" or both.

    Raises
    ------
    InputError
        If the strength is 0 or infinite in the network's dtype.
    DivergenceError
        If a phase diverges.
    """
    if not 1e-4 <= strength <= 6e4:  # safe in every dtype; looking up the network's dtype costs as much as sweeps
        # Displacements are in units of the nudge, so that no number as small as the nudge itself is needed.
        size = displacement if settling.in_differences(network, (), displacement) else strength
        _require_representable(size, next(network.parameters()).dtype)
    factor = 1 / (strength * len(signs))
    if not callable(phases):
        phases = [network.applied(phase) for phase in phases]
        displaced = settling.in_differences(network, phases, displacement)
        at_once = settling.contrast(network, batch, phases, signs, factor) if displaced and batch.start is None else None
        if at_once is not None:
            return Estimate(at_once[0], Deferred(PHASE_NAMES[signs], at_once[1]))
    noise = settling.noise(generator)
    with torch.no_grad():
        clamped = settling.clamp(network, batch.inputs)
    free = settling.free_phase(clamped, batch.start, noise)
    with torch.no_grad():
        chosen = [network.applied(phase) for phase in phases(free.state)] if callable(phases) else phases
    if settling.in_differences(network, chosen, displacement):
        around, ends = settling.displaced(clamped, free.state, chosen, displacement)
        later = [relaxation for _, relaxation in ends]
    else:
        around, ends = None, []
        later = settling.second_phases(clamped if nudged is None else nudged(clamped, free.state), free.state, chosen, displacement, noise)
    seconds = dict(zip(signs, later, strict=True))
    for sign, second in seconds.items():
        require_finite(second, SIDE_NAMES[sign], network, cost)
    plus, minus = seconds.get(1, free), seconds.get(-1, free)
    with torch.no_grad():
        if around is None:
            gradients = network.energy_gradient(plus.state, clamped, minus.state, factor)
        else:
            sides = dict(zip(signs, (displacement for displacement, _ in ends), strict=True))
            gradients = around.contrast(sides.get(1), sides.get(-1), factor * network.stiffness[-1])
    for name, value in direct_gradient(network, free.state, cost, batch).items():
        gradients[name] = gradients[name] + value
    relaxations = {"free": free} | {SIDE_NAMES[sign]: second for sign, second in seconds.items()}
    return Estimate(gradients, relaxations, Contrast(clamped._replace(network=network), plus.state, minus.state, factor))


def _require_representable(strength: float, dtype: torch.dtype) -> None:
    limits = torch.finfo(dtype)
    if not limits.tiny <= strength <= limits.max:
        name = str(dtype).removeprefix("torch.")
        raise InputError(
            f"a strength or fraction of {strength:g} is {'0' if strength < 1 else 'infinite'} in {name}; use one nearer to 0.1, or float64"
        )
