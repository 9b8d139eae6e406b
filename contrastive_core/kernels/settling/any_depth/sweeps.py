"""Sweeps of block descent in layered networks of any depth: BLAS products between layers, and numba for the rest.

A product whose factors have not moved is not done again, so that a phase begins with what the one before has left. Deep networks, those
with several hidden layers of clipped units and few outputs, move the last hidden layer and the outputs together in one kernel, and
settle the last few samples one by one: measured at 784-512-512-10, this halves the time of a batch of 1 and saves 4-16 % at 32 and 256.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive_core.certificate import Stop
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.kernels.settling.any_depth import kernel_cpu, last_samples_cpu, rows_cpu
from contrastive_core.kernels.settling.any_depth.rows import Frame, Rows, row_layout
from contrastive_core.kernels.settling.elements.codes import ActionKind
from contrastive_core.kernels.settling.elements.loops_cpu import rows_of
from contrastive_core.kernels.settling.elements.output_phase import Action
from contrastive_core.kernels.settling.elements.request import order_of
from contrastive_core.networks.activation import Clipped, Tanh
from contrastive_core.networks.layered import Layered

Array = NDArray[Any]

FEW = 8
"""Most samples that are settled one by one: a product of more is faster than reading the weights of their changes."""

INTEGERS: dict[torch.dtype, Array] = {torch.float32: np.empty(0, np.int32), torch.float64: np.empty(0, np.int64)}
"""For each float type an empty array of the integers as wide as it."""


class Sweeps:
    """A network as its kernels take it, and the drive of its first layer.

    Parameters
    ----------
    network : Layered
        Network of any depth.
    drive : Tensor of shape (B, n_1)
        Clamped input of the first layer.
    dynamics : BlockDescent
        Dynamics of the first phase.
    together : bool
        Whether the last hidden layer and the outputs move in one kernel, for which the network must be deep.
    """

    def __init__(self, network: Layered, drive: Tensor, dynamics: BlockDescent, together: bool) -> None:
        self.network, self.drive, self.over, self.together = network, drive.detach(), dynamics.over_relaxation, together
        self.last = len(network.sizes) - 1
        self.top = self.last - 1 if together else -1  # the layer that moves with the outputs
        self.order = order_of(dynamics, self.last + 1)
        # Contiguous, because the kernel for few samples takes tuples, whose arrays all have to be of one layout.
        self.weights = [network.weight(index).detach().contiguous() for index in range(self.last + 1)]
        self.between = self.weights[1 : self.last if together else None]
        # 0 times a weight that is NaN or infinite is NaN, by which divergence shows: only finite weights may be left out where units
        # are 0. A sum that overflows passes for infinite, which costs time only.
        self.sparing = all(math.isfinite(float(weight.sum())) for weight in self.between)
        self.boxes = [(a.low, a.high) if isinstance(a, Clipped) else (-math.inf, math.inf) for a in network.activations]
        targets = network.sizes[-1] if network.output_is_last_layer else max(network.sizes[-1], network.weight_readout.shape[1])
        self.layout = row_layout(network.sizes, targets, drive.element_size())
        self.scratch = drive.new_empty(0)

    @cached_property
    def frame(self) -> Frame:
        """Constant inputs of states, which are measured from 0."""
        memory, base, origin = self._new_frame(1)
        for index in range(1, self.last + 1):  # the drive has the bias of the first layer in it
            memory[0, base[index] : base[index] + self.network.sizes[index]] = self.network.bias(index).detach().numpy()
        return Frame(memory, base, origin, False)

    def _new_frame(self, rows: int) -> tuple[Array, tuple[int, ...], tuple[int, ...]]:
        starts = np.cumsum((0, *self.network.sizes)).tolist()
        return np.zeros((rows, 2 * starts[-1]), self.drive.numpy().dtype), tuple(starts[:-1]), tuple(starts[-1] + at for at in starts[:-1])

    def displaced(self, rows: Rows, strengths: Sequence[float], pull: Tensor | None) -> Rows:
        """Return rows of no displacement from the free states in some rows, once for each strength of a nudge."""
        memory, base, origin = self._new_frame(rows.count)
        for index, (activation, size) in enumerate(zip(self.network.activations, self.network.sizes, strict=True)):
            if type(activation) is not Clipped:  # without bounds nothing presses
                memory[:, origin[index] : origin[index] + size] = rows.layer(index).numpy()
                continue
            if index not in rows.current:
                torch.mm(rows.layer(index - 1), self.weights[index], out=rows.below(index))
                rows.current.add(index)
            above = self.drive.new_zeros(rows.count, size)
            if index < self.last:
                torch.mm(rows.layer(index + 1), self.weights[index + 1].T, out=above)
            bias = self.frame.memory[0, self.frame.base[index] :][:size]
            rows_cpu.press_rows(
                rows.memory.numpy(), rows.layout.below[index], bias, above.numpy(), self.network.energy_scale, *self.boxes[index],
                rows.layout.units[index], memory, base[index], origin[index],
            )  # fmt: skip
        return rows.displaced(Frame(memory, base, origin, True), strengths, pull)

    def _stiffness(self, rows: Rows) -> tuple[float, ...]:
        """Return the stiffness by which the displacements of each layer are measured; 0 for states."""
        return self.network.stiffness if rows.frame.displaced else (0.0,) * (self.last + 1)

    @cached_property
    def downward(self) -> list[Tensor]:
        """The transposed weights, which BLAS multiplies with faster than with transposed views."""
        return [weight.T.contiguous() for weight in self.between]

    @cached_property
    def rows(self) -> Array:
        """The weights to the outputs, along the hidden units."""
        return cast(Array, rows_of(self.weights[-1].numpy()))

    def run(self, rows: Rows, stop: Stop, action: Action, backwards: bool = False) -> None:
        """Settle rows on which an action acts, in place.

        Parameters
        ----------
        rows : Rows
            Rows that :meth:`~contrastive_core.kernels.settling.any_depth.rows.Rows.act` returned.
        stop : Stop
            Tolerance and budget.
        action : Action
            Action on the last layer.
        backwards : bool
            Whether to visit the layers in the other order.
        """
        order = self.order[::-1] if backwards else self.order
        # Outputs act on the last hidden layer only, so that they can as well move right before or after it.
        moves = [index for index in order if index != self.last or not (self.together or action.kind is ActionKind.HELD)]
        output_first = self.together and order.index(self.last) < order.index(self.top)
        self.scratch = self.drive.new_empty(rows.count, max(self.network.sizes))
        for step in range(1, stop.budget + 1):
            if self.together and self.sparing and rows.count <= FEW:
                self._settle_few(rows, moves, output_first, stop, action)
                break
            # The kernels raise the residual, layer after layer.
            rows.residual[: rows.count] = 0
            rows.taken[: rows.count] = step
            for index in moves:
                if index not in rows.current:
                    torch.mm(rows.layer(index - 1), self.weights[index], out=rows.below(index))
                    rows.current.add(index)
                if index == self.top:
                    self._move_top(rows, action, output_first)
                else:
                    self._move_layer(rows, index, action)
                    rows.current.discard(index + 1)  # the layer above gets something else from below now
                rows.silent.discard(index)
            if stop.tolerance is not None:
                rows.stop(stop.tolerance)
                if rows.count == 0:
                    break
        rows.end()

    def _settle_few(self, rows: Rows, moves: list[int], output_first: bool, stop: Stop, action: Action) -> None:
        """Settle what rows there are to the end, one by one."""
        at, last, frame, real = rows.layout, self.last, rows.frame, rows.residual.dtype
        current = np.array([index in rows.current for index in range(last + 1)])
        last_samples_cpu.settle_few(
            rows.memory.numpy(), (np.array(at.units), np.array(at.below), at.pull, at.strength),
            tuple(weight.numpy() for weight in self.between), tuple(weight.numpy() for weight in self.downward), np.array(at.sizes),
            (frame.memory, rows.where, np.array(frame.base), np.array(frame.origin)), np.array(self._stiffness(rows), real),
            self.rows, current, int(action.kind), self._numbers(action)[:3], np.array(self.boxes, real).T.copy(),
            np.array(moves), output_first, self.over, -1.0 if stop.tolerance is None else stop.tolerance, stop.budget,
            rows.residual[: rows.count], rows.taken,
        )  # fmt: skip
        rows.silent = set()
        # Samples that left before are as their last sweep left them, with the products of an earlier state, but for the last layer's.
        rows.current = set(range(last + 1)) if rows.count == len(rows.memory) else rows.current | {last}

    def _move_layer(self, rows: Rows, index: int, action: Action) -> None:
        """Move one layer between its neighbours, or the last layer under its action."""
        at, frame, activation = rows.layout, rows.frame, self.network.activations[index]
        size, feedback, parts = at.sizes[index], self.network.energy_scale, kernel_cpu.BOTH
        above = self.scratch.view(-1)[: rows.count * size].view(rows.count, size)
        if index == self.last or (self.sparing and index + 1 in rows.silent):
            parts = kernel_cpu.BELOW
        else:
            torch.mm(rows.layer(index + 1), self.downward[index], out=above)
        source, column = rows.memory.numpy(), at.below[index]
        # The kernel adds up and clips a free layer in one pass; torch prepares the drive of any other, which is left to be clipped.
        if type(activation) is not Clipped or (index == self.last and action.kind is not ActionKind.FREE):
            drive = rows.below(index) + rows.given(frame.base[index], size)
            if parts == kernel_cpu.BOTH:
                drive.add_(above, alpha=feedback)
            origin = rows.given(frame.origin[index], size)
            if index == self.last and action.kind is not ActionKind.FREE:
                drive = self._pulled(drive, origin, rows, action)
            if type(activation) is not Clipped and frame.displaced:
                drive = activation.change(origin, origin, drive, 1.0)
            elif type(activation) is not Clipped:
                drive = torch.tanh_(drive) if type(activation) is Tanh else torch.sigmoid_(drive)
            source, column, parts = drive.numpy(), 0, kernel_cpu.COMPLETE
        kernel_cpu.move_between(
            source, column, (frame.memory, rows.where, frame.base[index], frame.origin[index]), above.numpy(), feedback, parts,
            *self.boxes[index], self.over, rows.memory.numpy(), (at.units[index], at.strength, size), self._stiffness(rows)[index],
            rows.residual[: rows.count], INTEGERS[above.dtype],
        )  # fmt: skip

    def _pulled(self, drive: Tensor, origin: Tensor, rows: Rows, action: Action) -> Tensor:
        """Return the drive of the last layer with the nudge in it, as ``Layered.minimiser`` and ``Differences.moved`` define it."""
        at, scale, strength = rows.layout, self.network.stiffness[-1], rows.part(rows.layout.strength, 1)
        linear = rows.part(at.pull, cast(Tensor, action.pull).shape[1])
        units = origin + rows.layer(self.last)
        if action.kind is not ActionKind.PULLED:  # the pull follows the units: minus the gradient of a cost of strength 1
            output = self.network.output((units,)).detach()
            error = (output.softmax(1) if action.softmax else output) - linear
            linear = self.network.pull_back((units,), error).detach().neg()
        if self.network.activations[-1].quadratic:
            return (scale * drive + strength * (linear - action.curvature * origin)) / (strength * action.curvature + scale)
        return torch.addcmul(drive, strength, linear - action.curvature * units, value=1 / scale)

    def _move_top(self, rows: Rows, action: Action, output_first: bool) -> None:
        """Move the last hidden layer and the outputs."""
        top, last, at, frame, stiffness = self.top, self.last, rows.layout, rows.frame, self._stiffness(rows)
        columns = (at.below[top], at.units[top], at.units[last], at.pull, at.below[last], at.strength)
        kernel_cpu.sweep_top(
            rows.memory.numpy(), columns,
            (frame.memory, rows.where, frame.base[top], frame.origin[top], frame.base[last], frame.origin[last]),
            (at.sizes[top], at.sizes[last]), self.rows, self._numbers(action), int(action.kind), output_first, self.over,
            last not in rows.current, (stiffness[top], stiffness[last]), rows.residual[: rows.count],
        )  # fmt: skip
        rows.current.add(last)  # the kernel keeps what the hidden units send to the outputs up to date

    def _numbers(self, action: Action) -> tuple[float, ...]:
        """Return the scalars by which the last two layers move, in the order of ``LastLayers``."""
        return (action.curvature, self.network.stiffness[-1], self.network.energy_scale, *self.boxes[self.top], *self.boxes[-1])
