"""Numba kernels on packed rows: they let samples stop, certify how each ended, and contrast displacements."""

import numpy as np

from contrastive_core.kernels.settling.elements.codes import BUDGET, CONVERGED, DIVERGED
from contrastive_core.kernels.settling.elements.loops_cpu import Array, Number, all_finite, copy, njit, press


@njit
def stop_rows(
    memory: Array, where: Array, residual: Array, tolerance: Number, taken: Array, left: Array, steps: Array, residuals: Array
) -> int:
    """Write the rows that stop to where they belong in the batch, close the gaps in place, and return how many go on.

    Parameters
    ----------
    memory : array of shape (m or more, w)
        The active rows first; overwritten.
    where : array of shape (m or more,)
        Samples that the rows are; overwritten.
    residual : array of shape (m,)
        Residuals of the active rows; overwritten.
    tolerance : float
        Largest residual of a row that stops. Infinity stops all.
    taken : array of shape (m or more,)
        Sweeps that each row has done; overwritten.
    left, steps, residuals : arrays of shape (B, w), (B,) and (B,)
        Overwritten at the samples that stop.
    """
    row, count = 0, int(residual.shape[0])
    while row < count:
        if residual[row] > tolerance:  # NaN compares false: a diverged sample stops here
            row += 1
            continue
        sample = where[row]
        copy(memory[row], left[sample])
        steps[sample], residuals[sample] = taken[row], residual[row]
        count -= 1
        if row < count:  # the last active row fills the gap: its place among the others does not matter
            copy(memory[count], memory[row])
            where[row], residual[row], taken[row] = where[count], residual[count], taken[count]
    return count


@njit
def certify(residual: Array, tolerance: Number, status: Array) -> None:
    """Write the status of relaxations from their last residuals, both of shape (B,); a negative tolerance is none."""
    for row in range(residual.shape[0]):
        status[row] = DIVERGED if residual[row] != residual[row] else CONVERGED if residual[row] <= tolerance else BUDGET


@njit
def take(memory: Array, at: int, layer: Array, status: Array) -> None:
    """Copy a layer of shape (B, n) out of the rows, which hold it from the column ``at`` on, in place.

    The status, of shape (B,), becomes DIVERGED where the layer is not finite.
    """
    for row in range(layer.shape[0]):
        copy(memory[row, at : at + layer.shape[1]], layer[row])
        if not all_finite(layer[row]):
            status[row] = DIVERGED


@njit
def write_targets(drive: Array, labels: Array, wanted: Array) -> bool:
    """Write classes, of shape (B,), as one-hot rows of shape (B, k), and return whether the batch makes sense.

    It does if no row of the drive, of shape (B, n), is infinite or NaN and every label has its output.
    """
    for row in range(wanted.shape[0]):
        # An input that is not finite makes all of its row of the drive so: one unit tells.
        if not (0 <= labels[row] < wanted.shape[1] and np.isfinite(drive[row, 0])):
            return False
        for k in range(wanted.shape[1]):
            wanted[row, k] = k == labels[row]
    return True


@njit
def press_rows(
    rows: Array, at_below: int, bias: Array, above: Array, feedback: Number, low: Number, high: Number, at: int, frame: Array,
    at_base: int, at_origin: int,
) -> None:  # fmt: skip
    """Write a layer of a free state as the origin of displacements, and what presses its units on their bounds as their constant input.

    Parameters
    ----------
    rows : array of shape (B, w)
        Rows of the free state.
    at_below : int
        Column where the layer's input from below begins, without the bias.
    bias, above, feedback, low, high
        Same as in :func:`contrastive_core.kernels.settling.any_depth.kernel_cpu.move_between`.
    at : int
        Column where the layer begins.
    frame : array of shape (B, v)
        Overwritten from the columns ``at_base`` and ``at_origin`` on.
    at_base, at_origin : int
        Columns where the constant input and the origin of the layer begin.
    """
    width, real = bias.shape[0], rows.dtype.type
    low, high, feedback = real(low), real(high), real(feedback)
    drive, pressed = np.empty(width, rows.dtype), np.empty(width, rows.dtype)
    for row in range(rows.shape[0]):
        units, below, sent = rows[row, at : at + width], rows[row, at_below : at_below + width], above[row]
        for j in range(width):
            drive[j] = bias[j] + below[j] + feedback * sent[j]
        press(drive, units, low, high, pressed)
        copy(pressed, frame[row, at_base : at_base + width])
        copy(units, frame[row, at_origin : at_origin + width])


@njit
def contrast_layer(free: Array, plus: Array, minus: Array, scale: Number, pair: Array, change: Array, bias: Array) -> None:
    """Write the parts that two displacements of a layer contribute to the contrasts with the layer above and with the one below.

    Parameters
    ----------
    free, plus, minus : arrays of shape (B, n)
        Units of the free state, and both displacements.
    scale : float
        Factor of the layer's contrast.
    pair : array of shape (2 B, n)
        Overwritten with the mean of both states and the difference of the displacements.
    change : array of shape (2 B, n)
        Overwritten with the scaled difference and the scaled mean: ``pair.T @ change`` of the layer above is its contrast.
    bias : array of shape (n,)
        Overwritten with the scaled difference, summed over the samples in their order.
    """
    real = free.dtype.type
    scale, half, size, width = real(scale), real(0.5), free.shape[0], free.shape[1]
    bias[:] = 0
    for row in range(size):
        middle, first, second = free[row], plus[row], minus[row]
        kept, moved, scaled, rest = pair[row], pair[size + row], change[row], change[size + row]
        for j in range(width):
            mean, difference = middle[j] + half * (first[j] + second[j]), first[j] - second[j]
            kept[j], moved[j], scaled[j], rest[j] = mean, difference, scale * difference, scale * mean
        # A loop of its own, because the compiler checks only few arrays for overlap before it gives up vectors.
        for j in range(width):
            bias[j] += scaled[j]
