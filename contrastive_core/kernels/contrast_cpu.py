"""Numba kernel of the contrast of two states of a network with one hidden layer."""

import numpy as np

from contrastive_core.kernels.layered_cpu import DIVERGED, Array, Number, njit


@njit
def contrast_pair(
    drive: Array, labels: Array, status: Array, plus: Array, minus: Array, plus_out: Array, minus_out: Array,
    scale: Number, scale_out: Number, change: Array, bias: Array, weight_out: Array, bias_out: Array,
) -> bool:  # fmt: skip
    """Contrast two states, in one pass over them; say whether all is well with them.

    Samples are added up in their order, whatever the number of threads that settled them.

    Parameters
    ----------
    drive : array of shape (B, n)
        Total clamped input of the hidden layer. An input that is not finite makes all of its row so.
    labels : array of shape (B,)
        Classes.
    status : array of shape (P, B)
        Of every phase.
    plus, minus : arrays of shape (B, n)
        Hidden units.
    plus_out, minus_out : arrays of shape (B, k)
        Outputs.
    scale, scale_out : float
        Factor of each layer's contrast.
    change : array of shape (B, n)
        Overwritten with the scaled difference of the hidden units.
    bias, weight_out, bias_out : arrays of shape (n,), (n, k) and (k,)
        Overwritten with the scaled contrasts, summed over the samples.

    Returns
    -------
    bool
        Whether no sample diverged, no input is infinite and every label has its output.
    """
    real = drive.dtype.type
    scale, scale_out = real(scale), real(scale_out)
    width, count = weight_out.shape
    weights = np.zeros((count, width), drive.dtype)
    bias[:], bias_out[:] = 0, 0
    for sample in range(drive.shape[0]):
        if not (0 <= labels[sample] < count and np.isfinite(drive[sample, 0])):
            return False
        for number in range(status.shape[0]):
            if status[number, sample] == DIVERGED:
                return False
        above, below, moved = plus[sample], minus[sample], change[sample]
        for j in range(width):
            moved[j] = above[j] - below[j]
        for k in range(count):
            base, step = scale_out * minus_out[sample, k], scale_out * (plus_out[sample, k] - minus_out[sample, k])
            row = weights[k]
            for j in range(width):
                row[j] += step * above[j] + base * moved[j]
            bias_out[k] += step
        for j in range(width):
            moved[j] *= scale
            bias[j] += moved[j]
    for j in range(width):
        for k in range(count):
            weight_out[j, k] = weights[k, j]
    return True
