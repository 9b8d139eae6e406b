"""Relaxation of nudges at several points, and the estimate that their contrasts with the free state give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch

from contrastive_core.certificate import Relaxation
from contrastive_core.cost import Cost
from contrastive_core.devices.on_device import OnDevice, held_by
from contrastive_core.gradients import direct_gradient
from contrastive_core.network import Clamped, Network
from contrastive_core.networks.differences import Differences, Displacement
from contrastive_core.phases import Nudge
from contrastive_core.relaxation.relax import require_finite
from contrastive_core.rule import Estimate, Settling
from contrastive_core.types import Batch, Gradients, State
from eqprop.holomorphic.branches import marked
from eqprop.holomorphic.complex_network import added, real_part
from eqprop.holomorphic.complex_relaxation import ComplexNudge, around_free, at_rest, displace_complex, require_circle
from eqprop.holomorphic.points import Point


class Asked(NamedTuple):
    """Cost of an estimate, and the way in which its points nudge.

    Attributes
    ----------
    cost : Cost
        Cost to be lowered.
    settling : Settling
        Relaxation of the phases.
    strength : float
        Strength of a point of size 1, in units of the output layer's stiffness.
    frozen : bool
        Hold the nudging force of the free state.
    """

    cost: Cost
    settling: Settling
    strength: float
    frozen: bool


class _End(NamedTuple):
    """End of a nudged phase: its displacement, if it relaxed in difference coordinates, and the certificate with the state."""

    displacement: Displacement | None
    relaxation: Relaxation


def estimate_by(network: Network, batch: Batch, asked: Asked, points: Sequence[Point], generator: torch.Generator | None) -> Estimate:
    """Estimate a gradient by the weighted contrasts of nudges with the free state.

    Real points relax as those of one-sided and centered EP do, with the same kernels, and opposite ones are contrasted with each other.

    Parameters
    ----------
    network, batch : Network, Batch
        Network and samples.
    asked : Asked
        Cost and way of nudging.
    points : sequence of Point
        Points of the estimate.
    generator : torch.Generator, optional
        Source of noise for noisy dynamics.

    Raises
    ------
    InputError
        If a point is complex, and units, pooling, cost or dynamics have no complex form.
    DivergenceError
        If a point diverges, by its name.
    """
    settling, held = asked.settling, held_by(network)
    if any(isinstance(point.strength, complex) for point in points):
        require_circle(held, batch, asked.cost, settling, 0.0 if asked.frozen else asked.strength)
    noise = settling.noise(generator)
    with torch.no_grad():
        clamped = settling.clamp(network, batch.inputs)
    free = settling.free_phase(clamped, batch.start, noise)
    with torch.no_grad():
        around, ends = _relaxed(network, clamped, free.state, batch, asked, points, noise)
    for point, end in zip(points, ends, strict=True):
        require_finite(end.relaxation, f"nudged ({point.name})", held, asked.cost)
    with torch.no_grad():
        told = _as_read(network, around, asked.strength, points, ends) if isinstance(network, OnDevice) else ends
        gradients = _contrasted(held, clamped, free.state, asked.strength, points, around, told)
        if isinstance(network, OnDevice):
            gradients = network.computed(gradients)
    for name, value in direct_gradient(network, free.state, asked.cost, batch).items():
        gradients[name] = gradients[name] + value
    certified = marked(points, free.state, [end.relaxation for end in ends])
    return Estimate(gradients, {"free": free} | {point.name: end for point, end in zip(points, certified, strict=True)})


def _relaxed(
    network: Network, clamped: Clamped, free: State, batch: Batch, asked: Asked, points: Sequence[Point], noise: torch.Generator | None
) -> tuple[Differences | None, list[_End]]:
    """Relax all points from the free state: real ones together, and complex ones by the reference."""
    settling, unit = asked.settling, network.stiffness[-1]
    output = network.output(free)
    force = asked.cost.gradient(output, batch) if asked.frozen else None
    shown = batch._replace(held=output) if asked.cost.coupled and not asked.frozen else batch
    real = [point for point in points if isinstance(point.strength, float)]
    nudges = [network.applied(Nudge(asked.cost, shown, point.strength.real * asked.strength * unit, force)) for point in real]
    smallest = min(abs(point.strength) for point in points) * asked.strength
    around: Differences | None = None
    if settling.in_differences(network, nudges, smallest):
        around, moved = settling.displaced(clamped, free, nudges, smallest)
        ends = {point.name: _End(*end) for point, end in zip(real, moved, strict=True)}
    else:
        later = settling.second_phases(clamped, free, nudges, smallest, noise)
        ends = {point.name: _End(None, relaxation) for point, relaxation in zip(real, later, strict=True)}
    if len(real) < len(points):
        around, nudge = around_free(held_by(network), clamped, free), ComplexNudge(asked.cost, shown, force)
        for point in points:
            if isinstance(point.strength, complex):
                strength = asked.strength * point.strength
                ends[point.name] = _End(*displace_complex(around, settling, nudge, strength, at_rest(around)))
    return around, [ends[point.name] for point in points]


def _contrasted(
    network: Network,
    clamped: Clamped,
    free: State,
    strength: float,
    points: Sequence[Point],
    around: Differences | None,
    ends: Sequence[_End],
) -> Gradients:
    """Return the weighted sum of the contrasts; two points of opposite strengths and equal weights are one contrast."""
    total: Gradients = {}
    left = list(zip(points, ends, strict=True))
    while left:
        point, end = left.pop(0)
        pair = next((other for other in left if isinstance(point.strength, float) and _opposite(point, other[0])), None)
        if pair is not None:
            left.remove(pair)
        against = pair[1] if pair else None
        factor = point.weight / (strength * point.strength)
        if around is None or end.displacement is None:
            minus = against.relaxation.state if against else free
            found = network.energy_gradient(end.relaxation.state, clamped, minus, cast(float, factor) / network.stiffness[-1])
        else:
            found = around.contrast(end.displacement, against.displacement if against else None, cast(float, factor))
        total = added(total, found)
    return total


def _opposite(point: Point, other: Point) -> bool:
    return other.strength == -point.strength and other.weight == point.weight


def _as_read(network: OnDevice, around: Differences | None, strength: float, points: Sequence[Point], ends: Sequence[_End]) -> list[_End]:
    """Return the ends of phases as circuits read them, each with errors of its own; imaginary parts are read after the real ones."""
    told = []
    for point, (_, relaxation) in zip(points, ends, strict=True):
        parts = relaxation.state
        state = network.read(tuple(map(real_part, parts)), point.name)
        if any(layer.is_complex() for layer in parts):
            state = tuple(map(torch.complex, state, network.read(tuple(layer.imag for layer in parts), f"imaginary {point.name}")))
        displacement = None
        if around is not None:
            size = cast(float, strength * point.strength)
            moved = zip(state, around.free, around.scales(size), strict=True)
            displacement = Displacement(tuple((layer - free) / scale for layer, free, scale in moved), size)
        told.append(_End(displacement, relaxation._replace(state=state)))
    return told
