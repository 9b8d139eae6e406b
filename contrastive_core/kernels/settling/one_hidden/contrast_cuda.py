"""Numba CUDA kernel of the contrast of two states: the mirror of :mod:`contrastive_core.kernels.settling.one_hidden.contrast_cpu`.

A thread adds up all samples of one hidden unit in their order, so that results depend neither on the number of threads nor on their
timing. Run in the simulator and compiled, but not run on a device. This module does not import torch.
"""

# numba.cuda has no types: its decorators and what they compile are opaque to mypy.
# mypy: disable-error-code="untyped-decorator, no-untyped-call, attr-defined, no-any-return"

from __future__ import annotations

import math

from numba import cuda

from contrastive_core.kernels.settling.elements import formulas
from contrastive_core.kernels.settling.elements.codes import DIVERGED
from contrastive_core.kernels.settling.elements.formulas import Array, Number

_contrasted = cuda.jit(device=True)(formulas.contrasted)


@cuda.jit
def contrast_pair(
    drive: Array, labels: Array, status: Array, plus: Array, minus: Array, plus_out: Array, minus_out: Array,
    scale: Number, scale_out: Number, change: Array, bias: Array, weight_out: Array, bias_out: Array, wrong: Array,
) -> None:  # fmt: skip
    """Contrast two states, in one pass over them, and note whether anything is wrong with them.

    Launched with any number of blocks of any number of threads, which share out the hidden units, outputs and samples.

    Parameters
    ----------
    drive, labels, status, plus, minus, plus_out, minus_out, scale, scale_out, change, bias, weight_out, bias_out
        Same as in :func:`contrastive_core.kernels.settling.one_hidden.contrast_cpu.contrast_pair`.
    wrong : array of shape (1,)
        0 before; 1 afterwards if a sample diverged, an input is infinite or a label has no output.
    """
    first, stride = cuda.grid(1), cuda.gridsize(1)
    num_samples, width = plus.shape
    count = bias_out.shape[0]
    for sample in range(first, num_samples, stride):
        if not (0 <= labels[sample] < count and math.isfinite(drive[sample, 0])):
            wrong[0] = 1  # all who write, write this
        for number in range(status.shape[0]):
            if status[number, sample] == DIVERGED:
                wrong[0] = 1
    # A thread owns its unit's sums: no two threads write to one place, and the order of the samples is fixed.
    for j in range(first, width, stride):
        for k in range(count):
            weight_out[j, k] = 0
        total = bias.dtype.type(0)
        for sample in range(num_samples):
            above, below = plus[sample, j], minus[sample, j]
            for k in range(count):
                base, step = scale_out * minus_out[sample, k], scale_out * (plus_out[sample, k] - minus_out[sample, k])
                weight_out[j, k] += _contrasted(above, below, step, base)
            change[sample, j] = scale * (above - below)
            total += change[sample, j]
        bias[j] = total
    for k in range(first, count, stride):
        total = bias.dtype.type(0)
        for sample in range(num_samples):
            total += scale_out * (plus_out[sample, k] - minus_out[sample, k])
        bias_out[k] = total
