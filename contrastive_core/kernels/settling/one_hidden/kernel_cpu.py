"""Numba kernel of block descent in networks with one hidden layer, for the CPU.

:mod:`contrastive_core.kernels.settling.elements.loops_cpu` states how kernels are compiled and what they promise.
"""

import numpy as np

from contrastive_core.kernels.settling.elements.codes import FREE
from contrastive_core.kernels.settling.elements.loops_cpu import (
    Array,
    Number,
    aligned,
    copy,
    ended,
    fill,
    gather,
    last_layers,
    njit,
    press,
    rows_of,
    settle_row,
    spread,
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
    real = drive.dtype.type
    (bias_in, weight, bias), (strengths, tolerances, budgets) = parameters, schedule
    hidden, output, steps, residual, status = results
    layers, rows = last_layers(numbers, drive), rows_of(weight)
    width, count = weight.shape
    flat = hidden.reshape(-1)
    rest, rest_out = min(max(real(0), layers.low), layers.high), min(max(real(0), layers.low_out), layers.high_out)
    bounded = abs(layers.low) + abs(layers.high) < np.inf
    outputs, sent, sums = np.zeros(count, real), np.zeros(len(rows), real), np.zeros(len(rows), real)
    wanted, linear, base = np.empty(count, real), np.empty(count, real), np.empty(width, real)
    # The units of one sample stay in aligned memory of their own: results are cold, and stores into them would hold up the sweeps.
    given, units = aligned(width, drive), aligned(width, drive)
    zeros, none, pressed, free = (
        (aligned(width, drive), np.zeros(count, real)),
        (real(1), real(1)),
        aligned(width, drive),
        aligned(width, drive),
    )
    pressed_out, free_out = np.empty(count, real), np.empty(count, real)
    for sample in range(first, last):
        for j in range(width):
            given[j] = drive[sample, j] + bias_in[j]
        for k in range(count):
            wanted[k] = real(k == labels[sample]) if labels.shape[0] > 0 else pull[sample, k]
        for number in range(strengths.shape[0]):
            # Asked for now, the memory of the result is in the cache when the phase has settled: 5 % at 256 samples.
            fetch(flat, (number * drive.shape[0] + sample) * width, width)
            if displaced and number > 0:
                fill(real(0), units)
                fill(real(0), sums)
                fill(real(0), outputs)
                fill(real(0), sent)
                # Sizes of the displacements, by which their changes are measured: an error of 1 moves an output by 1.
                scale_out = layers.stiffness / abs(strengths[number])
                taken, largest = settle_row(
                    pressed, rows, pressed_out, wanted, strengths[number], layers, phase, not output_first, tolerances[number],
                    budgets[number], (free, free_out), (scale_out / layers.feedback, scale_out), units, outputs, sums, sent, linear, base,
                )  # fmt: skip
            else:
                if from_rest:
                    fill(rest, units)
                else:
                    copy(hidden[number, sample], units)
                if output_first or budgets[number] == 0:
                    gather(rows, units, sums)
                for k in range(count):
                    outputs[k] = rest_out if from_rest else output[number, sample, k]
                    sent[k] = layers.feedback * outputs[k]
                taken, largest = settle_row(
                    given, rows, bias, wanted, strengths[number], layers, FREE if displaced else phase, output_first, tolerances[number],
                    budgets[number], zeros, none, units, outputs, sums, sent, linear, base,
                )  # fmt: skip
                if displaced:
                    copy(units, free)
                    copy(outputs, free_out)
                    copy(given, base)
                    spread(sent, rows, base)
                    press(base, free, layers.low, layers.high, pressed)
                    for k in range(count):
                        linear[k] = bias[k] + sums[k]
                    press(linear, free_out, layers.low_out, layers.high_out, pressed_out)
                    if budgets[number] == 0:
                        continue
            copy(units, hidden[number, sample])
            copy(outputs, output[number, sample])
            steps[number, sample], residual[number, sample] = taken, largest
            # Between finite bounds a unit can only be NaN, and then its change is: the hidden units need no look.
            status[number, sample] = ended(largest, tolerances[number], outputs if bounded else units, outputs)
