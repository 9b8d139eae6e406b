"""The formulas of spins side by side in lanes, in plain Python: the CPU and the CUDA backend compile these functions.

Everything is float32, and what has to be told apart is whole numbers, so that sums in any order are equal.
"""

import numpy as np

Number = np.float32
"""Or whatever scalar a compiler makes of it."""

_LOG2_E = np.float32(1.4426950408889634)
LN2_HIGH = np.float32(0.693359375)
LN2_LOW = np.float32(-2.12194440e-4)
_LIMIT = np.float32(80.0)  # exp(80) = 5.5e34 is finite in float32; chances this small are not resolved anyway


def clipped(x: Number) -> Number:
    """Return the argument of an exponential clipped to [-80, 80]."""
    return min(max(x, -_LIMIT), _LIMIT)


def binary_exponent(x: Number) -> Number:
    """Return the number whose floor is k in exp(x) = m 2^k; backends have their own ways to round down."""
    return x * _LOG2_E + np.float32(0.5)


def mantissa(x: Number, whole: Number) -> Number:
    """Return m in exp(x) = m 2^k to 2e-7 relative; a polynomial, so that loops of it vectorise."""
    x = x - whole * LN2_HIGH - whole * LN2_LOW  # in [-ln2/2, ln2/2]; ln 2 in two parts keeps its digits
    # Taylor to degree 6: the next term is (0.347)^7/7! = 1.2e-7.
    p = np.float32(1 / 720)
    p = p * x + np.float32(1 / 120)
    p = p * x + np.float32(1 / 24)
    p = p * x + np.float32(1 / 6)
    p = p * x + np.float32(0.5)
    p = p * x + np.float32(1.0)
    return p * x + np.float32(1.0)


def heat_bath(uniform: Number, weight: Number, spin: Number) -> Number:
    """Return the change of a spin under the heat bath: it turns up where u (1 + w) < 1, with w = exp(-x) and x twice its field over T."""
    up = uniform * (np.float32(1) + weight) < np.float32(1)
    return (np.float32(1) if up else np.float32(-1)) - spin


def metropolis(uniform: Number, weight: Number, spin: Number) -> Number:
    """Return the change of a spin under Metropolis' rule: it flips where u < w, with w = exp(-x s)."""
    return np.float32(-2) * spin if uniform < weight else np.float32(0)


def descent(field: Number, spin: Number) -> Number:
    """Return the change of a spin at T = 0: it flips where it is against its field."""
    return np.float32(-2) * spin if field * spin < np.float32(0) else np.float32(0)
