"""Numba CUDA kernel of block descent in layered networks of any depth: the mirror of ``any_depth/sweeps.py``.

One block of threads settles one sample, its units in shared memory where they fit there; its threads share the units of a layer out,
and where a layer has fewer units than the block has threads, the terms of each unit's sum as well. What BLAS multiplies on the CPU is one
product here, ``_terms``: both directions read weights along the units, which is why the transposed ones are given too.

Units are measured from an origin. From 0 they are a state. From a free state they are displacements, which obey the same couplings.

Without a device the kernel runs in numba's CUDA simulator (``NUMBA_ENABLE_CUDASIM=1``), which is how it is tested; it has compiled for
devices but not run on one, and no timing of it is claimed.
"""

# numba.cuda has no types: its decorators and what they compile are opaque to mypy.
# mypy: disable-error-code="untyped-decorator, no-untyped-call, attr-defined, no-any-return"

from __future__ import annotations

import math
from typing import NamedTuple

from numba import cuda

from contrastive_core.kernels.settling.elements import formulas
from contrastive_core.kernels.settling.elements.block_cuda import all_finite, certify, larger, stops, total
from contrastive_core.kernels.settling.elements.codes import FREE, HELD, PULLED, READOUT, SOFTMAX
from contrastive_core.kernels.settling.elements.formulas import Array, Number

SIZE, FIRST, WEIGHT, ACTIVATION, ORDER = 0, 1, 2, 3, 4
"""Rows of a layout: units of each layer, the first of them, the first weight into it, its activation; and the order of the moves."""

LOW, HIGH, STIFFNESS = 0, 1, 2
"""Rows of scalars: lower and upper bound of each layer's units, and its energy scale."""


class PackedNetwork(NamedTuple):
    """Parameters and shape of a network as one-dimensional arrays, layer after layer, and tables of where each layer lies in them.

    Attributes
    ----------
    weights, transposed : arrays
        Weights into each layer but the first, of shapes (n below, n), and their transposes.
    readout : array of shape (n_L n_out,)
        READOUT: its weights; else not used.
    layout : array of int64 of shape (5, L)
        Rows SIZE, FIRST, WEIGHT, ACTIVATION and ORDER.
    scalars : array of shape (3, L)
        Rows LOW, HIGH and STIFFNESS.
    """

    weights: Array
    transposed: Array
    readout: Array
    layout: Array
    scalars: Array


class PackedFrame(NamedTuple):
    """Origin from which the units of each sample are measured, and their constant inputs.

    Attributes
    ----------
    base : array of shape (B, N)
        Constant inputs of all N units: the drive of the first layer and the biases of the others or, for displacements, what presses
        units on the bounds where they rest.
    origin : array of shape (B, N) or (1, N)
        Values from which the units are measured: the free state, or one row of zeros for all samples.
    outputs : array of shape (B, n_out) or (1, n_out)
        Outputs of these values.
    """

    base: Array
    origin: Array
    outputs: Array


class PullScalars(NamedTuple):
    """Scalars of what acts on the last layer, and of the couplings.

    Attributes
    ----------
    phase : int
        FREE, PULLED, SOFTMAX, HELD or READOUT.
    softmax : bool
        Whether the errors are those of a cross-entropy.
    curvature : float
        Stiffness that a nudge of strength 1 adds.
    feedback : float
        Ratio of feedback to forward coupling.
    displaced : bool
        Whether units are displacements from a free state, and not states.
    """

    phase: int
    softmax: bool
    curvature: Number
    feedback: Number
    displaced: bool


respond, nudged, displaced = (
    cuda.jit(device=True)(formulas.respond),
    cuda.jit(device=True)(formulas.nudged),
    cuda.jit(device=True)(formulas.displaced),
)
softmax_scale = cuda.jit(device=True)(formulas.softmax_scale)


@cuda.jit(device=True)
def _terms(values: Array, first: int, count: int, weights: Array, offset: int, width: int, unit: int, part: int, parts: int) -> Number:
    """Return every ``parts``-th term, from ``part`` on, of ``values[first:first + count] @ weights[:, unit]``, summed."""
    total = values.dtype.type(0)
    for i in range(part, count, parts):
        total += values[first + i] * weights[offset + i * width + unit]
    return total


@cuda.jit(device=True)
def _errors(
    network: PackedNetwork, act: PullScalars, origin: Array, units: Array, wanted: Array, errors: Array, partial: Array
) -> None:  # fmt: skip
    """Write the gradient of a cost that follows the units, with respect to the outputs, into ``errors`` of shape (n_out,).

    The outputs are linear in the units: they are those of the ``origin``, of shape (n_out,), and what the units add.
    """
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
    layout, last, count = network.layout, network.layout.shape[1] - 1, errors.shape[0]
    first, width = layout[FIRST, last], layout[SIZE, last]
    if act.phase == READOUT:
        chunk = min(count, threads)
        parts, part = threads // chunk, thread // chunk
        for start in range(0, count, chunk):
            k = start + thread % chunk
            terms = units.dtype.type(0)
            if part < parts and k < count:
                terms = _terms(units, first, width, network.readout, 0, count, k, part, parts)
            terms = total(terms, partial, chunk, parts)
            if part == 0 and k < count:
                errors[k] = origin[k] + terms
    else:  # the outputs are the units themselves
        for k in range(thread, count, threads):
            errors[k] = origin[k] + units[first + k]
    cuda.syncthreads()
    largest, scale = errors.dtype.type(0), errors.dtype.type(0)
    if act.softmax:
        largest, scale = softmax_scale(errors)
    cuda.syncthreads()  # everyone has read all outputs before the first is overwritten
    for k in range(thread, count, threads):
        output = math.exp(errors[k] - largest) / scale if act.softmax else errors[k]
        errors[k] = output - wanted[k]
    cuda.syncthreads()


@cuda.jit(device=True)
def _pull(phase: int, j: int, pull: Array, errors: Array, readout: Array) -> Number:
    """Return the linear part of the pull of strength 1 on unit ``j`` of the last layer."""
    if phase == PULLED:
        return pull[j]
    if phase == SOFTMAX:
        return -errors[j]
    count, total = errors.shape[0], errors.dtype.type(0)
    for k in range(count):
        total -= readout[j * count + k] * errors[k]
    return total


@cuda.jit(device=True)
def _move(
    layer: int,
    base: Array,
    origin: Array,
    outputs: Array,
    network: PackedNetwork,
    act: PullScalars,
    pull: Array,
    strength: Number,
    units: Array,
    errors: Array,
    partial: Array,
) -> Number:
    """Set one layer to its minimum, in place, and return the largest change of the thread's own units, in units of the layer's size."""
    thread, threads, layout = cuda.threadIdx.x, cuda.blockDim.x, network.layout
    last = layout.shape[1] - 1
    first, width, activation = layout[FIRST, layer], layout[SIZE, layer], layout[ACTIVATION, layer]
    low, high, stiffness = network.scalars[LOW, layer], network.scalars[HIGH, layer], network.scalars[STIFFNESS, layer]
    scale = units.dtype.type(1)
    if act.displaced:  # an error of 1 moves an output by 1 in these units, whatever the strength
        scale = stiffness / abs(strength)
    pulled = layer == last and act.phase != FREE
    if pulled and act.phase != PULLED:
        _errors(network, act, outputs, units, pull, errors, partial)
    # Where a layer has fewer units than the block has threads, several threads share the terms of one unit's sum.
    chunk = min(width, threads)
    parts, part = threads // chunk, thread // chunk
    worst = units.dtype.type(0)
    for start in range(0, width, chunk):
        j = start + thread % chunk
        terms = units.dtype.type(0)
        if part < parts and j < width:
            if layer < last:
                above, count = layout[FIRST, layer + 1], layout[SIZE, layer + 1]
                sent = _terms(units, above, count, network.transposed, layout[WEIGHT, layer + 1], width, j, part, parts)
                terms = act.feedback * sent
            if layer > 0:
                below, count = layout[FIRST, layer - 1], layout[SIZE, layer - 1]
                terms += _terms(units, below, count, network.weights, layout[WEIGHT, layer], width, j, part, parts)
        terms = total(terms, partial, chunk, parts)
        if part == 0 and j < width:
            old, zero = units[first + j], origin[first + j]
            value = terms + base[first + j]
            if pulled:
                force = _pull(act.phase, j, pull, errors, network.readout) - act.curvature * zero
                value = nudged(value, force, old, strength, act.curvature, stiffness, activation)
            if act.displaced and activation != formulas.CLIPPED:
                value = displaced(activation, value, zero)
            else:
                value = respond(activation, value, low - zero, high - zero)
            units[first + j] = value
            worst = larger(worst, scale * abs(units[first + j] - old))
    cuda.syncthreads()  # the next layer reads these units
    return worst


@cuda.jit(device=True)
def _settle_row(
    base: Array, origin: Array, outputs: Array, network: PackedNetwork, act: PullScalars, pull: Array, strength: Number, units: Array,
    errors: Array, partial: Array, tolerance: Number, budget: int, residual: Array, status: Array,
) -> int:  # fmt: skip
    """Settle one sample in place, write its residual and status into arrays of shape (1,), and return its number of sweeps."""
    layout, num_layers = network.layout, network.layout.shape[1]
    worst = units.dtype.type(0)
    step = 0
    while step < budget:
        step += 1
        worst = units.dtype.type(0)
        for position in range(num_layers):
            layer = layout[ORDER, position]
            if act.phase == HELD and layer == num_layers - 1:
                continue
            change = _move(layer, base, origin, outputs, network, act, pull, strength, units, errors, partial)
            worst = larger(worst, change)
        if tolerance >= 0 and stops(worst, tolerance):
            break
    finite = all_finite(units, layout[FIRST, num_layers - 1] + layout[SIZE, num_layers - 1])
    certify(worst, finite, tolerance, partial, residual, status)
    return step


@cuda.jit
def settle_blocks(
    frame: PackedFrame, network: PackedNetwork, act: PullScalars, pull: Array, schedule: tuple[Array, Array, Array], units: Array,
    certificates: tuple[Array, Array, Array], shared: bool,
) -> None:  # fmt: skip
    """Settle the samples of a layered network of any depth in P phases, each until it has converged.

    Launched with one block per sample and phase, and dynamic shared memory for one number per thread, and for one per unit and output
    error if ``shared``.

    Parameters
    ----------
    frame : PackedFrame
        Origin of the units of each sample, and their constant inputs.
    network : PackedNetwork
        Parameters and shape.
    act : PullScalars
        Scalars.
    pull : array of shape (B, k)
        PULLED: its linear part at strength 1; SOFTMAX, READOUT: the targets; else not used.
    schedule : tuple of arrays of shape (P,)
        Strength of each phase's nudge, its tolerance (negative for none) and its budget.
    units : array of shape (P, B, N + n_out)
        Starts; overwritten with the result. Behind the units is room for the errors of SOFTMAX and READOUT.
    certificates : tuple of arrays of shape (P, B)
        Steps, residual and status; overwritten.
    shared : bool
        Whether there is shared memory for the units.
    """
    sample, number, thread, threads = cuda.blockIdx.x, cuda.blockIdx.y, cuda.threadIdx.x, cuda.blockDim.x
    (strengths, tolerances, budgets), (steps, residual, status) = schedule, certificates
    num_units = frame.base.shape[1]
    memory = cuda.shared.array(0, units.dtype)
    partial = memory[:threads]
    result = units[number, sample]
    row = memory[threads : threads + units.shape[2]] if shared else result
    for j in range(thread, num_units, threads):
        row[j] = result[j]
    cuda.syncthreads()  # all units must be there before the first sum
    at = sample % frame.origin.shape[0]  # one row serves all samples of a state
    taken = _settle_row(
        frame.base[sample], frame.origin[at], frame.outputs[at], network, act, pull[sample], strengths[number],
        row, row[num_units:], partial, tolerances[number], budgets[number],
        residual[number, sample : sample + 1], status[number, sample : sample + 1],
    )  # fmt: skip
    if thread == 0:
        steps[number, sample] = taken
    for j in range(thread, num_units, threads):
        result[j] = row[j]
