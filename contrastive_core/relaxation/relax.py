"""Running a dynamics until it has settled, with a certificate for every sample."""

from collections.abc import Sequence
from numbers import Integral
from typing import cast

import torch

from contrastive_core.certificate import Relaxation, Status, Stop
from contrastive_core.cost import Cost
from contrastive_core.costs.labels import with_targets
from contrastive_core.dynamics.base import Dynamics, is_joint
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import DivergenceError, InputError, ShapeError, UnstableNudgeError
from contrastive_core.guards.typed import typed
from contrastive_core.kernels import PLACES
from contrastive_core.kernels.settling.route import settle
from contrastive_core.network import Clamped, Network
from contrastive_core.networks.input_checks import check_state
from contrastive_core.phases import Hold, Nudge, Phase
from contrastive_core.relaxation.backends import STEPS, Case, clamped_for, has_minimum, required
from contrastive_core.relaxation.convexity import certified_convex
from contrastive_core.relaxation.iterate import iterate
from contrastive_core.relaxation.resolution import certified
from contrastive_core.types import State

_LEAST_STRENGTH = 1e-12
"""Strength that is advised at least, in units of the outputs' stiffness: well above roundings, and below the leaks of circuits."""


@typed()
def relax(
    clamped: Clamped,
    state: State,
    dynamics: Dynamics,
    stop: Stop,
    phase: Phase = None,
    *,
    backend: str = "auto",
    generator: torch.Generator | None = None,
) -> Relaxation:
    r"""Follow the dynamics until the forces vanish.

    Solves :math:`\partial_s (E + \beta C)(s^*) = 0` by iterating ``dynamics.step``. Differentiable; run it under
    ``torch.no_grad()`` where no graph is wanted.

    Parameters
    ----------
    clamped : Clamped
        Network with its inputs held fixed.
    state : tuple of Tensor of shape (B, n_l)
        Start point; not modified.
    dynamics : Dynamics
        Dynamics that moves the state.
    stop : Stop
        Tolerance on the undamped residual and largest number of steps.
    phase : Nudge, Hold or None
        Action besides the inputs; None is the free phase.
    backend : str
        "torch" is the reference, "auto" takes a kernel where one can do the case (:mod:`contrastive_core.relaxation.backends` has the
        rule); any other name stands for that kernel.
    generator : torch.Generator, optional
        Source of noise, for dynamics that have any.

    Returns
    -------
    Relaxation
        State, steps, residual and status per sample. If the energy has no minimum at the strength of the nudge, every
        sample is reported as diverged, with an infinite residual, and the state is the start point.

    Raises
    ------
    ShapeError
        If ``state`` does not match the network and its inputs.
    InputError
        If the budget, tolerance or strength makes no sense, or the outputs cannot be held.
    BackendError
        If the backend does not exist, or is named and cannot do the case.
    """
    return relax_each(clamped, state, dynamics, stop, [phase], backend=backend, generator=generator)[0]


def relax_each(
    clamped: Clamped,
    state: State,
    dynamics: Dynamics,
    stop: Stop,
    phases: Sequence[Phase],
    *,
    backend: str = "auto",
    generator: torch.Generator | None = None,
) -> list[Relaxation]:
    """Relax several phases from the same start, as :func:`relax` does one; a kernel can do them together.

    Parameters
    ----------
    clamped, state, dynamics, stop, backend, generator
        Same as in :func:`relax`.
    phases : sequence of Nudge, Hold or None
        Action besides the inputs, for each relaxation.

    Returns
    -------
    list of Relaxation
        One per phase, in order; no phase depends on the others.
    """
    for phase in phases:
        _check(clamped, state, stop, phase)
    network = clamped.network
    route = required(Case(network, clamped.drive, dynamics, phases, state), backend)
    settled = [phase for phase in phases if stop.unstable or has_minimum(network, phase)]
    if route.kind == STEPS:
        # Compiled steps are the dynamics' own; the loop around them is the reference's.
        stepping, inside = dynamics.compiled if route.backend in PLACES else dynamics, clamped_for(route, clamped)
        relaxations = iter([_reference(inside, state, cast(Dynamics, stepping), stop, phase, generator) for phase in settled])
    else:
        relaxations = iter(settle(route.kernel, clamped, state, dynamics, stop, settled))
    return [
        certified_convex(certified(next(relaxations), lambda: clamped, stop), clamped, state, phase)
        if stop.unstable or has_minimum(network, phase)
        else hopeless(state)
        for phase in phases
    ]


def _reference(
    clamped: Clamped, state: State, dynamics: Dynamics, stop: Stop, phase: Phase, generator: torch.Generator | None
) -> Relaxation:
    """Relax one phase by the dynamics' own steps; without a tolerance, nothing in them makes the host wait for a device."""
    phase = with_targets(phase, clamped, state)
    state = (*state[:-1], phase.output) if isinstance(phase, Hold) else state  # held outputs count as having moved already
    return iterate(
        lambda now, memory: dynamics.advance(now, memory, clamped, phase, generator),
        state,
        stop._replace(budget=1) if dynamics.whole else stop,
        joint=is_joint(phase),
        keep=type(dynamics) is not BlockDescent,
    )


def hopeless(state: State) -> Relaxation:
    """Return the relaxation of a phase without a minimum: diverged before the first step."""
    steps = torch.zeros(state[0].shape[0], dtype=torch.int64, device=state[0].device)
    status = torch.full_like(steps, int(Status.DIVERGED), dtype=torch.int8)
    return Relaxation(state, steps, state[0].new_full(steps.shape, float("inf")), status)


def _check(clamped: Clamped, state: State, stop: Stop, phase: Phase) -> None:
    check_state(clamped, state)
    require_sensible(stop)
    if isinstance(phase, Nudge) and (phase.strength == 0 or not abs(phase.strength) < float("inf")):
        raise InputError(f"strength must be finite and not 0, got {phase.strength}; use phase=None for the free phase")
    if isinstance(phase, Hold):
        if not clamped.network.holds_outputs:
            outside = "a readout outside the equilibrium" if clamped.network.has_readout else "computed from the last layer"
            raise InputError(f"the outputs are {outside} and cannot be held; use a nudge, or no readout")
        if phase.output.shape != state[-1].shape:
            raise ShapeError(f"held output has shape {tuple(phase.output.shape)}, expected {tuple(state[-1].shape)}")


def require_sensible(stop: Stop) -> None:
    """Raise an error if nothing can be relaxed so.

    Parameters
    ----------
    stop : Stop
        Stop of any phase.

    Raises
    ------
    InputError
        If the budget is not a whole number of at least 1, or the tolerance negative or NaN.
    """
    steps = stop.budget if isinstance(stop.budget, Integral) else 0
    if steps < 1 or (stop.tolerance is not None and not stop.tolerance >= 0):
        raise InputError(f"a relaxation needs a whole budget of at least 1 step and a tolerance of at least 0, got {stop}")


def require_finite(relaxation: Relaxation, phase: str, network: Network | None = None, cost: Cost | None = None) -> None:
    """Raise an error if a relaxation cannot be used.

    Parameters
    ----------
    relaxation : Relaxation
        Result of a phase.
    phase : str
        Its name, for the message.
    network : Network, optional
        Network that was relaxed; lets the message say how far its outputs may be nudged.
    cost : Cost, optional
        Cost that nudged them, if any.

    Raises
    ------
    DivergenceError
        If any sample diverged, saying how many, at which steps, and what to change: UnstableNudgeError if it is the nudge's strength.
    """
    if int(relaxation.status.max()) == int(Status.DIVERGED):  # the largest of them: one small operation where all is well
        diverged = relaxation.status == int(Status.DIVERGED)
        where = f"{int(diverged.sum())} of {len(diverged)} samples diverged in the {phase} phase"
        # Samples without a single step were refused before the first sweep: their energy has no minimum.
        if steps := int(relaxation.steps[diverged].max()):
            hint = "lower the learning rate, the weights' gain or the nudging strength"
            raise DivergenceError(f"{where}: states were not finite within {steps} steps; {hint}")
        raise UnstableNudgeError(f"{where}: {unstable_nudge(network, cost)}")


def unstable_nudge(network: Network | None, cost: Cost | None = None) -> str:
    """Say why a negative nudge is refused and what to do, as the end of a sentence.

    Parameters
    ----------
    network : Network, optional
        Network that is nudged.
    cost : Cost, optional
        Cost that nudges; None is one of curvature 1.
    """
    varies = cost is not None and not cost.curvature
    lost = "need not keep the minimum that it has without the nudge" if varies else "has no minimum"
    return f"the energy {lost} at this nudging strength; {advised_strength(network, 1.0 if cost is None else cost.steepest)}"


def advised_strength(network: Network | None, curvature: float = 1.0) -> str:
    """Say which negative strengths leave the energy a minimum, as the end of a sentence.

    Parameters
    ----------
    network : Network, optional
        Network that is nudged.
    curvature : float
        Largest curvature of the cost.
    """
    if network is None:
        return "bring the strength nearer to 0 than the stiffness of the outputs"
    bound = -network.least_curvature() / network.stiffness[-1] / curvature
    # Roundings of a least curvature of 0 would be advised as a strength that nobody can use.
    if bound < _LEAST_STRENGTH:
        return "no negative one has one, because nothing holds some of the outputs; use a positive nudge, or raise the smallest weights"
    over = "" if curvature == 1 else f" over the cost's largest curvature, {curvature:g}"
    return f"bring the strength nearer to 0 than {bound:.4g}, the stiffness of the outputs{over}"
