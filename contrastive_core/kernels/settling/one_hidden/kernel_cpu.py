"""Numba kernel of block descent in networks with one hidden layer, for the CPU.

:mod:`contrastive_core.kernels.settling.elements.loops_cpu` states how kernels are compiled and what they promise.
"""

import numpy as np

from contrastive_core.kernels.settling.elements.codes import FREE
from contrastive_core.kernels.settling.elements.loops_cpu import (
    Array,
    Number,
    aligned,
    bare,
    copy,
    ended,
    fill,
    gather,
    last_layers,
    move_units,
    njit,
    press,
    rows_of,
    settle_row,
)
from contrastive_core.kernels.settling.elements.simd_cpu import fetch


@njit
def settle_pair(
    first: int, last: int, drive: Array, parameters: tuple[Array, Array, Array], pull: Array, labels: Array, results: tuple[Array, ...],
    numbers: tuple[Number, ...], phase: int, output_first: bool, schedule: tuple[Array, Array, Array], from_rest: bool, displaced: bool,
) -> None:  # fmt: skip
    """Settle samples ``first`` to ``last`` of a network with one hidden layer in P phases, each until it has converged.

    A sample's whole relaxation runs in the first-level cache: its own units and the weights between hidden layer and outputs.
    Displaced phases come after a free one. They are measured from its end, in which no digits are lost, and visit the layers in the
    other order.

    Parameters
    ----------
    first, last : int
        Samples to work on; different ranges may run in different threads.
    drive : array of shape (B, n)
        Clamped input of the hidden layer.
    parameters : tuple of arrays of shape (n,), (n, k) and (k,)
        Bias added to the drive, and weights and bias of the outputs.
    pull : array of shape (B, k)
        PULLED: its linear part at strength 1; SOFTMAX: the targets. Not read if there are labels.
    labels : array of shape (B,) or (0,)
        Classes, whose one-hot targets stand for the pull; empty if the pull is given.
    results : tuple of arrays
        Hidden units of shape (P, B, n) and outputs of shape (P, B, k), which hold the start states; and steps, residual and status of
        shape (P, B). All are overwritten. Displaced phases have no start state, and their results are displacements.
    numbers : tuple of float
        Fields of :class:`contrastive_core.kernels.settling.elements.loops_cpu.LastLayers`.
    phase : int
        FREE, PULLED, SOFTMAX or HELD.
    output_first : bool
        Whether a sweep of the first phase starts at the outputs.
    schedule : tuple of arrays of shape (P,)
        Strength of each phase's nudge, its tolerance (negative for none) and its budget; a budget of 0 keeps the first phase as it is.
    from_rest : bool
        Whether the first phase starts at rest.
    displaced : bool
        Whether the phases after the first are displacements from its end.
    """
    rows, width = rows_of(parameters[1]), parameters[1].shape[0]
    # The units of one sample stay in aligned memory of their own: results are cold, and stores into them would hold up the sweeps.
    scratch = (aligned(width, drive), aligned(width, drive), aligned(width, drive), aligned(width, drive), aligned(width, drive))
    lines = np.zeros((8, len(rows)), drive.dtype)
    _settle_samples(
        first, last, drive, parameters, pull, labels, results, numbers, phase, output_first, schedule, from_rest, displaced, rows, scratch,
        aligned(width, drive), lines,
    )  # fmt: skip


@bare
def _settle_samples(
    first: int, last: int, drive: Array, parameters: tuple[Array, Array, Array], pull: Array, labels: Array, results: tuple[Array, ...],
    numbers: tuple[Number, ...], phase: int, output_first: bool, schedule: tuple[Array, Array, Array], from_rest: bool, displaced: bool,
    rows: Array, scratch: tuple[Array, ...], zeros: Array, lines: Array,
) -> None:  # fmt: skip
    """Settle samples as :func:`settle_pair` says, in memory that it gives: five scratch arrays and zeros of shape (n,), and eight lines."""
    real = drive.dtype.type
    (bias_in, weight, bias), (strengths, tolerances, budgets) = parameters, schedule
    hidden, output, steps, residual, status = results
    layers = last_layers(numbers, rows)
    width, count = weight.shape
    flat = hidden.reshape(-1)
    rest, rest_out = min(max(real(0), layers.low), layers.high), min(max(real(0), layers.low_out), layers.high_out)
    bounded, endless = abs(layers.low) + abs(layers.high) < np.inf, real(np.inf)
    given, base, free, pressed, moved = scratch
    wanted, linear, free_out, pressed_out, moved_out, zeros_out = (
        lines[0, :count], lines[1, :count], lines[2, :count], lines[3, :count], lines[4, :count], lines[5, :count],
    )  # fmt: skip
    sent, sums = lines[6], lines[7]
    for sample in range(first, last):
        for j in range(width):
            given[j] = drive[sample, j] + bias_in[j]
        for k in range(count):
            wanted[k] = real(k == labels[sample]) if labels.shape[0] > 0 else pull[sample, k]
        for number in range(strengths.shape[0]):
            # Asked for now, the memory of the result is in the cache when the phase has settled: 5 % at 256 samples.
            fetch(flat, (number * drive.shape[0] + sample) * width, width)
            later = displaced and number > 0
            if later:
                fill(real(0), moved)
                fill(real(0), moved_out)
                fill(real(0), sums)
                fill(real(0), sent)
                # Sizes of the displacements, by which their changes are measured: an error of 1 moves an output by 1.
                scale_out = layers.stiffness / abs(strengths[number])
                taken, largest = settle_row(
                    pressed, rows, pressed_out, wanted, strengths[number], layers, phase, not output_first, tolerances[number],
                    budgets[number], (free, free_out), (scale_out / layers.feedback, scale_out), moved, moved_out, sums, sent, linear, base,
                    False,
                )  # fmt: skip
            else:
                if from_rest:
                    fill(rest, free)
                else:
                    copy(hidden[number, sample], free)
                if output_first or budgets[number] == 0:
                    gather(rows, free, sums)
                for k in range(count):
                    free_out[k] = rest_out if from_rest else output[number, sample, k]
                    sent[k] = layers.feedback * free_out[k]
                taken, largest = settle_row(
                    given, rows, bias, wanted, strengths[number], layers, FREE if displaced else phase, output_first, tolerances[number],
                    budgets[number], (zeros, zeros_out), (real(1), real(1)), free, free_out, sums, sent, linear, base, displaced,
                )  # fmt: skip
                if displaced:
                    # Without bounds a move is the total input.
                    move_units(given, rows, sent, -endless, endless, layers.finite, zeros, base, pressed)
                    press(base, free, layers.low, layers.high, pressed)
                    for k in range(count):
                        linear[k] = bias[k] + sums[k]
                    press(linear, free_out, layers.low_out, layers.high_out, pressed_out)
                    if budgets[number] == 0:
                        continue
            units, outputs = (moved, moved_out) if later else (free, free_out)
            copy(units, hidden[number, sample])
            copy(outputs, output[number, sample])
            steps[number, sample], residual[number, sample] = taken, largest
            # Between finite bounds a unit can only be NaN, and then its change is: the hidden units need no look.
            status[number, sample] = ended(largest, tolerances[number], outputs if bounded else units, outputs)
