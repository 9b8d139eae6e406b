"""The scalar formulas of settling, in plain Python: each backend compiles these functions, so that there is one of each.

They call nothing but ``math`` and each other's results, and take scalars or one-dimensional arrays of any float type.
"""

import math
from typing import Any

Array = Any
"""An array, of the type of whatever backend compiles."""

Number = Any
"""A scalar of whatever type the compiler finds."""

CLIPPED, TANH, LOGISTIC = 0, 1, 2
"""The activations that kernels know."""


def respond(activation: int, drive: Number, low: Number, high: Number) -> Number:
    """Return the response of a unit to its total input; the bounds are those of CLIPPED. NaN stays NaN.

    Parameters
    ----------
    activation : int
        CLIPPED, TANH or LOGISTIC.
    drive : float
        Total input.
    low, high : float
        Bounds, infinite for none.
    """
    if activation == TANH:
        return math.tanh(drive)
    if activation == LOGISTIC:
        tail = math.exp(-abs(drive))  # of the larger side, so that nothing overflows
        return (1 if drive >= 0 else tail) / (1 + tail)
    drive = low if drive < low else drive  # comparisons that NaN fails, unlike min and max
    return high if drive > high else drive


def displaced(activation: int, drive: Number, origin: Number) -> Number:
    """Return the displacement of a smooth unit from a value, by addition theorems in which nothing cancels.

    Parameters
    ----------
    activation : int
        TANH or LOGISTIC.
    drive : float
        Change of the total input.
    origin : float
        Value of the unit without it.
    """
    if activation == TANH:
        rise = math.tanh(drive)
        return rise * (1 - origin * origin) / (1 + origin * rise)
    rise = math.tanh(drive / 2)  # half the step on each side of the quotient, so that nothing overflows
    return 2 * rise * origin * (1 - origin) / (1 - rise + 2 * origin * rise)


def nudged(drive: Number, linear: Number, unit: Number, strength: Number, curvature: Number, stiffness: Number, activation: int) -> Number:
    r"""Return the drive of an output unit with a nudge in it, as ``Layered.minimiser`` defines it.

    Parameters
    ----------
    drive : float
        Total input without the nudge.
    linear, curvature : float
        Coefficients of the pull of a nudge of strength 1.
    unit : float
        Value of the unit before the move.
    strength : float
        :math:`\beta`.
    stiffness : float
        :math:`\lambda^L`, the energy scale of the layer.
    activation : int
        A quadratic one, CLIPPED, has the exact minimum; with a smooth one the pull is a part of its input.
    """
    if activation == CLIPPED:
        return (stiffness * drive + strength * linear) / (stiffness + strength * curvature)
    return drive + strength * (linear - curvature * unit) / stiffness


def larger(first: Number, second: Number) -> Number:
    """Return the larger of two numbers, NaN if either is."""
    return first if first != first or first > second else second


def softmax_scale(outputs: Array) -> tuple[Number, Number]:
    """Return the largest output m, and the sum of exp(output - m), by which a softmax is scaled; outputs of shape (k,)."""
    largest = outputs[0]
    for k in range(1, outputs.shape[0]):
        largest = outputs[k] if outputs[k] > largest else largest
    total = outputs[0] - outputs[0]  # a zero of the right type, or NaN
    for k in range(outputs.shape[0]):
        total += math.exp(outputs[k] - largest)
    return largest, total


def contrasted(free: Number, plus: Number, minus: Number, step: Number, base: Number) -> Number:
    r"""Return the contribution of a sample to the contrast of a weight.

    Parameters
    ----------
    free, plus, minus : float
        The unit below in the free state, and its displacements :math:`\delta^+` and :math:`\delta^-` in the two others.
    step, base : float
        The unit above, both times a factor: the difference of its displacements, and its value in the negative state. The sum is
        :math:`s^+ o^+ - s^- o^-` without the cancellation of two large products.
    """
    return step * (free + plus) + base * (plus - minus)
