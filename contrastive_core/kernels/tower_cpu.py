"""Host side of networks with several hidden layers: a sweep is two BLAS products per hidden layer, and little else.

The last hidden layer and the outputs move together in one kernel. The other products go into memory that is there from the start;
samples that have converged leave the packed rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive_core.kernels import layered_cpu, tower_kernels_cpu
from contrastive_core.kernels.action import Action, Kind
from contrastive_core.kernels.pair_cpu import MOST_OUTPUTS
from contrastive_core.kernels.sweep_cpu import INTEGERS, stacked, status_of
from contrastive_core.networks.activation import Clipped
from contrastive_core.networks.layered import Layered
from contrastive_core.types import Relaxation, State, Stop

Array = NDArray[Any]


def is_tower(network: Layered) -> bool:
    """Whether these kernels can settle a network.

    Parameters
    ----------
    network : Layered
        Any.

    Returns
    -------
    bool
        True for two hidden layers or more, few outputs and units with bounds.
    """
    return len(network.sizes) > 2 and network.sizes[-1] <= MOST_OUTPUTS and all(type(a) is Clipped for a in network.activations)


class Tower:
    """A network as its kernels take it, and what one phase leaves for the next."""

    def __init__(self, network: Layered, drive: Tensor) -> None:
        self.network, self.drive = network, drive.detach()
        self.top = len(network.sizes) - 2
        self.weights = [network.weight(index).detach() for index in range(self.top + 2)]
        self.biases = [network.bias(index).detach() for index in range(self.top + 2)]
        self.boxes = [(cast(Clipped, a).low, cast(Clipped, a).high) for a in network.activations]
        self.product: Tensor | None = None
        """What the layer below the top sends to it, where the last phase ended; None where that is not known."""

    @cached_property
    def downward(self) -> list[Tensor]:
        """The transposed weights, which BLAS multiplies with faster than with transposed views."""
        return [weight.T.contiguous() for weight in self.weights[1:-1]]

    @cached_property
    def rows(self) -> Array:
        """The weights to the outputs, along the hidden units."""
        return cast(Array, layered_cpu.rows_of(self.weights[-1].numpy()))

    def settle(self, state: State, order: Sequence[int], stop: Stop, action: Action) -> Relaxation:
        """Settle the phases of an action from one state; their rows are one after the other in the result.

        Parameters
        ----------
        state : State
            Of shape (B, n) each; a held output is already in it.
        order : sequence of int
            The blocks in the order of their moves.
        stop : Stop
            Tolerance and budget.
        action : Action
            What acts on the outputs, not through a readout.

        Returns
        -------
        Relaxation
            As of the reference.
        """
        phases = len(action.strengths)
        # Outputs act on the last hidden layer only, so that they can as well move right before or after it.
        moves = [index for index in order if index <= self.top]
        first_up = moves.index(self.top - 1) < moves.index(self.top)
        known = None if first_up else self.product
        rows = _Rows(self, state, phases, action, known)
        silent = {index for index, layer in enumerate(state) if layer.stride() == (0, 0) and float(layer[0, 0]) == 0}
        output_first = list(order).index(self.top + 1) < list(order).index(self.top)
        steps = np.full(len(rows.strengths), stop.budget)
        for step in range(1, stop.budget + 1):
            rows.residual[: rows.count] = 0
            for index in moves:
                if index == self.top:
                    self._move_top(rows, action, output_first, step == 1, known is not None and step == 1)
                else:
                    self._move_layer(rows, index, index + 1 in silent)
                silent.discard(index)
            if stop.tolerance is None:
                continue
            active = rows.residual[: rows.count] > stop.tolerance  # NaN compares false: a diverged sample stops here
            steps[rows.where[: rows.count][~active]] = step
            if not active.any():
                break
            if not active.all():
                rows.keep(active)
        units, residual, product = rows.results()
        self.product = product if first_up and phases == 1 else None
        return Relaxation(units, torch.from_numpy(steps), residual, status_of(list(units), residual, stop))

    def _move_layer(self, rows: _Rows, index: int, alone: bool) -> None:
        """Move a layer between two hidden layers, or between the inputs and one."""
        units, below = rows.units, rows.below[index]
        if index > 0:
            torch.addmm(self.biases[index], units[index - 1], self.weights[index], out=below)
        above = below if alone else torch.mm(units[index + 1], self.downward[index], out=rows.above[index])
        tower_kernels_cpu.move_between(
            below.numpy(), above.numpy(), self.network.energy_scale, alone, *self.boxes[index], units[index].numpy(),
            rows.residual[: rows.count], INTEGERS[below.dtype],
        )  # fmt: skip

    def _move_top(self, rows: _Rows, action: Action, output_first: bool, begin: bool, known: bool) -> None:
        """Move the last hidden layer and the outputs; ``known`` says that the product from below is there already."""
        top, units, below = self.top, rows.units, rows.below[self.top]
        if not known:
            torch.addmm(self.biases[top], units[top - 1], self.weights[top], out=below)
        count = rows.count
        tower_kernels_cpu.sweep_top(
            below.numpy(), self.rows, self.biases[-1].numpy(), rows.pull[:count], rows.strengths[:count], int(action.kind),
            action.curvature, self.network.stiffness[-1], self.network.energy_scale, *self.boxes[top], *self.boxes[-1],
            output_first, begin, units[top].numpy(), units[-1].numpy(), rows.sums[:count], rows.residual[:count],
        )  # fmt: skip


class _Rows:
    """The samples that are still active, in the first ``count`` rows of every array, and all of them as they were when they left."""

    def __init__(self, tower: Tower, state: State, phases: int, action: Action, product: Tensor | None) -> None:
        sizes, drive, top = tower.network.sizes, tower.drive, tower.top
        self.count = phases * len(drive)
        given = drive.contiguous() if phases == 1 else stacked(drive, phases)
        self._units = [stacked(layer, phases) for layer in state]
        self._below = [given.clone(), *(drive.new_empty(self.count, size) for size in sizes[1:-1])]
        self._above = [drive.new_empty(self.count, size) for size in sizes[:top]]
        if product is not None:
            self._below[top] = stacked(product, phases)
        self.residual = np.full(self.count, np.inf, given.numpy().dtype)
        self.strengths = np.repeat(np.array(action.strengths, self.residual.dtype), len(drive))
        self.pull = np.zeros_like(self._units[-1].numpy()) if action.pull is None else stacked(action.pull, phases).numpy()
        self.sums = np.zeros((self.count, tower.rows.shape[0]), self.residual.dtype)
        self.where = np.arange(self.count)
        self._left: list[Array] | None = None
        self._cut()

    def _cut(self) -> None:
        """Make views of the active rows."""
        self.units, self.below, self.above = ([tensor[: self.count] for tensor in part] for part in (self._units, self._below, self._above))

    def _lasting(self) -> list[Array]:
        """Return the arrays whose last values are results."""
        return [*(layer.numpy() for layer in self._units), self.residual, self._below[-1].numpy()]

    def keep(self, active: Array) -> None:
        """Write all rows to the results, and go on with the active ones only."""
        self._leave()
        kept = np.flatnonzero(active)
        for array in (*self._lasting(), *(t.numpy() for t in self._below[:-1]), self.strengths, self.pull, self.sums, self.where):
            array[: len(kept)] = array[kept]
        self.count = len(kept)
        self._cut()

    def _leave(self) -> None:
        arrays = self._lasting()
        if self._left is None:
            self._left = [np.empty_like(array) for array in arrays]
        for left, array in zip(self._left, arrays, strict=True):
            left[self.where[: self.count]] = array[: self.count]

    def results(self) -> tuple[State, Tensor, Tensor]:
        """Return units, residual and the last product of all samples."""
        if self._left is None:
            return tuple(self._units), torch.from_numpy(self.residual), self._below[-1]
        self._leave()
        *units, residual, product = (torch.from_numpy(array) for array in self._left)
        return tuple(units), residual, product


def can_settle(network: Layered, action: Action) -> bool:
    """Whether these kernels can do an action.

    Parameters
    ----------
    network : Layered
        Any.
    action : Action
        What acts on its last layer.

    Returns
    -------
    bool
        False behind a readout.
    """
    return action.kind is not Kind.READOUT and is_tower(network)
