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

BOTH, BELOW, COMPLETE = 0, 1, 2
"""Parts of a layer's drive that a kernel is given."""


@njit
def _move(drive: Array, low: Number, high: Number, origin: Array, layer: Array, bits: Array) -> Number:
    """Set ``layer``, measured from ``origin``, to the clipped ``drive``, and ``drive`` to the absolute changes; return the largest one.

    ``bits`` is ``drive`` seen as integers: non-negative floats are ordered as their bits are, with NaN above infinity, so that an
    integer maximum is exact, keeps NaN and is vectorised. One array serves twice because the compiler, which has to allow for
    overlap of the arrays it is given, vectorises only where there is none.
    """
    for j in range(layer.shape[0]):
        value = drive[j]
        least, most = low - origin[j], high - origin[j]
        value = least if value < least else value  # comparisons that NaN fails, unlike min and max
        value = most if value > most else value
        drive[j] = abs(value - layer[j])
        layer[j] = value
    # Integers: a maximum of floats that keeps NaN is not vectorised.
    largest = bits[0]
    for j in range(1, layer.shape[0]):
        largest = max(largest, bits[j])
    bits[0] = largest
    return drive[0]


@njit
def scale_of(stiffness: Number, strength: Number) -> Number:
    """Return what changes of a layer count times: 1 in states, for which the stiffness is 0, else the inverse size of displacements."""
    return stiffness / abs(strength) if stiffness > 0 else stiffness + 1


@njit
def move_between(
    lower: Array, at_below: int, frame: tuple[Array, Array, int, int], above: Array, feedback: Number, parts: int, low: Number,
    high: Number, over: Number, memory: Array, at: tuple[int, int, int], stiffness: Number, residual: Array, integers: Array,
) -> None:  # fmt: skip
    """Set a layer of each row to its minimum between its neighbours, in place, and raise each row's ``residual``.

    Parameters
    ----------
    lower : array of shape (m or more, w)
        Rows that hold, from the column ``at_below`` on, the layer's input from below, without the bias.
    at_below : int
        Column where that input begins.
    frame : tuple
        Rows that hold the layer's constant input and the values from which its units are measured, one for each sample or one for all;
        the sample of each row of units; and the columns where the two begin.
    above : array of shape (m or more, n)
        Input from the layer above, without the feedback.
    feedback : float
        Factor of ``above``.
    parts : int
        Parts of the drive: BOTH neighbours, the layer BELOW alone, or COMPLETE, which takes ``lower`` as it is.
    low, high : float
        Bounds of the units.
    over : float
        Factor of over-relaxation; 1 moves units to their minimum.
    memory : array of shape (m or more, w)
        Rows that hold the layer from the column ``at`` on, which is overwritten.
    at : tuple of int
        Column where the layer begins, that of the strength of the nudge, and the width of the layer.
    stiffness : float
        Stiffness of the layer in displacements, 0 in states.
    residual : array of shape (m,)
        Overwritten with the larger of itself and the row's largest change; NaN stays and is taken over.
    integers : array
        Empty, of the integer type as wide as the floats.
    """
    real, (at_units, at_strength, width), (given, where, at_base, at_origin) = memory.dtype.type, at, frame
    low, high, stiffness, feedback, over = real(low), real(high), real(stiffness), real(feedback), real(over)
    change, before = np.empty(width, memory.dtype), np.empty(width, memory.dtype)
    bits = change.view(integers.dtype)
    for row in range(residual.shape[0]):
        below, layer = lower[row, at_below : at_below + width], memory[row, at_units : at_units + width]
        own = where[row] % given.shape[0]
        base, origin = given[own, at_base : at_base + width], given[own, at_origin : at_origin + width]
        if parts == COMPLETE:
            copy(below, change)
        elif parts == BELOW:
            for j in range(width):
                change[j] = base[j] + below[j]
        else:
            sent = above[row]
            for j in range(width):
                change[j] = base[j] + below[j] + feedback * sent[j]
        if over != 1:  # the residual is that of the move to the minimum, whatever the factor
            copy(layer, before)
        largest = _move(change, low, high, origin, layer, bits)
        residual[row] = larger(scale_of(stiffness, memory[row, at_strength]) * largest, residual[row])
        if over != 1:
            go_beyond(before, over, low, high, origin, layer)


@njit
def go_beyond(before: Array, over: Number, low: Number, high: Number, origin: Array, layer: Array) -> None:
    """Move a layer that has reached its minimum to ``over`` times the way from ``before``, inside its bounds, in place."""
    for j in range(layer.shape[0]):
        layer[j] = respond(formulas.CLIPPED, before[j] + over * (layer[j] - before[j]), low - origin[j], high - origin[j])


@njit
def move_top(
    drive: Array, rows: Array, bias: Array, pull: Array, strength: Number, layers: LastLayers, phase: int, output_first: bool, over: Number,
    origins: tuple[Array, Array], scales: tuple[Number, Number], units: Array, outputs: Array, sums: Array, sent: Array, linear: Array,
    base: Array, before: Array,
) -> Number:  # fmt: skip
    """Sweep once over the last hidden layer and the outputs of one row, in place, and return the largest change to a minimum.

    Arguments are those of ``settle_row``, and ``over``, the factor of over-relaxation; the arrays from ``sent`` on are scratch.
    """
    real, origin_out = units.dtype.type, origins[1]
    for k in range(outputs.shape[0]):
        sent[k] = layers.feedback * outputs[k]
    if over == 1:
        # One sweep without a tolerance; only its change is wanted.
        return settle_row(
            drive, rows, bias, pull, strength, layers, phase, output_first, real(-1), 1, origins, scales, units, outputs, sums, sent,
            linear, base, True,
        )[1]  # fmt: skip
    largest = real(0)
    for part in range(2):
        if output_first == (part == 1):
            copy(units, before)
            # With the outputs held, one sweep is one move of the hidden units.
            _, change = settle_row(
                drive, rows, bias, pull, strength, layers, HELD, output_first, real(-1), 1, origins, scales, units, outputs, sums, sent,
                linear, base, False,
            )  # fmt: skip
            largest = larger(change, largest)
            go_beyond(before, over, layers.low, layers.high, origins[0], units)
            gather(rows, units, sums)
        elif phase != HELD:
            if phase == SOFTMAX:
                softmax_pull(outputs, origin_out, pull, linear)
            for k in range(outputs.shape[0]):
                value = bias[k] + sums[k]
                if phase != FREE:
                    force = linear[k] if phase == SOFTMAX else pull[k] - layers.curvature * origin_out[k]
                    value = nudged(value, force, outputs[k], strength, layers.curvature, layers.stiffness, formulas.CLIPPED)
                low, high = layers.low_out - origin_out[k], layers.high_out - origin_out[k]
                change = respond(formulas.CLIPPED, value, low, high) - outputs[k]
                largest = larger(scales[1] * abs(change), largest)
                outputs[k] = respond(formulas.CLIPPED, outputs[k] + over * change, low, high)
                sent[k] = layers.feedback * outputs[k]
    return largest


@njit
def sweep_top(
    memory: Array, at: tuple[int, ...], frame: tuple[Array, Array, int, int, int, int], sizes: tuple[int, int], rows: Array,
    numbers: tuple[Number, ...], phase: int, output_first: bool, over: Number, begin: bool, stiffness: tuple[Number, Number],
    residual: Array,
) -> None:  # fmt: skip
    """Sweep once over the last hidden layer and the outputs, row by row, in place, and raise each row's ``residual``.

    Parameters
    ----------
    memory : array of shape (m or more, w)
        Rows that hold all parts of a sample; the units, outputs and sums are overwritten.
    at : tuple of int
        RowLayout where parts begin: input of the hidden layer from below, without its bias; hidden units; outputs; linear part of the
        pull at strength 1 or, for SOFTMAX, targets; sums that the hidden units send to the outputs; strength of the nudge.
    frame : tuple
        Rows and samples as in :func:`move_between`; columns of the constant input and of the origin of the hidden units, and of the
        outputs.
    sizes : tuple of int
        Numbers of hidden units and of outputs.
    rows : array
        Weights to the outputs as :func:`contrastive_core.kernels.settling.elements.loops_cpu.rows_of` returns them.
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
    stiffness : tuple of float
        Stiffness of both layers in displacements, 0 in states.
    residual : array of shape (m,)
        Overwritten with the larger of itself and the row's largest change.
    """
    real, (width, count), (given, where, at_base, at_origin, at_base_out, at_origin_out) = memory.dtype.type, sizes, frame
    at_below, at_units, at_outputs, at_pull, at_sums, at_strength = at
    layers, over = last_layers(numbers, rows), real(over)
    sent, linear = np.zeros(rows.shape[0], memory.dtype), np.empty(count, memory.dtype)
    drive, base, before = np.empty(width, memory.dtype), np.empty(width, memory.dtype), np.empty(width, memory.dtype)
    for row in range(residual.shape[0]):
        line, kept = memory[row], given[where[row] % given.shape[0]]
        origins = kept[at_origin : at_origin + width], kept[at_origin_out : at_origin_out + count]
        strength = line[at_strength]
        scales = scale_of(real(stiffness[0]), strength), scale_of(real(stiffness[1]), strength)
        units, outputs, sums = line[at_units : at_units + width], line[at_outputs : at_outputs + count], line[at_sums : at_sums + len(rows)]
        for j in range(width):
            drive[j] = kept[at_base + j] + line[at_below + j]
        if begin:
            gather(rows, units, sums)
        largest = move_top(
            drive, rows, kept[at_base_out : at_base_out + count], line[at_pull : at_pull + count], strength, layers, phase, output_first,
            over, origins, scales, units, outputs, sums, sent, linear, base, before,
        )  # fmt: skip
        residual[row] = larger(largest, residual[row])
