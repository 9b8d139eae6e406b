"""Numba kernel for the last few samples of a network of several hidden layers: one by one, and by what changes only.

A product of few samples takes as long as reading the weights. Most units of a sample that is nearly settled sit at a bound and do not
move at all; what they send needs no reading, and nor do the weights of a unit that is 0.
"""

import numpy as np

from contrastive_core.kernels.settling.any_depth.kernel_cpu import go_beyond, move_top, scale_of
from contrastive_core.kernels.settling.elements import formulas
from contrastive_core.kernels.settling.elements.loops_cpu import Array, Number, copy, gather, larger, last_layers, njit, respond


@njit
def _spread_some(chosen: Array, values: Array, count: int, weights: Array, target: Array) -> None:
    """Add to ``target`` what ``count`` chosen units send, in place; shapes (n,), (n,), (n, k) and (k,)."""
    whole = count - count % 4  # four rows of weights at a time load and store the target once
    for c in range(0, whole, 4):
        i, j, k, l = chosen[c], chosen[c + 1], chosen[c + 2], chosen[c + 3]  # noqa: E741
        p, q, r, s = values[c], values[c + 1], values[c + 2], values[c + 3]
        for t in range(target.shape[0]):
            target[t] += p * weights[i, t] + q * weights[j, t] + r * weights[k, t] + s * weights[l, t]
    for c in range(whole, count):
        i, p = chosen[c], values[c]
        for t in range(target.shape[0]):
            target[t] += p * weights[i, t]


@njit
def _send(before: Array, layer: Array, weights: Array, chosen: Array, values: Array, target: Array) -> None:
    """Add to ``target`` what the changes of a layer since ``before`` send, in place; the other arrays are scratch."""
    count = 0
    for j in range(layer.shape[0]):
        change = layer[j] - before[j]
        if change != 0:  # NaN is not 0 either
            chosen[count], values[count] = j, change
            count += 1
    _spread_some(chosen, values, count, weights, target)


@njit
def _move_one(
    below: Array, base: Array, above: Array, feedback: Number, low: Number, high: Number, origin: Array, layer: Array
) -> Number:  # fmt: skip
    """Set a layer of one sample, measured from its origin, to its minimum, in place, and return the largest change."""
    largest = layer.dtype.type(0)
    for j in range(layer.shape[0]):
        value = respond(formulas.CLIPPED, base[j] + below[j] + feedback * above[j], low - origin[j], high - origin[j])
        largest = larger(abs(value - layer[j]), largest)
        layer[j] = value
    return largest


@njit
def settle_few(
    memory: Array, at: tuple[Array, Array, int, int], weights: tuple[Array, ...], downward: tuple[Array, ...],
    sizes: Array, frame: tuple[Array, Array, Array, Array], resting: Array, rows: Array, current: Array, phase: int,
    numbers: tuple[Number, ...], bounds: Array, moves: Array, output_first: bool, over: Number, tolerance: Number, budget: int,
    residual: Array, taken: Array,
) -> None:  # fmt: skip
    """Settle rows one after the other, in place, each until it has converged.

    Parameters
    ----------
    memory : array of shape (m or more, w)
        Rows that hold all parts of a sample; units, inputs from below and sums are overwritten.
    at : tuple
        RowLayout where parts begin: arrays of those of each layer's units and of each hidden layer's input from below, without the bias;
        then pull, sums and strength, as in :func:`contrastive_core.kernels.settling.any_depth.kernel_cpu.sweep_top`.
    weights, downward : tuples of arrays
        Weights from each hidden layer to the next, and their transposes.
    sizes : array of int
        Units of all layers.
    frame : tuple
        Rows and samples, as in :func:`contrastive_core.kernels.settling.any_depth.kernel_cpu.move_between`, and the columns of the
        constant input and of the origin of each layer.
    resting : array of shape (L,)
        Stiffness of the layers in displacements, 0 in states.
    rows, phase, output_first, over
        Same as in ``sweep_top``.
    current : array of bool
        Whether each layer's input from below belongs to the present state.
    numbers : tuple of float
        Curvature, stiffness and feedback, as in ``sweep_top``.
    bounds : array of shape (2, L)
        Lower and upper bounds of the layers' units.
    moves : array of int
        Hidden layers in the order of their moves.
    tolerance, budget : float, int
        End of a relaxation; a negative tolerance is none.
    residual : array of shape (m,)
        Overwritten.
    taken : array of shape (m,)
        Sweeps that each row has done; raised by those that it does here.
    """
    real, top, (given, where, at_base, at_origin) = memory.dtype.type, len(sizes) - 2, frame
    at_units, at_below, at_pull, at_strength = at
    (curvature, stiffness, feedback), (lows, highs) = numbers, (bounds[0], bounds[1])
    layers = last_layers((curvature, stiffness, feedback, lows[top], highs[top], lows[top + 1], highs[top + 1]), rows)
    over, tolerance = real(over), real(tolerance)
    widest, count = max(sizes[:-1]), sizes[top + 1]
    chosen, values, before = np.empty(widest, np.int64), np.empty(widest, memory.dtype), np.empty(widest, memory.dtype)
    drive, base, old = np.empty(sizes[top], memory.dtype), np.empty(widest, memory.dtype), np.empty(widest, memory.dtype)
    above = np.empty((top, widest), memory.dtype)
    sent, linear = np.zeros(rows.shape[0], memory.dtype), np.empty(count, memory.dtype)
    for row in range(residual.shape[0]):
        line, kept, strength = memory[row], given[where[row] % given.shape[0]], memory[row, at_strength]
        outputs, sums = line[at_units[top + 1] : at_units[top + 1] + count], line[at_below[top + 1] : at_below[top + 1] + rows.shape[0]]
        before[:] = 0  # the state counts as a change from 0, which is what all of it sends
        for i in range(top):
            up, down = line[at_units[i] :][: sizes[i]], line[at_units[i + 1] :][: sizes[i + 1]]
            above[i] = 0
            _send(before, down, downward[i], chosen, values, above[i, : len(up)])
            if not current[i + 1]:
                below = line[at_below[i + 1] :][: len(down)]
                below[:] = 0
                _send(before, up, weights[i], chosen, values, below)
        if not current[top + 1]:
            gather(rows, line[at_units[top] :][: sizes[top]], sums)
        largest = real(np.inf)
        while taken[row] < budget:
            taken[row] += 1
            largest = real(0)
            for i in moves:
                size = sizes[i]
                base_of, origin_of = kept[at_base[i] : at_base[i] + size], kept[at_origin[i] : at_origin[i] + size]
                scale = scale_of(resting[i], strength)
                layer, below = line[at_units[i] : at_units[i] + size], line[at_below[i] : at_below[i] + size]
                copy(layer, before[:size])
                if i == top:
                    for j in range(size):
                        drive[j] = base_of[j] + below[j]
                    last_base, last_origin = kept[at_base[top + 1] :][:count], kept[at_origin[top + 1] :][:count]
                    scales = scale, scale_of(resting[top + 1], strength)
                    change = move_top(
                        drive, rows, last_base, line[at_pull : at_pull + count], strength, layers, phase, output_first, over,
                        (origin_of, last_origin), scales, layer, outputs, sums, sent, linear, base[:size], old[:size],
                    )  # fmt: skip
                else:
                    # Layers below the top send on their changes, so that no weight of a unit at rest is read.
                    change = scale * _move_one(below, base_of, above[i], layers.feedback, lows[i], highs[i], origin_of, layer)
                    if over != 1:
                        go_beyond(before[:size], over, lows[i], highs[i], origin_of, layer)
                    _send(before, layer, weights[i], chosen, values, line[at_below[i + 1] :][: sizes[i + 1]])
                if i > 0:  # the first layer has only the inputs below it, which do not move
                    _send(before, layer, downward[i - 1], chosen, values, above[i - 1, : sizes[i - 1]])
                largest = larger(change, largest)
            if tolerance >= 0 and not largest > tolerance:
                break
        residual[row] = largest
