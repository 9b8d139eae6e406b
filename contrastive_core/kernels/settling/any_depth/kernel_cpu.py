"""Numba kernels for networks of any depth: the parts of a sweep between the products, which BLAS computes.

All parts of a sample lie in one row of memory, one after the other, so that a sample moves by one copy. Rows are independent of each
other, as in :mod:`contrastive_core.kernels.settling.one_hidden.kernel_cpu`.
"""

import numpy as np

from contrastive_core.kernels.settling.elements import formulas
from contrastive_core.kernels.settling.elements.codes import FREE, HELD, SOFTMAX
from contrastive_core.kernels.settling.elements.loops_cpu import (
    Array,
    LastLayers,
    Number,
    copy,
    gather,
    larger,
    last_layers,
    njit,
    nudged,
    respond,
    settle_row,
    softmax_pull,
)


@njit
def _move(drive: Array, low: Number, high: Number, layer: Array, bits: Array) -> Number:
    """Set ``layer`` to the clipped ``drive``, and ``drive`` to the absolute changes; return the bits of the largest one.

    ``bits`` is ``drive`` seen as integers: non-negative floats are ordered as their bits are, with NaN above infinity, so that an
    integer maximum is exact, keeps NaN and is vectorised. One array serves twice because the compiler, which has to allow for
    overlap of the arrays it is given, vectorises only where there is none.
    """
    for j in range(layer.shape[0]):
        value = drive[j]
        value = low if value < low else value  # comparisons that NaN fails, unlike min and max
        value = high if value > high else value
        drive[j] = abs(value - layer[j])
        layer[j] = value
    # Integers: a maximum of floats that keeps NaN is not vectorised.
    largest = bits[0]
    for j in range(1, layer.shape[0]):
        largest = max(largest, bits[j])
    return largest


@njit
def move_between(
    lower: Array, at_below: int, bias: Array, above: Array, feedback: Number, alone: bool, low: Number, high: Number, over: Number,
    memory: Array, at: int, residual: Array, integers: Array,
) -> None:  # fmt: skip
    """Set a layer of each row to its minimum between its neighbours, in place, and raise each row's ``residual``.

    Parameters
    ----------
    lower : array of shape (m or more, w)
        Rows that hold, from the column ``at_below`` on, the layer's input from below, without the bias.
    at_below : int
        Column where that input begins.
    bias : array of shape (n,)
        Bias of the layer.
    above : array of shape (m or more, n)
        Input from the layer above, without the feedback.
    feedback : float
        Factor of ``above``.
    alone : bool
        Whether to leave ``above`` out.
    low, high : float
        Bounds of the units.
    over : float
        Factor of over-relaxation; 1 moves units to their minimum.
    memory : array of shape (m or more, w)
        Rows that hold the layer from the column ``at`` on, which is overwritten.
    at : int
        Column where the layer begins.
    residual : array of shape (m,)
        Overwritten with the larger of itself and the row's largest change; NaN stays and is taken over.
    integers : array
        Empty, of the integer type as wide as the floats.
    """
    real, width = memory.dtype.type, bias.shape[0]
    low, high, feedback, over = real(low), real(high), real(feedback), real(over)
    change, before = np.empty(width, memory.dtype), np.empty(width, memory.dtype)
    bits, residual_bits = change.view(integers.dtype), residual.view(integers.dtype)
    for row in range(residual.shape[0]):
        below, layer = lower[row, at_below : at_below + width], memory[row, at : at + width]
        if alone:
            for j in range(width):
                change[j] = bias[j] + below[j]
        else:
            sent = above[row]
            for j in range(width):
                change[j] = bias[j] + below[j] + feedback * sent[j]
        if over != 1:  # the residual is that of the move to the minimum, whatever the factor
            copy(layer, before)
        residual_bits[row] = max(residual_bits[row], _move(change, low, high, layer, bits))
        if over != 1:
            go_beyond(before, over, low, high, layer)


@njit
def go_beyond(before: Array, over: Number, low: Number, high: Number, layer: Array) -> None:
    """Move a layer that has reached its minimum to ``over`` times the way from ``before``, inside its bounds, in place."""
    for j in range(layer.shape[0]):
        value = before[j] + over * (layer[j] - before[j])
        value = low if value < low else value  # comparisons that NaN fails, unlike min and max
        layer[j] = high if value > high else value


@njit
def move_top(
    drive: Array, rows: Array, bias: Array, pull: Array, strength: Number, layers: LastLayers, phase: int, output_first: bool, over: Number,
    units: Array, outputs: Array, sums: Array, sent: Array, linear: Array, base: Array, before: Array,
) -> Number:  # fmt: skip
    """Sweep once over the last hidden layer and the outputs of one row, in place, and return the largest change to a minimum.

    Arguments are those of ``settle_row``, and ``over``, the factor of over-relaxation; the arrays from ``sent`` on are scratch.
    """
    real = units.dtype.type
    for k in range(outputs.shape[0]):
        sent[k] = layers.feedback * outputs[k]
    if over == 1:
        # One sweep without a tolerance; only its change is wanted.
        return settle_row(
            drive, rows, bias, pull, strength, layers, phase, output_first, real(-1), 1, units, outputs, sums, sent, linear, base
        )[1]
    largest = real(0)
    for part in range(2):
        if output_first == (part == 1):
            copy(units, before)
            # With the outputs held, one sweep is one move of the hidden units.
            _, change = settle_row(
                drive, rows, bias, pull, strength, layers, HELD, output_first, real(-1), 1, units, outputs, sums, sent, linear, base
            )
            largest = larger(change, largest)
            go_beyond(before, over, layers.low, layers.high, units)
            gather(rows, units, sums)  # the kernel's sums are those of units not yet over-relaxed
        elif phase != HELD:
            if phase == SOFTMAX:
                softmax_pull(outputs, pull, linear)
            for k in range(outputs.shape[0]):
                value = bias[k] + sums[k]
                if phase != FREE:
                    force = linear[k] if phase == SOFTMAX else pull[k]
                    value = nudged(value, force, outputs[k], strength, layers.curvature, layers.stiffness, formulas.CLIPPED)
                change = respond(formulas.CLIPPED, value, layers.low_out, layers.high_out) - outputs[k]
                largest = larger(abs(change), largest)
                outputs[k] = respond(formulas.CLIPPED, outputs[k] + over * change, layers.low_out, layers.high_out)
                sent[k] = layers.feedback * outputs[k]
    return largest


@njit
def sweep_top(
    memory: Array, at: tuple[int, ...], hidden_bias: Array, rows: Array, bias: Array, numbers: tuple[Number, ...], phase: int,
    output_first: bool, over: Number, begin: bool, residual: Array,
) -> None:  # fmt: skip
    """Sweep once over the last hidden layer and the outputs, row by row, in place, and raise each row's ``residual``.

    Parameters
    ----------
    memory : array of shape (m or more, w)
        Rows that hold all parts of a sample; the units, outputs and sums are overwritten.
    at : tuple of int
        RowLayout where parts begin: input of the hidden layer from below, without its bias; hidden units; outputs; linear part of the
        pull at strength 1 or, for SOFTMAX, targets; sums that the hidden units send to the outputs; strength of the nudge.
    hidden_bias : array of shape (n,)
        Bias of the hidden layer.
    rows, bias : arrays
        Weights to the outputs as :func:`contrastive_core.kernels.settling.elements.loops_cpu.rows_of` returns them; bias of the outputs.
    numbers : tuple of float
        Fields of :class:`contrastive_core.kernels.settling.elements.loops_cpu.LastLayers`.
    phase : int
        FREE, PULLED, SOFTMAX or HELD.
    output_first : bool
        Whether the outputs move before the hidden layer.
    over : float
        Factor of over-relaxation; 1 moves units to their minimum.
    begin : bool
        Whether the sums still have to be computed.
    residual : array of shape (m,)
        Overwritten with the larger of itself and the row's largest change.
    """
    real, width, count = memory.dtype.type, hidden_bias.shape[0], bias.shape[0]
    at_below, at_units, at_outputs, at_pull, at_sums, at_strength = at
    layers, over = last_layers(numbers, memory), real(over)
    sent, linear = np.zeros(rows.shape[0], memory.dtype), np.empty(count, memory.dtype)
    drive, base, before = np.empty(width, memory.dtype), np.empty(width, memory.dtype), np.empty(width, memory.dtype)
    for row in range(residual.shape[0]):
        line = memory[row]
        units, outputs, sums = line[at_units : at_units + width], line[at_outputs : at_outputs + count], line[at_sums : at_sums + len(rows)]
        for j in range(width):
            drive[j] = hidden_bias[j] + line[at_below + j]
        if begin:
            gather(rows, units, sums)
        largest = move_top(
            drive, rows, bias, line[at_pull : at_pull + count], line[at_strength], layers, phase, output_first, over,
            units, outputs, sums, sent, linear, base, before,
        )  # fmt: skip
        residual[row] = larger(largest, residual[row])
