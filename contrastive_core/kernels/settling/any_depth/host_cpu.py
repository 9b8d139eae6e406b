"""Sweeps over packed rows: BLAS products between layers, and fused moves in numba."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive_core.certificate import Relaxation, Status, Stop
from contrastive_core.kernels.settling.any_depth import kernel_cpu
from contrastive_core.kernels.settling.elements.codes import ActionKind
from contrastive_core.kernels.settling.elements.output_phase import Action
from contrastive_core.network import Clamped
from contrastive_core.networks.activation import Activation, Clipped, Tanh
from contrastive_core.networks.layered import Layered
from contrastive_core.types import State

INTEGERS: dict[torch.dtype, NDArray[Any]] = {torch.float32: np.empty(0, np.int32), torch.float64: np.empty(0, np.int64)}
"""For each float type an empty array of the integers as wide as it."""


@dataclass
class _Rows:
    """The samples that are still active, packed; one (m, n) tensor per layer, and one per layer to write its drive into."""

    units: list[Tensor]
    drives: list[Tensor]
    given: Tensor
    pull: Tensor | None
    strength: Tensor
    residual: Tensor

    def kept(self, keep: Tensor) -> _Rows:
        """Return the rows at the indices ``keep``; the drives' memory is used again."""
        count = len(keep)
        return _Rows(
            [layer[keep] for layer in self.units],
            [drive[:count] for drive in self.drives],
            self.given[keep],
            None if self.pull is None else self.pull[keep],
            self.strength[keep],
            self.residual[keep],
        )


class _Sweep:
    """A network and a phase as weights and numbers; writes new values into the rows it is given."""

    def __init__(self, network: Layered, order: list[int], action: Action, silent: set[int], integers: NDArray[Any]) -> None:
        self.network, self.action, self.integers = network, action, integers
        self.last = len(network.sizes) - 1
        self.order = [index for index in order if not (action.kind is ActionKind.HELD and index == self.last)]
        self.weights = [network.weight(index).detach() for index in range(self.last + 1)]
        self.biases = [network.bias(index).detach() for index in range(self.last + 1)]
        self.boxes = [_box(activation) for activation in network.activations]
        self.silent = silent  # layers that are still 0 and act on no other
        self.scratch = np.empty(max(network.sizes), integers.dtype).view(f"f{integers.itemsize}")

    def run(self, rows: _Rows) -> None:
        """Move each layer once, in place, and write the largest change of each row into its residual."""
        rows.residual.zero_()
        residual = rows.residual.numpy()
        for index in self.order:
            drive = self._drive(index, rows)
            if index == self.last and rows.pull is not None:
                drive = self._pulled(drive, rows, rows.pull)
            activation = self.network.activations[index]
            if type(activation) is not Clipped:
                squash = torch.tanh if type(activation) is Tanh else torch.sigmoid
                drive = squash(drive, out=rows.drives[index])
            layer = rows.units[index].numpy()
            kernel_cpu.move_rows(drive.numpy(), *self.boxes[index], layer, residual, self.scratch, self.integers)
            self.silent.discard(index)

    def _drive(self, index: int, rows: _Rows) -> Tensor:
        """Return the total input to a layer, in its own memory or, where nothing is added to it, the given one."""
        units, out = rows.units, rows.drives[index]
        below = rows.given if index == 0 else torch.addmm(self.biases[index], units[index - 1], self.weights[index], out=out)
        if index == self.last or index + 1 in self.silent:
            return below
        return torch.addmm(below, units[index + 1], self.weights[index + 1].T, alpha=self.network.energy_scale, out=out)

    def _pulled(self, drive: Tensor, rows: _Rows, pull: Tensor) -> Tensor:
        """Return the drive of the last layer with the nudge in it, in that layer's own memory."""
        units, out, scale = rows.units[-1], rows.drives[-1], self.network.stiffness[-1]
        linear = pull if self.action.kind is ActionKind.PULLED else self._following(units, pull)
        if self.network.activations[-1].quadratic:
            torch.addcmul(drive.mul(scale), rows.strength, linear, out=out)
            return out.div_(rows.strength * self.action.curvature + scale)
        return torch.addcmul(drive, rows.strength, linear - self.action.curvature * units, value=1 / scale, out=out)

    def _following(self, units: Tensor, wanted: Tensor) -> Tensor:
        """Return what a cost of strength 1 pulls the last layer with: minus its gradient."""
        output = self.network.output((units,)).detach()
        error = (output.softmax(1) if self.action.softmax else output) - wanted
        return self.network.pull_back((units,), error).detach().neg()


def _box(activation: Activation) -> tuple[float, float]:
    """Return the bounds that the move clips to; smooth activations are bounded by themselves."""
    return (activation.low, activation.high) if isinstance(activation, Clipped) else (-float("inf"), float("inf"))


def are_finite(weights: Sequence[Tensor]) -> bool:
    """Whether products may leave out what is 0: times a weight that is NaN or infinite it is NaN, as which divergence shows.

    Parameters
    ----------
    weights : sequence of Tensor
        Any. Sums that overflow make them pass for infinite, which costs time only.

    Returns
    -------
    bool
        True where all are finite.
    """
    return all(math.isfinite(float(weight.sum())) for weight in weights)


def settle_blocks(network: Layered, clamped: Clamped, state: State, order: list[int], stop: Stop, action: Action) -> Relaxation:
    """Settle a layered network of any depth by sweeps over the rows that are still active.

    Parameters
    ----------
    network, clamped, state, stop
        As in :func:`contrastive_core.relaxation.relax.relax`; a held output is already in the state.
    order : list of int
        The blocks in the order of their moves.
    action : Action
        What acts on the last layer.

    Returns
    -------
    Relaxation
        As of the reference, the rows of one phase after those of the other.
    """
    phases = len(action.strengths)
    units = [stacked(layer, phases) for layer in state]
    batch_size = len(units[0])
    residual = units[0].new_full((batch_size,), float("inf"))
    strength = torch.tensor(action.strengths, dtype=residual.dtype).repeat_interleave(batch_size // phases)[:, None]
    given = clamped.drive.detach() if phases == 1 else stacked(clamped.drive, phases)
    pull = None if action.pull is None else action.pull.repeat(phases, 1)
    rows = _Rows(units, [torch.empty_like(layer) for layer in units], given.contiguous(), pull, strength, residual.clone())
    # A layer at rest has one value for all units, which costs nothing to look at.
    silent = {index for index, layer in enumerate(state) if layer.stride() == (0, 0) and float(layer[0, 0]) == 0}
    sweep = _Sweep(network, order, action, silent, INTEGERS[residual.dtype])
    if silent and not are_finite(sweep.weights[1:]):
        silent.clear()
    steps = torch.full((batch_size,), stop.budget, dtype=torch.int64)
    where: Tensor | None = None  # rows of the batch that the packed rows are; None while they are all there
    for step in range(1, stop.budget + 1):
        sweep.run(rows)
        if stop.tolerance is None:
            continue
        active = rows.residual > stop.tolerance  # NaN compares false: a diverged sample stops here
        count = int(active.sum())
        if count == len(active):
            continue
        if count == 0 and where is None:
            steps.fill_(step)
            break
        if where is None:
            where = torch.arange(batch_size)
            units = [torch.empty_like(layer) for layer in rows.units]
        _put(units, residual, rows, where, ~active)
        steps[where[~active]] = step
        where, rows = where[active], rows.kept(active.nonzero()[:, 0])
        if count == 0:
            break
    if where is None:
        units, residual = rows.units, rows.residual
    else:
        _put(units, residual, rows, where, slice(None))
    return Relaxation(tuple(units), steps, residual, status_of(units, residual, stop))


def stacked(layer: Tensor, phases: int) -> Tensor:
    """Copy a layer once for each of some phases.

    Parameters
    ----------
    layer : Tensor of shape (B, n)
        Of any strides.
    phases : int
        How many copies, P.

    Returns
    -------
    Tensor of shape (P B, n)
        Contiguous; the copies are one after the other.
    """
    return torch.cat([layer.detach()] * phases)  # several times faster than repeat


def unstacked(rows: Relaxation, phases: int) -> list[Relaxation]:
    """Return the phases that are one after the other in the rows.

    Parameters
    ----------
    rows : Relaxation
        Of P B rows.
    phases : int
        How many phases, P.

    Returns
    -------
    list of Relaxation
        One per phase.
    """
    if phases == 1:
        return [rows]
    size = len(rows.steps) // phases
    parts = [slice(number * size, (number + 1) * size) for number in range(phases)]
    return [Relaxation(tuple(s[p] for s in rows.state), rows.steps[p], rows.residual[p], rows.status[p]) for p in parts]


def _put(units: list[Tensor], residual: Tensor, rows: _Rows, where: Tensor, chosen: Tensor | slice) -> None:
    """Write the chosen rows to where they belong in the batch, in place."""
    target = where[chosen]
    for layer, packed in zip(units, rows.units, strict=True):
        layer[target] = packed[chosen]
    residual[target] = rows.residual[chosen]


def status_of(units: list[Tensor], residual: Tensor, stop: Stop) -> Tensor:
    """Return how samples ended.

    Parameters
    ----------
    units : list of Tensor of shape (B, n)
        Where they ended.
    residual : Tensor of shape (B,)
        Of the last sweep.
    stop : Stop
        When they were to end.

    Returns
    -------
    Tensor of shape (B,)
        A status per sample.
    """
    status = torch.full(residual.shape, int(Status.BUDGET), dtype=torch.int8)
    if stop.tolerance is not None:
        status[residual <= stop.tolerance] = int(Status.CONVERGED)
    status[residual.isnan()] = int(Status.DIVERGED)
    for layer in units:
        kernel_cpu.check_rows(layer.numpy(), status.numpy())
    return status
