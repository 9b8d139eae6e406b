"""Numba CUDA kernels around convolutions: maxima of windows with their places and a bias, and the way back through them.

The products are cuDNN's. What remains is bound by memory: each kernel reads its input once and writes its output once, where torch takes
a pass for the maximum, one for the bias, and two for the way back. Channels lie side by side, so that neighbouring threads do, too.

Without a device the kernels run in numba's CUDA simulator; they have compiled for devices but not run on one.
"""

# numba.cuda has no types: its decorators and what they compile are opaque to mypy.
# mypy: disable-error-code="untyped-decorator, no-untyped-call, attr-defined"

from __future__ import annotations

from numba import cuda

from contrastive_core.kernels.settling.elements.formulas import Array


@cuda.jit
def pooled(response: Array, bias: Array, size: int, layer: Array, route: Array) -> None:
    """Write the largest entry of each window plus the bias of its channel, and where it was.

    Parameters
    ----------
    response : array of shape (B, H, W, C)
        Responses.
    bias : array of shape (C,)
        Bias of each channel.
    size : int
        Width of a window; rows and columns left over are not read.
    layer : array of shape (B, H // size, W // size, C)
        Written: pooled drives.
    route : array of int64, shaped as ``layer``
        Written: place of the largest entry, counted along the rows of the picture; of equal ones, the first.
    """
    number = cuda.grid(1)
    batch, high, wide, channels = layer.shape
    if number >= batch * high * wide * channels:
        return
    c = number % channels
    x = number // channels % wide
    y = number // (channels * wide) % high
    b = number // (channels * wide * high)
    columns = response.shape[2]
    place = y * size * columns + x * size
    best = response[b, y * size, x * size, c]
    for entry in range(1, size * size):
        row, column = y * size + entry // size, x * size + entry % size
        value = response[b, row, column, c]
        # NaN is kept, as torch keeps it: a diverged sample must not look finite.
        if value > best or value != value:
            best, place = value, row * columns + column
    layer[b, y, x, c] = best + bias[c]
    route[b, y, x, c] = place


@cuda.jit
def unpooled(above: Array, route: Array, size: int, pressed: Array) -> None:
    """Write each unit to the place of its largest entry, and 0 everywhere else.

    Parameters
    ----------
    above : array of shape (B, H // size, W // size, C)
        Units above.
    route : array of int64, shaped as ``above``
        Places that :func:`pooled` found.
    size : int
        Width of a window.
    pressed : array of shape (B, H, W, C)
        Written: what presses on each entry of the response.
    """
    number = cuda.grid(1)
    batch, rows, columns, channels = pressed.shape
    if number >= batch * rows * columns * channels:
        return
    c = number % channels
    x = number // channels % columns
    y = number // (channels * columns) % rows
    b = number // (channels * columns * rows)
    high, wide = y // size, x // size
    # One thread per entry writes once; one per window would first have to clear the rows left over.
    if high < above.shape[1] and wide < above.shape[2] and route[b, high, wide, c] == y * columns + x:
        pressed[b, y, x, c] = above[b, high, wide, c]
    else:
        pressed[b, y, x, c] = 0
