"""Block descent: layers move one after the other, each to its minimum with the others held."""

from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from contrastive_core.dynamics.base import Dynamics, largest_change, moving_blocks, pull_of
from contrastive_core.types import Clamped, Phase, State

Order = Literal["forward", "backward", "even-odd", "odd-even"]


@final
@dataclass(frozen=True)
class BlockDescent(Dynamics):
    r"""One sweep over the layers, each set to its own stationary value given the newest values of its neighbours.

    For quadratic activations every move is an exact minimisation, so the energy never rises. The nudged phase of equilibrium
    propagation must visit the blocks in the reverse order of the free phase: K nudged sweeps then equal backpropagation
    through the last K free sweeps exactly.

    The orders are those of Scellier et al. (2023): "even-odd" is their asynchronous scheme, [0::2] and then [1::2].

    Attributes
    ----------
    order : {"forward", "backward", "even-odd", "odd-even"}
        Which layers move first. Counting starts at the first free layer, 0.
    """

    order: Order = "forward"

    def groups(self, num_layers: int) -> list[range]:
        """Return the blocks in the order of their moves; those of one group do not act on each other."""
        if self.order in ("even-odd", "odd-even"):
            groups = [range(0, num_layers, 2), range(1, num_layers, 2)]
        else:
            groups = [range(index, index + 1) for index in range(num_layers)]
        return groups if self.order in ("forward", "even-odd") else groups[::-1]

    def step(self, state: State, clamped: Clamped, phase: Phase = None, generator: torch.Generator | None = None) -> tuple[State, Tensor]:
        """Return the state after one sweep, and the largest change that a unit made in it."""
        moving = moving_blocks(state, phase)
        current = state
        for group in self.groups(len(state)):
            moved = {
                index: clamped.network.minimiser(
                    index, current, clamped, pull_of(phase, clamped, current) if index == len(state) - 1 else None
                )
                for index in group
                if index in moving
            }
            current = tuple(moved.get(index, layer) for index, layer in enumerate(current))
        return current, largest_change(state, current)

    def reversed(self) -> Dynamics:
        """Return the same sweep in the opposite order."""
        opposite: dict[Order, Order] = {
            "forward": "backward",
            "backward": "forward",
            "even-odd": "odd-even",
            "odd-even": "even-odd",
        }
        return BlockDescent(opposite[self.order])


def forward() -> BlockDescent:
    """Return block descent from the input side up."""
    return BlockDescent("forward")


def backward() -> BlockDescent:
    """Return block descent from the output side down."""
    return BlockDescent("backward")


def even_odd() -> BlockDescent:
    """Return block descent over the even layers and then the odd ones."""
    return BlockDescent("even-odd")
