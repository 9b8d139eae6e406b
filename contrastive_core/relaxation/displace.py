"""Relaxing nudged phases in difference coordinates, where the network has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.costs.labels import with_targets
from contrastive_core.dynamics.base import Dynamics, is_joint, moving_blocks, pull_of
from contrastive_core.dynamics.block_descent import BlockDescent, backward
from contrastive_core.kernels import CONTRASTING
from contrastive_core.kernels.settling.elements.request import Contrasted, FromRest
from contrastive_core.kernels.settling.route import Ended
from contrastive_core.kernels.settling.route import displace as displace_by_kernel
from contrastive_core.network import Clamped, Network
from contrastive_core.networks.differences import Differences, Displacement, scales_of
from contrastive_core.networks.layered import Layered
from contrastive_core.per_sample import largest
from contrastive_core.phases import Hold, Nudge, Phase, Pull
from contrastive_core.relaxation.backends import STEPS, Case, clamped_for, has_minimum, plan, required
from contrastive_core.relaxation.convexity import certified_convex
from contrastive_core.relaxation.iterate import iterate
from contrastive_core.relaxation.relax import hopeless, require_sensible
from contrastive_core.relaxation.resolution import certified, certified_displacement
from contrastive_core.types import Batch, Gradients, State

Estimated = tuple[Gradients, Callable[[], list[Relaxation]]]
"""A gradient, and a function that returns the relaxations it came from, the free one first."""

Planned = Callable[[Network, Batch], Estimated | None]
"""Estimate of a batch of the network and the form that it was planned for. None if a sample diverged or a label has no output: relaxing
step by step then raises the error."""

Displaced = tuple[Differences, list[tuple[Displacement, Relaxation]]]
"""A network around its free state, and where nudges have taken it."""


def has_differences(network: Network, dynamics: Dynamics, phases: Sequence[Phase]) -> bool:
    """Whether phases can relax in difference coordinates: nudges and held outputs of a layered network by block descent.

    Networks around a layered one keep states: devices read them, and feedback of its own has no mirror image.
    """
    return type(network) is Layered and type(dynamics) is BlockDescent and None not in phases


def displace_each(
    clamped: Clamped, free: State, dynamics: Dynamics, stop: Stop, phases: Sequence[Phase], *, unit: float = 1.0, backend: str = "auto"
) -> Displaced:
    """Relax nudges or phases with held outputs from a free state, in difference coordinates.

    Parameters
    ----------
    clamped : Clamped
        Layered network with its inputs held.
    free : State
        Free state.
    dynamics : BlockDescent
        Dynamics of the free phase; nudges visit the blocks in reverse order.
    stop : Stop
        Tolerance and budget. The tolerance is relative: displacements are in units of what an output moves per unit of error.
    phases : sequence of Nudge or Hold
        Nudges, none of strength 0, or holds; not both.
    unit : float
        Displacement of held outputs per unit of error.
    backend : str
        Backend of the relaxations, as in :func:`contrastive_core.relaxation.relax.relax`. Kernels do nudges only.

    Returns
    -------
    around : Differences
        Network around its free state.
    ends : list of (Displacement, Relaxation)
        Displacement at the end of each phase, and the nudged state that it stands for with the certificate of the displacement.

    Raises
    ------
    InputError
        If the budget or tolerance makes no sense.
    BackendError
        If the backend does not exist, or is named and cannot do the case.
    """
    require_sensible(stop)
    # No kernel displaces held outputs, so that the reference does.
    backend = "torch" if any(isinstance(phase, Hold) for phase in phases) else backend
    route = required(Case(clamped.network, clamped.drive, dynamics, phases, free, displaced=True), backend)
    clamped = clamped_for(route, clamped)
    around = Differences(cast(Layered, clamped.network), clamped, free)
    settled = [phase for phase in phases if stop.unstable or has_minimum(clamped.network, phase)]
    if route.kind == STEPS:
        backwards = cast(BlockDescent, dynamics.reversed())
        ends = iter([_displace(around, backwards, stop, phase, _units(around, phase, unit)) for phase in settled])
    else:
        found = displace_by_kernel(route.kernel, clamped, free, dynamics, stop, settled)
        ends = iter([(around.scaled(layers, _units(around, nudge)), end) for nudge, (layers, end) in zip(settled, found, strict=True)])
    judged = (
        (moved, certified_convex(certified_displacement(end, moved.layers, stop), clamped, free, phase))
        for phase, (moved, end) in zip(settled, ends, strict=True)
    )
    none = (Displacement(around.rest(), 1.0), hopeless(free))
    return around, [next(judged) if any(phase is one for one in settled) else none for phase in phases]


def plan_from_rest(case: Case, stops: tuple[Stop, Stop], signs: tuple[int, ...], factor: float, *, backend: str = "auto") -> Planned | None:
    """Find a kernel that relaxes the free phase from rest and nudges from its end, and contrasts them into gradients.

    Parameters
    ----------
    case : Case
        Nudges of a batch with its labels.
    stops : tuple of Stop
        Stops of the free phase and of the others, those of a Settling, which has checked them.
    signs, factor
        Same as in :class:`contrastive_core.kernels.settling.elements.request.FromRest`.
    backend : str
        Same as in :func:`displace_each`.

    Returns
    -------
    callable, optional
        None if there is no such kernel.

    Raises
    ------
    BackendError
        If the backend does not exist.
    """
    route = plan(case, backend)
    if route.kind == STEPS:
        return None
    nudges = cast(Sequence[Nudge], case.phases)
    settings = FromRest(case.dynamics, *stops, nudges[0].cost, tuple(nudge.strength for nudge in nudges), signs, factor)
    return partial(_estimated, CONTRASTING[route.kernel](case.network, settings), settings)


def _estimated(
    estimate: Callable[[Network, Batch], Contrasted | None], settings: FromRest, network: Network, batch: Batch
) -> Estimated | None:
    contrasted = estimate(network, batch)
    if contrasted is None:
        return None
    gradients, ended = contrasted
    return gradients, partial(_relaxations, ended, settings, network, batch)


def _relaxations(
    ended: Callable[[], tuple[Relaxation, list[Ended]]], settings: FromRest, network: Network, batch: Batch
) -> list[Relaxation]:  # fmt: skip
    """Return the relaxations that an estimate comes from, the free one first."""
    layered, later = cast(Layered, network), list[Relaxation]()
    first, ends = ended()
    with torch.no_grad():
        for strength, (moved, end) in zip(settings.strengths, ends, strict=True):
            scales = scales_of(len(moved), layered.energy_scale, strength / layered.stiffness[-1])
            # The certificate needs no more than the largest displacement of a layer, which is scaled in place of the layer.
            reached = tuple(largest(layer)[:, None] / scale for layer, scale in zip(moved, scales, strict=True))
            later.append(certified_displacement(end, reached, settings.second))
    return [certified(first, lambda: network.clamp(batch.inputs), settings.free), *later]


def _units(around: Differences, phase: Phase, unit: float = 1.0) -> float:
    """Return the strength of a nudge in units of the outputs' stiffness, or the unit in which held outputs are displaced."""
    return phase.strength / around.network.stiffness[-1] if isinstance(phase, Nudge) else unit


def _displace(
    differences: Differences, dynamics: BlockDescent, stop: Stop, phase: Phase, strength: float
) -> tuple[Displacement, Relaxation]:
    """Relax one phase by the sweeps of the dynamics."""
    sweep, start = _sweep_of(differences, dynamics, phase, strength), differences.rest()
    if isinstance(phase, Hold):
        start = (*start[:-1], (phase.output - differences.free[-1]) / strength)
    relaxed = iterate(lambda layers, _: (*sweep(layers), None), start, stop, joint=is_joint(phase), keep=False)
    displacement = Displacement(relaxed.state, strength)
    return displacement, relaxed._replace(state=differences.state(displacement))


def _sweep_of(differences: Differences, dynamics: BlockDescent, phase: Phase, strength: float) -> Callable[[State], tuple[State, Tensor]]:
    """Return one sweep over the displacements at a strength in units of the outputs' stiffness; it also returns the residual."""
    clamped, last = differences.clamped, len(differences.free) - 1
    # The pull of strength 1: the strength itself is in the coordinates.
    unit = with_targets(phase._replace(strength=1.0) if isinstance(phase, Nudge) else phase, clamped, differences.free)

    def lowest(index: int, layers: State) -> Tensor:
        now = Displacement(layers, strength)
        return differences.moved(index, now, pull_of(unit, clamped, differences.outputs(now)) if index == last else None)

    def project(layers: State) -> State:
        return differences.inside_bounds(Displacement(layers, strength))

    skips = differences.network.architecture.skips
    return lambda layers: dynamics.sweep(layers, moving_blocks(layers, phase), lowest, project, skips)


def adjoint(differences: Differences, error: Tensor, stop: Stop) -> tuple[Displacement, Tensor]:
    """Solve for the exact adjoint: the displacement by a vanishing nudge, per unit of its strength.

    Sweeps of block descent converge wherever the free state is a minimum of the energy, and diverge where it is not: Ostrowski's
    theorem for the method of Gauss and Seidel.

    Parameters
    ----------
    differences : Differences
        Network around its free state.
    error : Tensor of shape (B, n_L)
        Gradient of the cost on the last layer.
    stop : Stop
        Tolerance, relative to the largest entry of a sample's adjoint, and budget.

    Returns
    -------
    displacement : Displacement
        Adjoint in difference coordinates, of strength 0.
    residual : Tensor of shape (B,)
        Relative change in the last sweep; not finite where the sweeps diverged.
    """
    pull = Pull(-error, 0.0)

    def lowest(index: int, layers: State) -> Tensor:
        return differences.moved(index, Displacement(layers, 0.0), pull if index == len(layers) - 1 else None)

    def step(layers: State, _: None) -> tuple[State, Tensor, None]:
        new, change = backward().sweep(layers, range(len(layers)), lowest, lambda same: same)
        size = torch.stack([largest(layer) for layer in new]).amax(0)
        return new, torch.where(change == 0, change, change / size), None

    relaxed = iterate(step, differences.rest(), stop)
    return Displacement(relaxed.state, 0.0), relaxed.residual
