"""Numba kernels for networks of several hidden layers: what lies between the products that BLAS does."""

import numpy as np

from contrastive_core.kernels.layered_cpu import Array, Number, _gather, _larger, _settle_row, njit
from contrastive_core.kernels.rows_cpu import _move


@njit
def move_between(
    below: Array, above: Array, feedback: Number, alone: bool, low: Number, high: Number, layer: Array, residual: Array, integers: Array
) -> None:
    """Set each row of a layer to its minimum between its neighbours, in place, and raise each row's ``residual``.

    Parameters
    ----------
    below, above : arrays of shape (m, n)
        What the neighbours send, the bias in the first.
    feedback : float
        Factor of ``above``.
    alone : bool
        Whether to leave ``above`` out.
    low, high : float
        Bounds of the units.
    layer : array of shape (m, n)
        Overwritten.
    residual : array of shape (m,)
        Overwritten with the larger of itself and the row's largest change; NaN stays and is taken over.
    integers : array
        Empty, of the integer type as wide as the floats.
    """
    real, width = layer.dtype.type, layer.shape[1]
    low, high, feedback = real(low), real(high), real(feedback)
    change = np.empty(width, layer.dtype)
    bits, residual_bits = change.view(integers.dtype), residual.view(integers.dtype)
    for row in range(layer.shape[0]):
        if alone:
            for j in range(width):
                change[j] = below[row, j]
        else:
            for j in range(width):
                change[j] = below[row, j] + feedback * above[row, j]
        residual_bits[row] = max(residual_bits[row], _move(change, low, high, layer[row], bits))


@njit
def sweep_top(
    below: Array, rows: Array, bias: Array, pull: Array, strengths: Array, phase: int,
    curvature: Number, stiffness: Number, feedback: Number, low: Number, high: Number, low_out: Number, high_out: Number,
    output_first: bool, begin: bool, units: Array, outputs: Array, sums: Array, residual: Array,
) -> None:  # fmt: skip
    """Sweep once over the last hidden layer and the outputs, row by row, in place, and raise each row's ``residual``.

    Parameters
    ----------
    below : array of shape (m, n)
        Input of the hidden layer from below, its bias included.
    rows, bias : arrays
        Weights to the outputs as :func:`contrastive_core.kernels.layered_cpu.rows_of` returns them; bias of the outputs.
    pull : array of shape (m, k)
        PULLED: its linear part at strength 1; SOFTMAX: the targets.
    strengths : array of shape (m,)
        Of each row's nudge.
    phase : int
        FREE, PULLED, SOFTMAX or HELD.
    curvature, stiffness, feedback : float
        Of a nudge of strength 1; of the outputs; ratio of feedback to forward coupling.
    low, high, low_out, high_out : float
        Bounds of the units.
    output_first : bool
        Whether the outputs move before the hidden layer.
    begin : bool
        Whether ``sums`` is not known yet.
    units, outputs : arrays of shape (m, n) and (m, k)
        Overwritten.
    sums : array of shape (m, GROUP or more)
        What the units send to the outputs; kept so.
    residual : array of shape (m,)
        Overwritten with the larger of itself and the row's largest change.
    """
    real, count = units.dtype.type, outputs.shape[1]
    low, high, low_out, high_out = real(low), real(high), real(low_out), real(high_out)
    curvature, stiffness, feedback = real(curvature), real(stiffness), real(feedback)
    sent, linear, base = np.zeros(rows.shape[0], units.dtype), np.empty(count, units.dtype), np.empty(units.shape[1], units.dtype)
    for row in range(units.shape[0]):
        if begin:
            _gather(rows, units[row], sums[row])
        for k in range(count):
            sent[k] = feedback * outputs[row, k]
        _, largest = _settle_row(
            below[row], rows, bias, pull[row], strengths[row], curvature, stiffness, feedback, low, high, low_out, high_out,
            phase, output_first, real(-1), 1, units[row], outputs[row], sums[row], sent, linear, base,
        )  # fmt: skip
        residual[row] = _larger(largest, residual[row])
