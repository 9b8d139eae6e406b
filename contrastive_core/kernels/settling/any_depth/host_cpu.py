"""Host side of block descent in layered networks of any depth: BLAS products between layers, and numba for the rest of a sweep.

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

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.kernels.settling.any_depth import kernel_cpu, last_samples_cpu
from contrastive_core.kernels.settling.any_depth.rows import Rows, row_layout
from contrastive_core.kernels.settling.elements.codes import ActionKind
from contrastive_core.kernels.settling.elements.loops_cpu import rows_of
from contrastive_core.kernels.settling.elements.output_phase import Action
from contrastive_core.kernels.settling.elements.request import order_of
from contrastive_core.network import Clamped
from contrastive_core.networks.activation import Clipped, Tanh
from contrastive_core.networks.layered import Layered
from contrastive_core.types import State

Array = NDArray[Any]

FEW = 8
"""Most samples that are settled one by one: a product of more is faster than reading the weights of their changes."""

INTEGERS: dict[torch.dtype, Array] = {torch.float32: np.empty(0, np.int32), torch.float64: np.empty(0, np.int64)}
"""For each float type an empty array of the integers as wide as it."""


def settle_blocks(clamped: Clamped, start: State | None, dynamics: BlockDescent, stops: Sequence[Stop], action: Action) -> list[Relaxation]:
    """Settle one phase per strength, layer by layer.

    Parameters
    ----------
    clamped : Clamped
        Layered network of any depth, and its inputs.
    start : State, optional
        Start of every phase; a held output is already in it. None puts a free phase from rest before the others, which start where it
        ends and visit the layers in the other order; the action's strengths then begin with one for it, which is not used.
    dynamics : BlockDescent
        Dynamics of the first phase.
    stops : sequence of Stop
        One per phase; those that start from one state are equal.
    action : Action
        Action on the last layer.

    Returns
    -------
    list of Relaxation
        One per phase.
    """
    return _settle(Sweeps(cast(Layered, clamped.network), clamped.drive, dynamics, False), clamped, start, stops, action)


def settle_deep(clamped: Clamped, start: State | None, dynamics: BlockDescent, stops: Sequence[Stop], action: Action) -> list[Relaxation]:
    """Settle a deep network as :func:`settle_blocks` does, with its last two layers moved together."""
    return _settle(Sweeps(cast(Layered, clamped.network), clamped.drive, dynamics, True), clamped, start, stops, action)


def _settle(sweeps: Sweeps, clamped: Clamped, start: State | None, stops: Sequence[Stop], action: Action) -> list[Relaxation]:
    first: list[Relaxation] = []
    if start is None:
        rows = Rows.begin(sweeps.layout, sweeps.drive, _values(clamped.network.initial_state(clamped)))
        sweeps.run(rows, stops[0], Action(ActionKind.FREE, (0.0,)))
        first = rows.relaxations(stops[0])  # before the rows move on
        action = action._replace(strengths=action.strengths[1:])
    else:
        rows = Rows.begin(sweeps.layout, sweeps.drive, _values(start))
    rows = rows.act(action.strengths, action.pull)
    sweeps.run(rows, stops[-1], action, backwards=start is None)
    return [*first, *rows.relaxations(stops[-1], len(action.strengths))]


def _values(state: State) -> list[Tensor | float]:
    """Return the layers of a state, those that are one number seen everywhere, as at rest, as that number."""
    return [
        float(layer[0, 0]) if layer.stride()[1] == 0 and layer.stride()[0] * (len(layer) - 1) == 0 else layer.detach() for layer in state
    ]


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
        nothing = np.zeros(network.sizes[0], self.drive.numpy().dtype)  # the drive has the bias of the first layer in it
        self.biases = [nothing, *(network.bias(index).detach().contiguous().numpy() for index in range(1, self.last + 1))]
        self.between = self.weights[1 : self.last if together else None]
        # 0 times a weight that is NaN or infinite is NaN, by which divergence shows: only finite weights may be left out where units
        # are 0. A sum that overflows passes for infinite, which costs time only.
        self.sparing = all(math.isfinite(float(weight.sum())) for weight in self.between)
        self.boxes = [(a.low, a.high) if isinstance(a, Clipped) else (-math.inf, math.inf) for a in network.activations]
        targets = network.sizes[-1] if network.output_is_last_layer else max(network.sizes[-1], network.weight_readout.shape[1])
        self.layout = row_layout(network.sizes, targets, drive.element_size())
        self.scratch = drive.new_empty(0)

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
        at, last = self.layout, self.last
        current = np.array([index in rows.current for index in range(last + 1)])
        last_samples_cpu.settle_few(
            rows.memory.numpy(), (np.array(at.units), np.array(at.below), at.pull, at.strength),
            tuple(weight.numpy() for weight in self.between), tuple(weight.numpy() for weight in self.downward), tuple(self.biases),
            self.rows, current, int(action.kind), self._numbers(action)[:3], np.array(self.boxes, rows.residual.dtype).T.copy(),
            np.array(moves), output_first, self.over, -1.0 if stop.tolerance is None else stop.tolerance, stop.budget,
            rows.residual[: rows.count], rows.taken,
        )  # fmt: skip
        rows.silent = set()
        # Samples that left before are as their last sweep left them, with the products of an earlier state, but for the last layer's.
        rows.current = set(range(last + 1)) if rows.count == len(rows.memory) else rows.current | {last}

    def _move_layer(self, rows: Rows, index: int, action: Action) -> None:
        """Move one layer between its neighbours, or the last layer under its action."""
        size, activation = self.layout.sizes[index], self.network.activations[index]
        alone = index == self.last or (self.sparing and index + 1 in rows.silent)
        above = self.scratch.view(-1)[: rows.count * size].view(rows.count, size)
        if not alone:
            torch.mm(rows.layer(index + 1), self.downward[index], out=above)
        memory, feedback = rows.memory.numpy(), self.network.energy_scale
        source, column, bias = memory, self.layout.below[index], self.biases[index]
        # The kernel adds up and clips a free layer in one pass; torch prepares the drive of any other, which is left to be clipped.
        if type(activation) is not Clipped or (index == self.last and action.kind is not ActionKind.FREE):
            drive = rows.below(index) + torch.from_numpy(bias)
            if not alone:
                drive.add_(above, alpha=feedback)
            if index == self.last and action.kind is not ActionKind.FREE:
                drive = self._pulled(drive, rows, action)
            if type(activation) is not Clipped:
                drive = torch.tanh_(drive) if type(activation) is Tanh else torch.sigmoid_(drive)
            source, column, bias, alone = drive.numpy(), 0, np.zeros_like(bias), True
        kernel_cpu.move_between(
            source, column, bias, above.numpy(), feedback, alone, *self.boxes[index], self.over, memory, self.layout.units[index],
            rows.residual[: rows.count], INTEGERS[above.dtype],
        )  # fmt: skip

    def _pulled(self, drive: Tensor, rows: Rows, action: Action) -> Tensor:
        """Return the drive of the last layer with the nudge in it, as ``Layered.minimiser`` defines it."""
        units, scale, strength = rows.layer(self.last), self.network.stiffness[-1], rows.part(self.layout.strength, 1)
        linear = rows.part(self.layout.pull, cast(Tensor, action.pull).shape[1])
        if action.kind is not ActionKind.PULLED:  # the pull follows the units: minus the gradient of a cost of strength 1
            output = self.network.output((units,)).detach()
            error = (output.softmax(1) if action.softmax else output) - linear
            linear = self.network.pull_back((units,), error).detach().neg()
        if self.network.activations[-1].quadratic:
            return (scale * drive + strength * linear) / (strength * action.curvature + scale)
        return torch.addcmul(drive, strength, linear - action.curvature * units, value=1 / scale)

    def _move_top(self, rows: Rows, action: Action, output_first: bool) -> None:
        """Move the last hidden layer and the outputs."""
        top, last, at = self.top, self.last, self.layout
        columns = (at.below[top], at.units[top], at.units[last], at.pull, at.below[last], at.strength)
        kernel_cpu.sweep_top(
            rows.memory.numpy(), columns, self.biases[top], self.rows, self.biases[last], self._numbers(action), int(action.kind),
            output_first, self.over, last not in rows.current, rows.residual[: rows.count],
        )  # fmt: skip
        rows.current.add(last)  # the kernel keeps what the hidden units send to the outputs up to date

    def _numbers(self, action: Action) -> tuple[float, ...]:
        """Return the scalars by which the last two layers move, in the order of ``LastLayers``."""
        return (action.curvature, self.network.stiffness[-1], self.network.energy_scale, *self.boxes[self.top], *self.boxes[-1])
