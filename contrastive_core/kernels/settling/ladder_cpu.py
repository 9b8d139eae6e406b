"""Numba kernel of block descent in ladders: quadratic energies of layers in boxes, such as circuits of resistors and ideal diodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.forms import Ladder
from contrastive_core.kernels.settling.elements import formulas
from contrastive_core.kernels.settling.elements.codes import BUDGET, CONVERGED, DIVERGED, ActionKind
from contrastive_core.kernels.settling.elements.loops_cpu import Array, Number, all_finite, copy, larger, njit, respond
from contrastive_core.kernels.settling.elements.output_phase import Action
from contrastive_core.kernels.settling.elements.request import order_of
from contrastive_core.network import Clamped
from contrastive_core.types import State


@njit
def _move(layer: Array, current: Array, curvature: Array, extra: Number, low: Array, high: Array, worst: Number) -> Number:
    """Set ``layer`` to its minimum, in place, and return the larger of ``worst`` and its largest change; NaN stays."""
    for j in range(layer.shape[0]):
        # The minimum of a parabola; the box cuts it off.
        value = respond(formulas.CLIPPED, current[j] / (curvature[j] + extra), low[j], high[j])
        worst = larger(abs(value - layer[j]), worst)
        layer[j] = value
    return worst


@njit
def _gather_current(index: int, layers: Array, couplings: Array, base: Array, current: Array) -> None:
    """Write ``base`` plus what both neighbours send into ``current``."""
    width = current.shape[0]
    copy(base, current)
    if index > 0:
        below, coupling = layers[index - 1], couplings[index - 1]
        for i in range(below.shape[0]):
            value = below[i]
            if value != 0:  # half of the nodes are held by their diodes
                row = coupling[i]
                for j in range(width):
                    current[j] += value * row[j]
    if index + 1 < len(layers):
        above, coupling = layers[index + 1], couplings[index]
        for j in range(width):
            total = current.dtype.type(0)
            row = coupling[j]
            for k in range(above.shape[0]):
                total += row[k] * above[k]
            current[j] += total


@njit
def settle_rows(
    drive: Array, ladder: tuple[tuple[Array, ...], ...], pull: Array, strengths: Array, stiffening: Number, order: Array, held: bool,
    tolerance: Number, budget: int, states: tuple[Array, ...], steps: Array, residual: Array, status: Array,
) -> None:  # fmt: skip
    """Settle each sample in P phases by block descent, in place.

    Parameters
    ----------
    drive : array of shape (B, n_1)
        Drive of the first layer.
    ladder : tuple of tuples of arrays
        Biases, curvatures, lower and upper bounds of every layer, each of shape (n_l,), the first bias not used; and couplings of every
        layer but the first, of shape (n_{l-1}, n_l), or one that is not used with a single layer.
    pull : array of shape (B, n_L)
        Linear part of the pull at strength 1.
    strengths : array of shape (P,)
        Strength of each phase's nudge; 0 for none.
    stiffening : float
        Curvature that a nudge of strength 1 adds to the last layer.
    order : array of int
        Layers in the order of their moves.
    held : bool
        Whether the last layer does not move.
    tolerance, budget : float, int
        End of a relaxation; a negative tolerance is none.
    states : tuple of arrays of shape (P, B, n_l)
        Start states; overwritten with the result.
    steps, residual, status : arrays of shape (P, B)
        Overwritten with the certificates.
    """
    biases, curvatures, lows, highs, couplings = ladder
    last = len(states) - 1
    widest = 0
    for index in range(last + 1):
        widest = max(widest, states[index].shape[2])
    scratch = np.empty(widest, drive.dtype)
    real = drive.dtype.type
    for number in range(strengths.shape[0]):
        strength = strengths[number]
        for sample in range(drive.shape[0]):
            layers = [state[number, sample] for state in states]
            worst, step = real(0), 0
            while step < budget:
                step += 1
                worst = real(0)
                for index in order:
                    if held and index == last:
                        continue  # it acts on the layer below, and stays
                    layer = layers[index]
                    current = scratch[: layer.shape[0]]
                    _gather_current(index, layers, couplings, drive[sample] if index == 0 else biases[index], current)
                    extra = real(0)
                    if index == last:
                        for k in range(layer.shape[0]):
                            current[k] += strength * pull[sample, k]
                        extra = real(strength * stiffening)
                    worst = _move(layer, current, curvatures[index], extra, lows[index], highs[index], worst)
                if tolerance >= 0 and not worst > tolerance:
                    break
            finite = worst == worst
            for index in range(last + 1):
                finite = finite and all_finite(layers[index])
            steps[number, sample] = step
            residual[number, sample] = worst
            reached = tolerance >= 0 and worst <= tolerance
            status[number, sample] = (CONVERGED if reached else BUDGET) if finite else DIVERGED


def settle_ladder(clamped: Clamped, start: State | None, dynamics: BlockDescent, stops: Sequence[Stop], action: Action) -> list[Relaxation]:
    """Settle one phase per strength of an action.

    Parameters
    ----------
    clamped : Clamped
        Network whose energy is a ladder, and its inputs.
    start : State
        Start of every phase; a held output is already in it.
    dynamics : BlockDescent
        Dynamics of every phase.
    stops : sequence of Stop
        One per phase, all equal.
    action : Action
        Action on the last layer: nothing, a constant pull, or a hold.

    Returns
    -------
    list of Relaxation
        One per phase.
    """
    ladder, stop, start = cast(Ladder, clamped.network.ladder(clamped)), stops[0], cast(State, start)
    drive, order = ladder.drives[0].detach().contiguous(), order_of(dynamics, len(start))
    phases, batch_size = len(action.strengths), len(drive)
    states = tuple(layer.detach().expand(phases, *layer.shape).clone(memory_format=torch.contiguous_format) for layer in start)
    steps = torch.empty((phases, batch_size), dtype=torch.int64)
    residual = drive.new_empty((phases, batch_size))
    status = torch.empty((phases, batch_size), dtype=torch.int8)
    pull = torch.zeros_like(states[-1][0]) if action.pull is None else action.pull.detach().contiguous()
    couplings = ladder.couplings or (drive.new_zeros(1, 1),)
    parts_of = ((ladder.curvatures[0], *ladder.drives[1:]), ladder.curvatures, ladder.lows, ladder.highs, couplings)
    settle_rows(
        drive.numpy(), tuple(_arrays(part) for part in parts_of), pull.numpy(), np.array(action.strengths, drive.numpy().dtype),
        action.curvature, np.array(order), action.kind is ActionKind.HELD, -1.0 if stop.tolerance is None else stop.tolerance, stop.budget,
        tuple(layer.numpy() for layer in states), steps.numpy(), residual.numpy(), status.numpy(),
    )  # fmt: skip
    parts = zip(*(tensor.unbind(0) for tensor in (*states, steps, residual, status)), strict=True)
    return [Relaxation(part[:-3], *part[-3:]) for part in parts]


def _arrays(tensors: Sequence[torch.Tensor]) -> tuple[Array, ...]:
    """Return tensors as contiguous arrays, without copying where they are."""
    return tuple(tensor.detach().contiguous().numpy() for tensor in tensors)
