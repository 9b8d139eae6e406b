"""Numba CUDA kernel of block descent in layered networks of any depth: the mirror of ``any_depth/sweeps.py``.

One block of threads settles one sample, its units in shared memory where they fit there; its threads share the units of a layer out,
and where a layer has fewer units than the block has threads, the terms of each unit's sum as well. What BLAS multiplies on the CPU is one
product here, ``_terms``: both directions read weights along the units, which is why the transposed ones are given too.

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


class PackedNetwork(NamedTuple):
    """Parameters and shape of a network as one-dimensional arrays, layer after layer, and tables of where each layer lies in them.

    Attributes
    ----------
    weights, transposed : arrays
        Weights into each layer but the first, of shapes (n below, n), and their transposes.
    biases : array of shape (N,)
        Biases of all layers, N units; the first layer's are not used.
    readout, readout_bias : arrays of shape (n_L n_out,) and (n_out,)
        READOUT: its weights and biases; else not used.
    layout : array of int64 of shape (5, L)
        Rows SIZE, FIRST, WEIGHT, ACTIVATION and ORDER.
    bounds : array of shape (2, L)
        Lower and upper bounds of the layers' units.
    """

    weights: Array
    transposed: Array
    biases: Array
    readout: Array
    readout_bias: Array
    layout: Array
    bounds: Array


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
    stiffness, feedback : float
        Energy scale of the last layer, and ratio of feedback to forward coupling.
    """

    phase: int
    softmax: bool
    curvature: Number
    stiffness: Number
    feedback: Number


respond, nudged = cuda.jit(device=True)(formulas.respond), cuda.jit(device=True)(formulas.nudged)
softmax_scale = cuda.jit(device=True)(formulas.softmax_scale)


@cuda.jit(device=True)
def _terms(values: Array, first: int, count: int, weights: Array, offset: int, width: int, unit: int, part: int, parts: int) -> Number:
    """Return every ``parts``-th term, from ``part`` on, of ``values[first:first + count] @ weights[:, unit]``, summed."""
    total = values.dtype.type(0)
    for i in range(part, count, parts):
        total += values[first + i] * weights[offset + i * width + unit]
    return total


@cuda.jit(device=True)
def _errors(network: PackedNetwork, act: PullScalars, units: Array, wanted: Array, errors: Array, partial: Array) -> None:
    """Write the gradient of a cost that follows the units, with respect to the outputs, into ``errors`` of shape (n_out,)."""
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
                errors[k] = terms + network.readout_bias[k]
    else:  # the outputs are the units themselves
        for k in range(thread, count, threads):
            errors[k] = units[first + k]
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
    drive: Array,
    network: PackedNetwork,
    act: PullScalars,
    pull: Array,
    strength: Number,
    units: Array,
    errors: Array,
    partial: Array,
) -> Number:
    """Set one layer to its minimum, in place, and return the largest change of the thread's own units."""
    thread, threads, layout = cuda.threadIdx.x, cuda.blockDim.x, network.layout
    last = layout.shape[1] - 1
    first, width, activation = layout[FIRST, layer], layout[SIZE, layer], layout[ACTIVATION, layer]
    low, high = network.bounds[0, layer], network.bounds[1, layer]
    pulled = layer == last and act.phase != FREE
    if pulled and act.phase != PULLED:
        _errors(network, act, units, pull, errors, partial)
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
            old = units[first + j]
            value = terms + (network.biases[first + j] if layer > 0 else drive[j])
            if pulled:
                force = _pull(act.phase, j, pull, errors, network.readout)
                value = nudged(value, force, old, strength, act.curvature, act.stiffness, activation)
            value = respond(activation, value, low, high)
            units[first + j] = value
            worst = larger(worst, abs(units[first + j] - old))
    cuda.syncthreads()  # the next layer reads these units
    return worst


@cuda.jit(device=True)
def _settle_row(
    drive: Array, network: PackedNetwork, act: PullScalars, pull: Array, strength: Number, units: Array, errors: Array, partial: Array,
    tolerance: Number, budget: int, backwards: bool, residual: Array, status: Array,
) -> int:  # fmt: skip
    """Settle one sample in place, write its residual and status into arrays of shape (1,), and return its number of sweeps."""
    layout, num_layers = network.layout, network.layout.shape[1]
    worst = units.dtype.type(0)
    step = 0
    while step < budget:
        step += 1
        worst = units.dtype.type(0)
        for position in range(num_layers):
            layer = layout[ORDER, num_layers - 1 - position if backwards else position]
            if act.phase == HELD and layer == num_layers - 1:
                continue
            worst = larger(worst, _move(layer, drive, network, act, pull, strength, units, errors, partial))
        if tolerance >= 0 and stops(worst, tolerance):
            break
    finite = all_finite(units, layout[FIRST, num_layers - 1] + layout[SIZE, num_layers - 1])
    certify(worst, finite, tolerance, partial, residual, status)
    return step


@cuda.jit
def settle_blocks(
    drive: Array, network: PackedNetwork, act: PullScalars, pull: Array, schedule: tuple[Array, Array, Array], units: Array,
    certificates: tuple[Array, Array, Array], from_rest: bool, shared: bool,
) -> None:  # fmt: skip
    """Settle the samples of a layered network of any depth in P phases, each until it has converged.

    Launched with one block per sample, times P or any smaller number of blocks over which the phases are shared out, and dynamic
    shared memory for one number per thread, and for one per unit and output error if ``shared``. From rest, which takes one block
    per sample, the first phase is the free one, and the others start where it ends and visit the layers in the other order.

    Parameters
    ----------
    drive : array of shape (B, n_1)
        Total clamped input of the first layer.
    network : PackedNetwork
        Parameters and shape.
    act : PullScalars
        Scalars.
    pull : array of shape (B, k)
        PULLED: its linear part at strength 1; SOFTMAX, READOUT: the targets; else not used.
    schedule : tuple of arrays of shape (P,)
        Strength of each phase's nudge, its tolerance (negative for none) and its budget.
    units : array of shape (P, B, N + n_out)
        Start states, not read from rest; overwritten with the result. Behind the units is room for the errors of SOFTMAX and READOUT.
    certificates : tuple of arrays of shape (P, B)
        Steps, residual and status; overwritten.
    from_rest : bool
        Whether to put a free phase before the others.
    shared : bool
        Whether there is shared memory for the units.
    """
    sample, thread, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    (strengths, tolerances, budgets), (steps, residual, status) = schedule, certificates
    layout, num_layers = network.layout, network.layout.shape[1]
    num_units = layout[FIRST, num_layers - 1] + layout[SIZE, num_layers - 1]
    memory = cuda.shared.array(0, drive.dtype)
    partial = memory[:threads]
    for number in range(cuda.blockIdx.y, strengths.shape[0], cuda.gridDim.y):
        second = from_rest and number > 0
        result = units[number, sample]
        acting = PullScalars(FREE if from_rest and not second else act.phase, act.softmax, act.curvature, act.stiffness, act.feedback)
        row = memory[threads : threads + units.shape[2]] if shared else result
        if from_rest and not second:
            for layer in range(num_layers):
                rest = respond(layout[ACTIVATION, layer], drive.dtype.type(0), network.bounds[0, layer], network.bounds[1, layer])
                for j in range(thread, layout[SIZE, layer], threads):
                    row[layout[FIRST, layer] + j] = rest
        else:
            for j in range(thread, num_units, threads):
                row[j] = units[0 if second else number, sample, j]
        cuda.syncthreads()  # all units must be there before the first sum
        taken = _settle_row(
            drive[sample], network, acting, pull[sample], strengths[number],
            row, row[num_units:], partial, tolerances[number], budgets[number], second,
            residual[number, sample : sample + 1], status[number, sample : sample + 1],
        )  # fmt: skip
        if thread == 0:
            steps[number, sample] = taken
        for j in range(thread, num_units, threads):
            result[j] = row[j]
        cuda.syncthreads()  # before the next phase overwrites the shared row
