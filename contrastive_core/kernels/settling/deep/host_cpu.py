"""Host side of networks with several hidden layers: a sweep is two BLAS products per pair of hidden layers, and little else.

The last hidden layer and the outputs move together in one kernel. A product whose factors have not moved is not done again, so that a
phase begins with what the one before has left.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.kernels.settling.any_depth.host_cpu import INTEGERS, are_finite
from contrastive_core.kernels.settling.deep import kernel_cpu, last_samples_cpu
from contrastive_core.kernels.settling.deep.active_rows import Rows, columns
from contrastive_core.kernels.settling.elements import loops_cpu
from contrastive_core.kernels.settling.elements.codes import ActionKind
from contrastive_core.kernels.settling.elements.output_phase import Action
from contrastive_core.networks.activation import Clipped
from contrastive_core.networks.layered import Layered
from contrastive_core.types import State

Array = NDArray[Any]

FEW = 8
"""Most samples that are settled one by one: a product of more is faster than reading the weights of their changes."""


class Tower:
    """A network as its kernels take it, and the drive of its first layer."""

    def __init__(self, network: Layered, drive: Tensor, over_relaxation: float = 1.0) -> None:
        self.over_relaxation = over_relaxation
        self.network, self.drive, self.top = network, drive.detach(), len(network.sizes) - 2
        # Contiguous, because the kernel for few samples takes tuples, whose arrays all have to be of one layout.
        self.weights = [network.weight(index).detach().contiguous() for index in range(self.top + 2)]
        nothing = np.zeros(network.sizes[0], self.drive.numpy().dtype)  # the drive has the bias of the first layer in it
        self.biases = [nothing, *(network.bias(index).detach().contiguous().numpy() for index in range(1, self.top + 2))]
        self.sparing = are_finite(self.weights[1:-1])
        self.boxes = [(cast(Clipped, a).low, cast(Clipped, a).high) for a in network.activations]
        self.columns = columns(network.sizes, drive.element_size())
        # Products of one layer at a time: what no other sweep can use.
        self.scratch = drive.new_empty(0)

    @cached_property
    def downward(self) -> list[Tensor]:
        """The transposed weights, which BLAS multiplies with faster than with transposed views."""
        return [weight.T.contiguous() for weight in self.weights[1:-1]]

    @cached_property
    def rows(self) -> Array:
        """The weights to the outputs, along the hidden units."""
        return cast(Array, loops_cpu.rows_of(self.weights[-1].numpy()))

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
        rows = Rows.begin(self.columns, self.drive, state).act(action.strengths, action.pull)
        self.run(rows, order, stop, action)
        return rows.relaxation(stop)

    def settle_from_rest(
        self, rest: State, order: Sequence[int], opposite: Sequence[int], free: Stop, second: Stop, action: Action
    ) -> tuple[Relaxation, Relaxation]:
        """Settle a free phase, and from its end the phases of an action, whose rows are one after the other.

        Parameters
        ----------
        rest : State
            Where the free phase starts.
        order, opposite : sequence of int
            The blocks in the order of their moves, in the free phase and in the others.
        free, second : Stop
            Of the free phase, and of the others.
        action : Action
            What acts on the outputs in the others, not through a readout.

        Returns
        -------
        tuple of Relaxation
            The free one and the others.
        """
        rows = Rows.begin(self.columns, self.drive, rest).act((0.0,), None)
        self.run(rows, order, free, Action(ActionKind.FREE, (0.0,)))
        first = rows.relaxation(free)  # before the rows move on
        rows = rows.act(action.strengths, action.pull)
        self.run(rows, opposite, second, action)
        return first, rows.relaxation(second)

    def run(self, rows: Rows, order: Sequence[int], stop: Stop, action: Action) -> None:
        """Settle rows on which an action acts, in place.

        Parameters
        ----------
        rows : Rows
            As :meth:`~contrastive_core.kernels.settling.deep.active_rows.Rows.act` returns them.
        order, stop, action
            As in :meth:`settle`.
        """
        # Outputs act on the last hidden layer only, so that they can as well move right before or after it.
        moves = [index for index in order if index <= self.top]
        output_first = list(order).index(self.top + 1) < list(order).index(self.top)
        self.scratch = self.drive.new_empty(rows.count, max(self.network.sizes[:-1]))
        for step in range(1, stop.budget + 1):
            if self.sparing and rows.count <= FEW:
                self._settle_few(rows, moves, output_first, stop, action)
                break
            rows.residual[: rows.count] = 0
            rows.taken[: rows.count] = step
            for index in moves:
                if index == self.top:
                    self._move_top(rows, action, output_first)
                else:
                    self._move_layer(rows, index)
                rows.silent.discard(index)
                rows.current.discard(index + 1)
            if stop.tolerance is not None:
                rows.stop(stop.tolerance)
                if rows.count == 0:
                    break
        rows.end()

    def _settle_few(self, rows: Rows, moves: list[int], output_first: bool, stop: Stop, action: Action) -> None:
        """Settle what rows there are to the end, one by one."""
        at, current = self.columns, [index in rows.current for index in range(self.top + 1)]
        last_samples_cpu.settle_few(
            rows.memory.numpy(), (np.array(at.units), np.array(at.below), at.pull, at.sums, at.strength),
            tuple(weight.numpy() for weight in self.weights[1:-1]), tuple(weight.numpy() for weight in self.downward), tuple(self.biases),
            self.rows, np.array(current), rows.summed, int(action.kind), self._numbers(action)[:3],
            np.array(self.boxes, rows.residual.dtype).T.copy(), np.array(moves), output_first, self.over_relaxation,
            -1.0 if stop.tolerance is None else stop.tolerance, stop.budget, rows.residual[: rows.count], rows.taken,
        )  # fmt: skip
        rows.silent, rows.summed = set(), True
        if rows.count == len(rows.memory):  # else what has left before is as its last sweep left it
            rows.current = set(range(self.top + 1))

    def _multiply_below(self, rows: Rows, index: int) -> None:
        """Bring what a layer gets from below to the present state."""
        if index not in rows.current:
            size, lower = self.columns.sizes[index], self.columns.sizes[index - 1]
            below = rows.part(self.columns.units[index - 1], lower)
            torch.mm(below, self.weights[index], out=rows.part(self.columns.below[index], size))
            rows.current.add(index)

    def _move_layer(self, rows: Rows, index: int) -> None:
        """Move a layer between two hidden layers, or between the inputs and one."""
        self._multiply_below(rows, index)
        size, alone = self.columns.sizes[index], self.sparing and index + 1 in rows.silent
        above = self.scratch.view(-1)[: rows.count * size].view(rows.count, size)
        if not alone:
            torch.mm(rows.part(self.columns.units[index + 1], self.columns.sizes[index + 1]), self.downward[index], out=above)
        memory = rows.memory.numpy()
        kernel_cpu.move_between(
            memory, self.columns.below[index], self.biases[index], above.numpy(), self.network.energy_scale, alone, *self.boxes[index],
            self.over_relaxation, memory, self.columns.units[index], rows.residual[: rows.count], INTEGERS[above.dtype],
        )  # fmt: skip

    def _move_top(self, rows: Rows, action: Action, output_first: bool) -> None:
        """Move the last hidden layer and the outputs."""
        top, at = self.top, self.columns
        self._multiply_below(rows, top)
        columns = (at.below[top], at.units[top], at.units[-1], at.pull, at.sums, at.strength)
        kernel_cpu.sweep_top(
            rows.memory.numpy(), columns, self.biases[top], self.rows, self.biases[-1], self._numbers(action), int(action.kind),
            output_first, self.over_relaxation, not rows.summed, rows.residual[: rows.count],
        )  # fmt: skip
        rows.summed = True

    def _numbers(self, action: Action) -> tuple[float, ...]:
        """Return the scalars by which the last two layers move, in the order of ``LastLayers``."""
        return (action.curvature, self.network.stiffness[-1], self.network.energy_scale, *self.boxes[self.top], *self.boxes[-1])
