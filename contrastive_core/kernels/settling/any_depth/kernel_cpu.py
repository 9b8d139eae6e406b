"""Numba kernels on the packed rows of one layer, for networks that are swept layer by layer.

As in :mod:`contrastive_core.kernels.settling.one_hidden.kernel_cpu`, rows are independent of each other.
"""

from contrastive_core.kernels.settling.elements.codes import DIVERGED
from contrastive_core.kernels.settling.elements.loops_cpu import Array, Number, all_finite, njit


@njit
def move(drive: Array, low: Number, high: Number, layer: Array, bits: Array) -> Number:
    """Set ``layer`` to the clipped ``drive``, and ``drive`` to the absolute changes; return the bits of the largest one.

    ``bits`` is ``drive`` seen as integers: non-negative floats are ordered as their bits are, with NaN above infinity, so that an
    integer maximum is exact, keeps NaN and is vectorised. One array serves twice because the compiler, which has to allow for
    overlap of the arrays it is given, vectorises only where there is none.
    """
    for j in range(layer.shape[0]):
        value = drive[j]
        value = low if value < low else value  # comparisons that NaN fails, unlike min and max
        value = high if value > high else value
        drive[j] = abs(value - layer[j])
        layer[j] = value
    largest = bits[0]
    for j in range(1, layer.shape[0]):
        largest = max(largest, bits[j])
    return largest


@njit
def move_rows(drive: Array, low: Number, high: Number, layer: Array, residual: Array, change: Array, integers: Array) -> None:
    """Set each row of ``layer`` to the clipped drive, in place, and raise each row's ``residual`` to its largest change.

    Parameters
    ----------
    drive, layer : arrays of shape (m, n)
        Where the units go, and where they are; ``layer`` is overwritten.
    low, high : float
        Bounds of the units.
    residual : array of shape (m,)
        Overwritten with the larger of itself and the row's largest change; NaN stays and is taken over.
    change : array of shape (n,) or longer
        Scratch.
    integers : array
        Empty, of the integer type as wide as the floats.
    """
    real = layer.dtype.type
    low, high = real(low), real(high)
    bits, residual_bits = change.view(integers.dtype), residual.view(integers.dtype)
    for row in range(layer.shape[0]):
        for j in range(layer.shape[1]):
            change[j] = drive[row, j]
        largest = move(change[: layer.shape[1]], low, high, layer[row], bits)
        residual_bits[row] = max(residual_bits[row], largest)


@njit
def check_rows(layer: Array, status: Array) -> None:
    """Set the status to DIVERGED where a row is not finite, in place.

    Parameters
    ----------
    layer : array of shape (m, n)
        The units.
    status : array of shape (m,)
        Left alone where the row is finite.
    """
    for row in range(layer.shape[0]):
        if not all_finite(layer[row]):
            status[row] = DIVERGED
