r"""Relaxation of nudges of complex strength, in difference coordinates around the real free state.

:math:`s_l = s_l^* + \eta_l e_l` with a complex :math:`\eta_l = \beta\lambda^{L-l}` obeys the equations of real nudges: units, poolings and
costs are continued analytically, and transposes are never conjugated. This is the definition of the complex dynamics; it has no kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

from torch import Tensor

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.cost import Cost
from contrastive_core.costs.labels import with_targets
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import InputError, UnstableNudgeError
from contrastive_core.network import Clamped, Network
from contrastive_core.networks.differences import Differences, Displacement
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Nudge, Pull
from contrastive_core.relaxation.backends import has_minimum
from contrastive_core.relaxation.iterate import iterate
from contrastive_core.relaxation.relax import unstable_nudge
from contrastive_core.relaxation.resolution import certified_displacement
from contrastive_core.rule import Settling
from contrastive_core.types import Batch, State
from eqprop.holomorphic.complex_network import complex_output, complex_pull_back, for_complex_layers, require_holomorphic


class ComplexNudge(NamedTuple):
    """Nudge of any strength.

    Attributes
    ----------
    cost : Cost
        Analytic cost.
    batch : Batch
        Samples with which the cost compares the output.
    frozen : Tensor of shape (B, n_out), optional
        Constant gradient of the cost on the outputs; None lets it follow them.
    """

    cost: Cost
    batch: Batch
    frozen: Tensor | None = None


def require_circle(network: Network, batch: Batch, cost: Cost, settling: Settling, strength: float) -> None:
    """Refuse complex nudges that have no meaning, or whose circle goes around a known singularity.

    Parameters
    ----------
    network, batch, cost, settling
        Network, samples, cost and relaxation of an estimate.
    strength : float
        Radius of the circle in units of the outputs' stiffness; 0 asks nothing of it.

    Raises
    ------
    InputError
        If units, pooling, cost or dynamics have no complex form.
    UnstableNudgeError
        If the energy loses its minimum at a strength inside the circle.
    """
    require_holomorphic(network)
    if not cost.analytic:
        raise InputError(
            f"{type(cost).__name__} is no analytic function of the outputs; take squared-error or cross-entropy, or real nudges such as "
            "those of ep-richardson6"
        )
    if type(settling.dynamics) is not BlockDescent:
        raise InputError(
            f"complex nudges relax by block descent, not by {type(settling.dynamics).__name__}; take the dynamics forward, or real "
            "nudges such as those of ep-richardson6"
        )
    # The point opposite to the rule's strength need not be one of the points, but a pole there spoils the others all the same.
    opposite = Nudge(cost, batch, -strength * network.stiffness[-1])
    if strength and not settling.second.unstable and not has_minimum(network, opposite):
        raise UnstableNudgeError(
            f"the points on a circle of strength {strength:g} lie outside the circle of convergence: at {-strength:g} "
            f"{unstable_nudge(network, cost)}"
        )


def around_free(network: Network, clamped: Clamped, free: State) -> Differences:
    """Return a holomorphic network around its free state, for displacements that may be complex."""
    twin = for_complex_layers(cast(Layered, network))
    return Differences(twin, clamped._replace(network=twin), free)


def at_rest(around: Differences) -> State:
    """Return no displacement, in complex numbers."""
    return tuple(layer.new_zeros((), dtype=layer.dtype.to_complex()).expand(layer.shape) for layer in around.free)


def displace_complex(
    around: Differences, settling: Settling, nudge: ComplexNudge, strength: complex, start: State
) -> tuple[Displacement, Relaxation]:
    """Relax one nudge from a displacement.

    Parameters
    ----------
    around : Differences
        Holomorphic network around its free state.
    settling : Settling
        Order of the sweeps of the free phase, and tolerance and budget, as for real nudges.
    nudge : ComplexNudge
        Nudge.
    strength : complex
        Strength in units of the outputs' stiffness.
    start : State
        Displacements from which the phase starts, in units of the strength; not modified.

    Returns
    -------
    displacement : Displacement
        Displacement at the end.
    relaxation : Relaxation
        Complex state with the certificate of the displacement; the residual is the largest absolute change.
    """
    stop = settling.second
    relaxed = iterate(_step(around, settling, nudge, strength), start, stop, keep=False)
    # A type checker knows real strengths only; every formula of the differences holds for complex ones.
    displacement = Displacement(relaxed.state, cast(float, strength))
    state = around.state(displacement)
    return displacement, certified_displacement(relaxed._replace(state=state), relaxed.state, Stop(*stop))


def _step(
    around: Differences, settling: Settling, nudge: ComplexNudge, strength: complex
) -> Callable[[State, None], tuple[State, Tensor, None]]:
    """Return a sweep of block descent over complex displacements, with the blocks in reverse order."""
    network, last = around.network, len(around.free) - 1
    dynamics = cast(BlockDescent, settling.dynamics.reversed())
    shown = cast(Nudge, with_targets(Nudge(nudge.cost, nudge.batch, 1.0, nudge.frozen), around.clamped, around.free))
    skips = network.architecture.skips

    def lowest(index: int, layers: State) -> Tensor:
        now = Displacement(layers, cast(float, strength))
        return around.moved(index, now, _pull(network, shown, around.outputs(now)[-1]) if index == last else None)

    # Analytic units have no bounds at which a move could stop.
    return lambda layers, _: (*dynamics.sweep(layers, range(last + 1), lowest, lambda same: same, skips), None)


def _pull(network: Layered, nudge: Nudge, units: Tensor) -> Pull:
    """Return the pull of a nudge of strength 1 on the last layer at complex units."""
    if nudge.frozen is not None:
        return Pull(-complex_pull_back(network, nudge.frozen), 0.0)
    output, curvature = complex_output(network, units), nudge.cost.curvature
    gradient = nudge.cost.gradient(output, nudge.batch)
    if network.has_readout:
        return Pull(-complex_pull_back(network, gradient), 0.0)
    return Pull(curvature * output - gradient if curvature else -gradient, curvature)
