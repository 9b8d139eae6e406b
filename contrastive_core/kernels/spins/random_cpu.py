"""Random words and the exponential, compiled so that loops over them fill the vector unit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from contrastive_core.kernels.caching import compiler, wide
from contrastive_core.kernels.spins import counter_random, lane_formulas

F = TypeVar("F", bound=Callable[..., Any])
Array = NDArray[Any]
"""Array whose dtype and shape a docstring states; numba infers both."""
Number = Any
"""A NumPy scalar."""

# No nnan and ninf: a field that is not finite must not become a spin silently.
FAST = {"reassoc", "contract", "arcp", "nsz"}
_options = partial(compiler, nogil=True, error_model="numpy", fastmath=FAST)
compiled: Callable[[F], F] = _options()
bare: Callable[[F], F] = _options(_nrt=False)
"""For kernels that allocate nothing: numba does not count who uses an array, which can cost more than a short loop."""
inlined: Callable[[F], F] = cast("Callable[[F], F]", numba.njit(inline="always"))
threaded: Callable[[F], F] = _options(parallel=True)

philox = inlined(counter_random.philox)
clipped = inlined(lane_formulas.clipped)
binary_exponent = inlined(lane_formulas.binary_exponent)
mantissa = inlined(lane_formulas.mantissa)

_QUARTER = np.int64(counter_random.GROUP // 4)
_SHIFT = np.uint32(9)
_UNIT = np.float32(2.0**-23)
_MIDDLE = np.float32(0.5)


@inlined
def logarithm(x: Number) -> Number:
    """Return ln(x) of a positive normal float32, to 2e-7; the polynomial of Cephes' logf, so that loops of it vectorise."""
    bits = np.float32(x).view(np.int32)
    power = np.float32((bits >> np.int32(23)) - np.int32(126))
    m = np.int32((bits & np.int32(0x7FFFFF)) | np.int32(0x3F000000)).view(np.float32)  # in [1/2, 1)
    low = m < np.float32(0.70710678)  # the polynomial is centred on 1: halve the interval that it has to cover
    power = power - np.float32(1) if low else power
    m = m + m - np.float32(1) if low else m - np.float32(1)  # in [sqrt(1/2) - 1, sqrt(2) - 1]
    z = m * m
    p = np.float32(7.0376836292e-2)
    p = p * m + np.float32(-1.1514610310e-1)
    p = p * m + np.float32(1.1676998740e-1)
    p = p * m + np.float32(-1.2420140846e-1)
    p = p * m + np.float32(1.4249322787e-1)
    p = p * m + np.float32(-1.6668057665e-1)
    p = p * m + np.float32(2.0000714765e-1)
    p = p * m + np.float32(-2.4999993993e-1)
    p = p * m + np.float32(3.3333331174e-1)
    # The small part of ln 2 goes with the small terms and the large part last, so that its digits are kept.
    y = m * z * p + power * lane_formulas.LN2_LOW - np.float32(0.5) * z
    return m + y + power * lane_formulas.LN2_HIGH


@inlined
def exponential(x: Number) -> Number:
    """Return exp(x) of a float32, to 2e-7 relative, with x clipped to [-80, 80], so that loops of it vectorise."""
    x = clipped(x)
    whole = np.floor(binary_exponent(x))
    # 2^k by writing k into the bits of the exponent; the clipping keeps it in range.
    return mantissa(x, whole) * np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)


@bare
def fill_words(k0: Number, k1: Number, chain: Number, step: Number, stream: Number, first: Number, out: Array) -> None:
    """Write the random words of sites ``first`` and on, in place; ``first`` and the length are multiples of the group.

    The key and the numbers of 64 bits are those of :func:`contrastive_core.kernels.spins.counter_random.words`.
    """
    wide()
    for group in range(len(out) // counter_random.GROUP):
        counter = np.uint64((first // counter_random.GROUP + group) * _QUARTER)
        block = out[group * counter_random.GROUP : (group + 1) * counter_random.GROUP]
        for lane in range(_QUARTER):
            a, b, c, d = philox(counter + np.uint64(lane), step, chain, stream, k0, k1)
            block[lane], block[lane + 16], block[lane + 32], block[lane + 48] = np.uint32(a), np.uint32(b), np.uint32(c), np.uint32(d)


@inlined
def unit(word: Number) -> Number:
    """Return the uniform number in (0, 1) of a uint32 word, as :func:`contrastive_core.kernels.spins.counter_random.uniform` does."""
    # uint32 shifts promote to 64 bits in numba; the int32 cast is what converts in vector registers.
    return (np.float32(np.int32(word >> _SHIFT)) + _MIDDLE) * _UNIT
