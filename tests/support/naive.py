"""Slow, obvious twins of the kernels: plain loops over plain numbers, without torch or numpy, one sample at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

BOXES = {"hard-sigmoid": (0.0, 1.0), "clipped-relu": (0.0, 6.0), "linear": (-math.inf, math.inf)}


def squash(name: str, drive: float) -> float:
    if name == "tanh":
        return math.tanh(drive)
    if name == "logistic":
        return 1 / (1 + math.exp(-drive))
    low, high = BOXES[name]
    return min(max(drive, low), high)


def softmax(values: Sequence[float]) -> list[float]:
    powers = [math.exp(value - max(values)) for value in values]
    return [power / sum(powers) for power in powers]


def cost_gradient(cost: str | None, output: Sequence[float], target: Sequence[float] | None) -> list[float]:
    guess = softmax(output) if cost == "cross-entropy" else output
    return [a - b for a, b in zip(guess, target, strict=True)]


def visits(order: str, depth: int) -> list[int]:
    """The layers in the order of their moves."""
    even, odd = list(range(0, depth, 2)), list(range(1, depth, 2))
    return {
        "forward": list(range(depth)),
        "backward": list(range(depth))[::-1],
        "even-odd": even + odd,
        "odd-even": odd + even,
    }[order]


def settle(
    sizes: Sequence[int],
    weights: list[Any],
    biases: list[Any],
    readout: tuple[Any, Any] | None,
    activations: Sequence[str],
    scale: float,
    inputs: Sequence[float],
    state: Sequence[Sequence[float]],
    *,
    order: str,
    tolerance: float | None,
    budget: int,
    cost: str | None = None,
    target: Sequence[float] | None = None,
    strength: float = 0.0,
    frozen: Sequence[float] | None = None,
    held: Sequence[float] | None = None,
) -> tuple[list[list[float]], int, float]:
    """Block descent of one sample.

    ``weights[l][i][j]`` leads from unit i of layer l-1 (the inputs for l = 0) to unit j of layer l; ``readout`` is a weight and a bias,
    or None. A nudge has a ``cost`` and a ``target``, or the ``frozen`` gradient of the outputs. Returns state, steps, residual.
    """
    depth = len(sizes) - 1
    state = [list(layer) for layer in state]
    if held is not None:
        state[-1] = list(held)
    step, residual = 0, math.inf
    while step < budget:
        step, residual = step + 1, 0.0
        for index in visits(order, depth):
            last = index == depth - 1
            if last and held is not None:
                continue
            below = inputs if index == 0 else state[index - 1]
            drive = [biases[index][j] + sum(b * weights[index][i][j] for i, b in enumerate(below)) for j in range(sizes[index + 1])]
            if not last:
                above = state[index + 1]
                for j in range(len(drive)):
                    drive[j] += scale * sum(a * weights[index + 1][j][k] for k, a in enumerate(above))
            elif strength:
                drive = _nudged(drive, state[-1], readout, activations[index], scale**depth, cost, target, strength, frozen)
            for j, value in enumerate(drive):
                value = squash(activations[index], value)
                residual = max(residual, abs(value - state[index][j]))
                state[index][j] = value
        if tolerance is not None and residual <= tolerance:
            break
    return state, step, residual


def _nudged(
    drive: list[float],
    units: Sequence[float],
    readout: tuple[Any, Any] | None,
    activation: str,
    stiffness: float,
    cost: str | None,
    target: Sequence[float] | None,
    strength: float,
    frozen: Sequence[float] | None,
) -> list[float]:
    curvature = 0.0
    if frozen is not None:
        gradient = frozen
    else:
        output = units
        if readout is not None:
            weight, bias = readout
            output = [bias[k] + sum(u * weight[j][k] for j, u in enumerate(units)) for k in range(len(bias))]
        elif cost == "squared-error":
            curvature = strength
        gradient = cost_gradient(cost, output, target)
    if readout is not None:
        gradient = [sum(g * readout[0][j][k] for k, g in enumerate(gradient)) for j in range(len(units))]
    pulls = [-strength * g + curvature * u for g, u in zip(gradient, units, strict=True)]
    if activation in BOXES:
        return [(stiffness * d + p) / (stiffness + curvature) for d, p in zip(drive, pulls, strict=True)]
    return [d + (p - curvature * u) / stiffness for d, p, u in zip(drive, pulls, units, strict=True)]
