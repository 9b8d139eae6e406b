"""Numba kernel of the contrast of two states of a network with one hidden layer."""

from typing import Any

import numpy as np

from contrastive_core.kernels.settling.elements import formulas
from contrastive_core.kernels.settling.elements.codes import DIVERGED
from contrastive_core.kernels.settling.elements.llvm_cpu import VECTOR_BYTES
from contrastive_core.kernels.settling.elements.loops_cpu import Array, Number, njit
from contrastive_core.kernels.settling.elements.simd_cpu import CHUNK, GROUP, PADDED, add_contrasts
from contrastive_core.kernels.settling.one_hidden.kernel_cpu import settle_pair

_contrasted = njit(formulas.contrasted)


@njit
def settle_and_contrast(
    left: int, settled: tuple[Any, ...], sides: tuple[int, ...], factors: tuple[Number, ...], change: Array, bias: Array,
    weight_out: Array, bias_out: Array,
) -> bool:  # fmt: skip
    """Settle samples and contrast two of their displacements from a free state, and return whether all is well with them.

    It is if no sample diverged, no input is infinite and every label has its output. Samples are added up in their order, whatever the
    number of threads that settled them.

    Parameters
    ----------
    left : int
        Samples that are to be settled: all, or none if that was done.
    settled : tuple
        Arguments of :func:`contrastive_core.kernels.settling.one_hidden.kernel_cpu.settle_pair` after the range of samples, with labels.
    sides : tuple of int
        Phases on the positive and the negative side; 0 where the free state is the side.
    factors : tuple of float
        Factor of the mean contrast of each layer.
    change : array of shape (B, n)
        Overwritten with the scaled difference of the hidden units.
    bias, weight_out, bias_out : arrays of shape (n,), (n, k) and (k,)
        Overwritten with the scaled contrasts, summed over the samples.
    """
    if left > 0:
        settle_pair(0, left, *settled)
    drive, labels, (hidden, output, _, _, status) = settled[0], settled[3], settled[4]
    # No displacement: one row of zeros stands for all samples.
    none, none_out = np.zeros((1, hidden.shape[2]), drive.dtype), np.zeros((1, output.shape[2]), drive.dtype)
    plus, plus_out = (hidden[sides[0]], output[sides[0]]) if sides[0] > 0 else (none, none_out)
    minus, minus_out = (hidden[sides[1]], output[sides[1]]) if sides[1] > 0 else (none, none_out)
    free, free_out = hidden[0], output[0]
    real = drive.dtype.type
    width, count = weight_out.shape
    samples = drive.shape[0]
    scale, scale_out = real(factors[0] / samples), real(factors[1] / samples)
    for sample in range(samples):
        if not (0 <= labels[sample] < count and np.isfinite(drive[sample, 0])):
            return False
        for number in range(status.shape[0]):
            if status[number, sample] == DIVERGED:
                return False
    # Weights are added up along the hidden units, as vectors need them, and transposed at the end.
    bias[:], bias_out[:] = 0, 0
    weights, steps, bases = np.zeros((max(count, GROUP), width), real), np.zeros((CHUNK, PADDED), real), np.zeros((CHUNK, PADDED), real)
    fits = count <= GROUP and width % (VECTOR_BYTES // drive.itemsize) == 0
    flat, flat_plus, flat_minus, flat_change = free.reshape(-1), plus.reshape(-1), minus.reshape(-1), change.reshape(-1)
    for first in range(0, samples, CHUNK):
        # The last few samples of a batch, and shapes that fill no vectors, take plain loops.
        together = fits and first + CHUNK <= samples
        for row in range(min(CHUNK, samples - first)):
            sample = first + row
            for k in range(count):
                down = minus_out[sample % len(minus_out), k]
                base, step = scale_out * (free_out[sample, k] + down), scale_out * (plus_out[sample % len(plus_out), k] - down)
                bias_out[k] += step
                if together:
                    steps[row, k], bases[row, k] = step, base
                else:
                    _add_contrast(free[sample], plus[sample % len(plus)], minus[sample % len(minus)], step, base, weights[k])
            if not together:
                _add_change(plus[sample % len(plus)], minus[sample % len(minus)], scale, change[sample], bias)
        if together:
            add_contrasts(flat, flat_plus, flat_minus, flat_change, first, width, steps, bases, scale, weights, bias)
    for k in range(count):
        for j in range(width):
            weight_out[j, k] = weights[k, j]
    return True


@njit
def _add_contrast(free: Array, plus: Array, minus: Array, step: Number, base: Number, weights: Array) -> None:
    """Add the contribution of one sample to the contrast of the weights to one output, in place; shapes (n,)."""
    for j in range(plus.shape[0]):
        weights[j] += _contrasted(free[j], plus[j], minus[j], step, base)


@njit
def _add_change(plus: Array, minus: Array, scale: Number, change: Array, bias: Array) -> None:
    """Write the scaled difference of hidden units into ``change`` and add it to ``bias``; shapes (n,)."""
    for j in range(plus.shape[0]):
        change[j] = scale * (plus[j] - minus[j])
        bias[j] += change[j]
