"""Landscapes: energy and cost on a plane through the start, the free state and the direction of the nudged states."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from experiments.interactive.recorded import SIGNS

if TYPE_CHECKING:
    from torch import Tensor

    from contrastive_core.cost import Cost
    from contrastive_core.types import Batch, State
    from experiments.interactive.recorded import Recorded, Thought

POINTS = 37
"""Points of a landscape in each direction."""
_MARGIN = 0.2
"""Margin around the points that are shown, in units of their extent."""
_LEAST = 1e-9
"""Length below which two states are one, and a plane has no second direction."""
_FLAT = 0.35
"""Least height of a landscape in units of its width, so that a valley shows its walls."""


class Plane(NamedTuple):
    """Plane in the space of all units, with its origin in a free state.

    Attributes
    ----------
    origin : Tensor of shape (n,)
        Free state, all layers in one row.
    across, along : Tensor of shape (n,)
        Directions of length 1, orthogonal: away from the start of the free phase, and towards the positive nudged state.
    """

    origin: Tensor
    across: Tensor
    along: Tensor

    def places(self, states: Tensor) -> Tensor:
        """Return the coordinates in the plane of states of shape (K, n), and their distances from it, of shape (K, 3)."""
        away = states - self.origin
        flat = torch.stack([away @ self.across, away @ self.along], 1)
        return torch.cat([flat, (away - flat[:, :1] * self.across - flat[:, 1:] * self.along).norm(dim=1, keepdim=True)], 1)


class Landscape(NamedTuple):
    """Energy and cost on a plane.

    Attributes
    ----------
    plane : Plane
        The plane.
    extent : tuple of float
        Smallest and largest coordinate across, and along.
    energy, cost : Tensor of shape (POINTS, POINTS)
        E and C at the nearest allowed state, the coordinate along in rows.
    """

    plane: Plane
    extent: tuple[float, float, float, float]
    energy: Tensor
    cost: Tensor


def flat_states(recorded: Recorded, sample: int) -> Tensor:
    """Return the states of a sample in a phase, all layers in one row; shape (K + 1, n)."""
    return torch.cat([layer[: recorded.frames(sample), sample] for layer in recorded.states], 1)


def plane_of(thought: Thought, sample: int) -> Plane | None:
    """Return the plane of a sample, of its strongest nudges; None if the states span no plane."""
    path = flat_states(thought.free, sample)
    strongest = max(strength for strength, _ in thought.nudged)
    plus, minus = (flat_states(thought.nudged[strongest, sign], sample)[-1] for sign in SIGNS)
    across, along = path[-1] - path[0], plus - minus
    if across.norm() < _LEAST or along.norm() < _LEAST:
        return None
    across = across / across.norm()
    size, along = along.norm(), along - (along @ across) * across
    return None if along.norm() < _LEAST * size else Plane(path[-1], across, along / along.norm())


def landscape_of(thought: Thought, sample: int, cost: Cost, batch: Batch) -> Landscape | None:
    """Return the energy and the cost around the phases of a sample that came to rest; None if they span no plane."""
    plane = plane_of(thought, sample)
    if plane is None:
        return None
    places = torch.cat([plane.places(flat_states(phase, sample)) for phase in thought.phases])
    left, right, below, above = _extent(places)
    sideways, upward = (torch.linspace(*ends, POINTS, dtype=places.dtype) for ends in ((left, right), (below, above)))
    grid = torch.cartesian_prod(upward, sideways)
    points = plane.origin + grid[:, 1:] * plane.across + grid[:, :1] * plane.along
    network, row = thought.clamped.network, slice(sample, sample + 1)
    with torch.no_grad():
        clamped = network.clamp(batch.inputs[row].expand(len(points), -1))
        state = network.project(_layers(points, thought.free.relaxation.state))
        labels = batch.labels[row].expand(len(points), *batch.labels.shape[1:])
        value = cost.value(network.output(state), batch._replace(inputs=clamped.inputs, labels=labels))
        energy = network.energy(state, clamped)
    shape = (POINTS, POINTS)
    return Landscape(plane, (left, right, below, above), energy.reshape(shape), value.reshape(shape))


def _extent(places: Tensor) -> tuple[float, float, float, float]:
    """Return a frame around all points, with the same scale in both directions."""
    (left, below, _), (right, above, _) = places.amin(0).tolist(), places.amax(0).tolist()
    margin = _MARGIN * max(right - left, above - below)
    height = max(abs(above), abs(below), _FLAT * (right - left)) + margin
    return left - margin, right + 2 * margin, -height, height


def _layers(points: Tensor, like: State) -> State:
    """Return states of all units in a row as the layers of a network."""
    parts = torch.split(points, [layer[0].numel() for layer in like], 1)
    return tuple(part.reshape(-1, *layer.shape[1:]) for part, layer in zip(parts, like, strict=True))
