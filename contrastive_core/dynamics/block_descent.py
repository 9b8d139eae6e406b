"""Block descent: layers move one after the other, each to its minimum with the others held."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from contrastive_core.dynamics.base import Dynamics, largest_change, moving_blocks, pull_of
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped
from contrastive_core.phases import Phase
from contrastive_core.types import State

Order = Literal["forward", "backward", "even-odd", "odd-even"]


@final
@typed()
@dataclass(frozen=True)
class BlockDescent(Dynamics):
    r"""One sweep over the layers, each set to its own stationary value given the newest values of its neighbours.

    For quadratic activations every move is an exact minimisation, so the energy never rises. The nudged phase of equilibrium
    propagation must visit the blocks in the reverse order of the free phase: K nudged sweeps then equal backpropagation
    through the last K free sweeps exactly.

    The orders are those of Scellier et al. (2023): "even-odd" is their asynchronous scheme, [0::2] and then [1::2]. Layers with a residual
    edge between them are never in one group, so that residual networks may have a third.

    Attributes
    ----------
    order : {"forward", "backward", "even-odd", "odd-even"}
        Order of the layers' moves. Counting starts at the first free layer, 0.
    over_relaxation : float
        Length of each layer's move, 1 being to its minimum, in (0, 2); it stops at the bounds of its units. For quadratic activations the
        energy still never rises, and from 1.1 to 1.3 the slow samples of trained networks need fewer sweeps (successive
        over-relaxation; Young, 1954, not re-read). The residual is that of the whole way to the minimum, and the equilibria are the same.
        K nudged sweeps equal backpropagation through the last K free sweeps at 1 only.
    """

    order: Order = "forward"
    over_relaxation: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.over_relaxation < 2:
            raise InputError(f"over-relaxation must lie between 0 and 2, where sweeps still lower the energy, got {self.over_relaxation}")

    def groups(self, num_layers: int, skips: Sequence[tuple[int, int]] = ()) -> list[list[int]]:
        """Return the blocks in the order of their moves; those of one group do not act on each other.

        Parameters
        ----------
        num_layers : int
            Number of blocks.
        skips : sequence of (int, int)
            Pairs of blocks that act on each other although they are no neighbours. With them "even-odd" may need more than two groups:
            each block joins the first group in which nothing below acts on it.
        """
        if self.order in ("even-odd", "odd-even"):
            colours: list[int] = []
            for index in range(num_layers):
                taken = {colours[low] for low, high in (*((index - 1, index),) * bool(index), *skips) if high == index}
                colours.append(min(colour for colour in range(num_layers) if colour not in taken))
            groups = [[index for index in range(num_layers) if colours[index] == colour] for colour in range(max(colours) + 1)]
        else:
            groups = [[index] for index in range(num_layers)]
        return groups if self.order in ("forward", "even-odd") else groups[::-1]

    def advance(
        self, state: State, memory: None, clamped: Clamped, phase: Phase = None, generator: torch.Generator | None = None
    ) -> tuple[State, Tensor, None]:
        """Return the state after one sweep, and the largest change that a unit made in it."""
        last = len(state) - 1

        def lowest(index: int, current: State) -> Tensor:
            # The pull is taken at the newest state, and acts on the last layer alone.
            pull = pull_of(phase, clamped, current) if index == last else None
            return clamped.network.minimiser(index, current, clamped, pull)

        network = clamped.network
        return (*self.sweep(state, moving_blocks(state, phase), lowest, network.project, network.pieces.skips), None)

    def sweep(
        self,
        state: State,
        moving: range,
        lowest: Callable[[int, State], Tensor],
        project: Callable[[State], State],
        skips: Sequence[tuple[int, int]] = (),
    ) -> tuple[State, Tensor]:
        """Move the blocks once, in whatever coordinates, and return the state with its residual of shape (B,).

        Parameters
        ----------
        state : State
            Start of the sweep; not modified.
        moving : range
            Blocks that are free to move.
        lowest : callable
            Stationary value of a block, given by its number, at a state.
        project : callable
            State inside the bounds of its units that is nearest to a state.
        skips : sequence of (int, int)
            Pairs of blocks that act on each other although they are no neighbours.
        """
        current, residual = state, state[0].real.new_zeros(len(state[0]))
        for group in self.groups(len(state), skips):
            moved = {index: lowest(index, current) for index in group if index in moving}
            minimum = tuple(moved.get(index, layer) for index, layer in enumerate(current))
            # Measured to the minimum, so that going less far cannot pass for convergence.
            residual = torch.maximum(residual, largest_change(current, minimum))
            current = minimum if self.over_relaxation == 1 else self._beyond(current, minimum, project)
        return current, residual

    def _beyond(self, state: State, lowest: State, project: Callable[[State], State]) -> State:
        """Return the state with the layers that moved past their minimum, inside their bounds."""
        # Bounds cut the overshoot off: beyond them the energy is not the quadratic that it relies on.
        factor = self.over_relaxation
        gone = project(tuple(layer + factor * (low - layer) for layer, low in zip(state, lowest, strict=True)))
        return tuple(layer if low is layer else new for layer, low, new in zip(state, lowest, gone, strict=True))

    @property
    def compiled(self) -> Dynamics | None:
        """Return None: no kernel belongs to these steps alone."""
        return None

    def reversed(self) -> Dynamics:
        """Return the same sweep in the opposite order."""
        opposite: dict[Order, Order] = {
            "forward": "backward",
            "backward": "forward",
            "even-odd": "odd-even",
            "odd-even": "even-odd",
        }
        return BlockDescent(opposite[self.order], self.over_relaxation)


def forward() -> BlockDescent:
    """Return block descent from the input side up."""
    return BlockDescent("forward")


def backward() -> BlockDescent:
    """Return block descent from the output side down."""
    return BlockDescent("backward")


def even_odd() -> BlockDescent:
    """Return block descent over the even layers and then the odd ones."""
    return BlockDescent("even-odd")
