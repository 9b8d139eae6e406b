"""Residuals of states recomputed in float64 by code of its own: every unit's distance from its minimum with the others held.

Nothing here calls the package's energies, forces or minimisers. Parameters, inputs and states are read and doubled, and the formulas are
those of the documents.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Layers = list[Array]


class Acts(NamedTuple):
    """Action on the outputs: none, a live nudge by a cost, a constant force of a frozen one, or held outputs."""

    kind: str = "free"
    strength: float = 0.0
    targets: Array | None = None
    frozen: Array | None = None


class Verdict(NamedTuple):
    """Recomputed residual of each sample, and the factor by which one more step can magnify that of the step before; shape (B,)."""

    residual: Array
    factor: Array


def doubled(tensor: Any) -> Array:
    """Return a tensor as an array of float64."""
    return np.asarray(tensor.detach().cpu().double().numpy(), dtype=np.float64)


def cost_slope(output: Array, acts: Acts) -> Array:
    """Return the slope of the cost at the outputs, times the strength."""
    if acts.kind == "frozen":
        assert acts.frozen is not None
        return acts.strength * acts.frozen
    assert acts.targets is not None
    if acts.kind == "cross-entropy":
        shifted = np.exp(output - output.max(1, keepdims=True))
        return acts.strength * (shifted / shifted.sum(1, keepdims=True) - acts.targets)
    return acts.strength * (output - acts.targets)


RESPONSES = {
    "hard-sigmoid": lambda u: np.clip(u, 0, 1),
    "clipped-relu": lambda u: np.clip(u, 0, 6),
    "linear": lambda u: u,
    "tanh": np.tanh,
    "logistic": lambda u: 1 / (1 + np.exp(-np.clip(u, -700, 700))),
}
SMOOTH = ("tanh", "logistic")


class Wires(NamedTuple):
    """Layers that are joined: weights, biases, responses, the scale of feedback, and what only some networks have."""

    weights: Layers
    biases: Layers
    names: list[str]
    scale: float
    feedback: Layers | None = None
    readout: tuple[Array, Array] | None = None
    window: int = 0


def filters(weight: Array, shape: tuple[int, ...], stride: int, padding: int, pool: int) -> Array:
    """Return filters, with the mean over windows of their response, as the matrix from all units below to all units above."""
    (channels, below, size, _), (_, high, wide) = weight.shape, shape
    rows, columns = ((side + 2 * padding - size) // stride + 1 for side in (high, wide))
    matrix = np.zeros((below, high, wide, channels, rows // pool, columns // pool))
    for row, column, i, j in np.ndindex(rows // pool * pool, columns // pool * pool, size, size):
        y, x = row * stride + i - padding, column * stride + j - padding
        if 0 <= y < high and 0 <= x < wide:
            matrix[:, y, x, :, row // pool, column // pool] += weight[:, :, i, j].T / pool**2
    return matrix.reshape(below * high * wide, -1)


def layered(wires: Wires, state: Layers, inputs: Array, acts: Acts) -> Verdict:
    """Judge a layered network."""
    weights, biases, names, scale, feedback, readout, window = wires
    feedback = weights if feedback is None else feedback
    count, worst, reach = len(state), np.zeros(len(inputs)), 1.0
    for index, layer in enumerate(state):
        if acts.kind == "held" and index == count - 1:
            continue
        below = inputs if index == 0 else state[index - 1]
        drive, rows = below @ weights[index] + biases[index], np.zeros(layer.shape[1])
        if index:
            rows = rows + np.abs(weights[index]).sum(0)
        if index + 1 < count:
            drive = drive + scale * state[index + 1] @ feedback[index + 1].T
            rows = rows + scale * np.abs(feedback[index + 1]).sum(1)
        soft = 1.0  # what the nudge leaves of a unit's own curvature
        if index == count - 1 and acts.kind != "free":
            stiff = scale ** (index + 1)
            output = layer if readout is None else layer @ readout[0] + readout[1]
            slope = cost_slope(output, acts)
            slope = slope if readout is None else slope @ readout[0].T
            if readout is None and acts.kind == "squared-error" and names[index] not in SMOOTH:
                soft = 1 + acts.strength / stiff
                assert acts.targets is not None
                drive = (drive + acts.strength / stiff * acts.targets) / soft
            else:
                drive = drive - slope / stiff
                reach = max(
                    reach, 1 + abs(acts.strength) / stiff * (1.0 if readout is None else np.abs(readout[0] @ readout[0].T).sum(1).max())
                )
        target = RESPONSES[names[index]](drive)
        if window:
            target = np.floor(target * window + 0.5) / window
        worst = np.maximum(worst, np.abs(target - layer).max(1))
        reach = max(reach, float((rows / soft).max(initial=0.0)))
    return Verdict(worst, np.full(len(inputs), 2 + reach))


def diode_free(total: Array, current: Array, sign: Array, diode: tuple[float, float] | None) -> Array:
    """Return the voltage at which a node with a diode has no current left, by bisection unless the diode is ideal."""
    if diode is None:
        plain = np.where((total == 0) & (current == 0), 0.0, current / total)  # a node that nothing is connected to stays at 0 V
        return np.where(sign * plain < 0, 0.0, plain)
    saturation, scale = diode
    total = np.maximum(total, 1e-300)
    # In the diode's own direction w = -sign v the balance g w + I(w) = i is monotone.
    wanted = -sign * current
    low, high = -np.abs(wanted / total) - saturation / total, np.abs(wanted / total)
    for _ in range(200):
        middle = (low + high) / 2
        with np.errstate(over="ignore"):
            above = total * middle + saturation * np.expm1(middle / scale) > wanted
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return -sign * (low + high) / 2


class Nodes(NamedTuple):
    """Circuit of layers: conductances, currents, gains of voltage and current, and a Shockley diode's current and scale, or None."""

    conductances: Layers
    biases: Layers
    gains: tuple[float, float]
    diode: tuple[float, float] | None


def resistive(nodes: Nodes, sources: Array, state: Layers, acts: Acts) -> Verdict:
    """Judge a circuit of layers."""
    conductances, biases, gains, diode = nodes
    voltage, current_gain = gains
    ratio = current_gain / voltage
    worst, reach, count = np.zeros(len(sources)), 1.0, len(state)
    for index, layer in enumerate(state):
        if acts.kind == "held" and index == count - 1:
            continue
        weight, below = ratio**index, sources if index == 0 else voltage * state[index - 1]
        total = weight * conductances[index].sum(0)
        current = weight * (below @ conductances[index] + biases[index])
        rows = np.zeros(layer.shape[1]) if index == 0 else weight * voltage * conductances[index].sum(0)
        if index + 1 < count:
            total = total + weight * ratio * voltage**2 * conductances[index + 1].sum(1)
            current = current + weight * ratio * voltage * state[index + 1] @ conductances[index + 1].T
            rows = rows + weight * ratio * voltage * conductances[index + 1].sum(1)
        if index == count - 1:
            if acts.kind == "squared-error":
                assert acts.targets is not None
                current, total = current + acts.strength * acts.targets, total + acts.strength
            elif acts.kind != "free":
                current = current - cost_slope(layer, acts)
                reach = max(reach, float((1 + abs(acts.strength) / total).max()))
            target = np.where((total == 0) & (current == 0), 0.0, current / total)
        else:
            sign = np.where(np.arange(layer.shape[1]) < (layer.shape[1] + 1) // 2, 1.0, -1.0)
            target = diode_free(np.broadcast_to(total, current.shape) / weight, current / weight, sign, diode)
        worst = np.maximum(worst, np.abs(target - layer).max(1))
        reach = max(reach, float(np.nan_to_num(rows / total).max()))
    return Verdict(worst, np.full(len(sources), 2 + reach))


def lattice(matrix: Array, held: Array, sizes: tuple[int, int], state: Layers, acts: Acts) -> Verdict:
    """Judge a circuit on a graph, block by block and node by node; ``matrix`` is that of all nodes, held ones first."""
    start = held.shape[1]
    free = matrix[start:, start:].copy()
    current = -held @ matrix[:start, start:]
    inner, nodes = sizes[0], np.concatenate(state, 1)
    outputs = slice(inner, None)
    if acts.kind == "squared-error":
        assert acts.targets is not None
        current[:, outputs] += acts.strength * acts.targets
        free[range(inner, sum(sizes)), range(inner, sum(sizes))] += acts.strength
    elif acts.kind not in ("free", "held"):
        current[:, outputs] -= cost_slope(state[1], acts)
    worst, reach = np.zeros(len(held)), 1.0
    for own, other in ((slice(None, inner), outputs), (outputs, slice(None, inner))):
        if acts.kind == "held" and own == outputs:
            continue
        block = free[own, own]
        target = np.linalg.solve(block, (current[:, own] - nodes[:, other] @ free[other, own]).T).T
        alone = ((current - nodes @ free) / np.diag(free))[:, own]
        worst = np.maximum(worst, np.maximum(np.abs(target - nodes[:, own]).max(1), np.abs(alone).max(1)))
        reach = max(reach, float(np.abs(np.linalg.solve(block, free[own, other])).sum(1).max()))
    reach += 0.0 if acts.kind in ("free", "squared-error") else abs(acts.strength) / float(np.diag(free).min())
    return Verdict(worst, np.full(len(held), 3 + reach))


def oscillators(weights: Layers, biases: Layers, injection: float, inputs: Array, state: Layers, acts: Acts) -> Verdict:
    """Judge phases: each one's way downhill to the nearest minimum of its own energy."""
    worst, reach, count = np.zeros(len(inputs)), np.ones(len(inputs)), len(state)
    for index, phase in enumerate(state):
        below = inputs if index == 0 else state[index - 1]
        cosine = np.cos(below) @ weights[index] + biases[index]
        sine = np.sin(below) @ weights[index]
        total = np.zeros(phase.shape[1]) if index == 0 else np.abs(weights[index]).sum(0)
        if index + 1 < count:
            cosine = cosine + np.cos(state[index + 1]) @ weights[index + 1].T
            sine = sine + np.sin(state[index + 1]) @ weights[index + 1].T
            total = total + np.abs(weights[index + 1]).sum(1)
        last = index == count - 1 and acts.kind != "free"
        total = total + (3 * abs(acts.strength) if last else 0.0)
        worst = np.maximum(worst, _downhill(phase, cosine, sine, injection, acts if last else Acts()).max(1))
        bound = np.hypot(cosine, sine) + 2 * injection
        reach = np.maximum(reach, (total / np.maximum(bound, 1e-300)).max(1))
    return Verdict(worst, 2 + reach)


def _alone(output: Array, value: Array, acts: Acts) -> Array:
    """Return the slope of the nudge at each output, moved to ``value`` while the others stay; cross-entropy ties them together."""
    if acts.kind != "cross-entropy":
        return cost_slope(value, acts)
    assert acts.targets is not None
    others = np.exp(output).sum(1, keepdims=True) - np.exp(output)
    return np.asarray(acts.strength * (np.exp(value) / (np.exp(value) + others) - acts.targets))


def _downhill(phase: Array, cosine: Array, sine: Array, injection: float, acts: Acts) -> Array:
    """Return how far each phase is from the first minimum on its way down; 0 where none leads down, a turn where the way has no end."""

    def force(offset: Array) -> Array:
        value = phase + offset
        own = sine * np.cos(value) - cosine * np.sin(value) - injection * np.sin(2 * value)
        # Outputs are cosines: a frozen slope of theirs is a field, and no constant torque on the phases.
        return np.asarray(own if acts.kind == "free" else own + _alone(np.cos(phase), np.cos(value), acts) * np.sin(value))

    # At the very top of a well no force acts, but one on either side does.
    here, beside = force(np.zeros_like(phase)), force(np.full_like(phase, 1e-3))
    forward = np.where(here == 0, np.maximum(np.sign(beside), 0), np.sign(here))
    steps = 2 * np.pi * np.linspace(0, 1, 721)[1:] ** 3  # fine at first: minima are near where a state has settled
    low, high, found = np.zeros_like(phase), np.zeros_like(phase), forward == 0
    for before, step in zip([0.0, *steps[:-1]], steps, strict=True):
        turned = ~found & (forward * force(forward * step) <= 0)
        low, high, found = np.where(turned, before, low), np.where(turned, step, high), found | turned
    for _ in range(60):
        middle = (low + high) / 2
        beyond = forward * force(forward * middle) <= 0
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return np.where(found, high, 2 * np.pi)


def spins(couplings: Array, fields: Array, state: Array, free: Array, roundings: float) -> Verdict:
    """Judge spins that any symmetric couplings join: each that is free belongs on the side of the field on it.

    A field within the roundings of all that acts on a spin has no side.
    """
    acting = state @ couplings + fields
    unsure = roundings * (np.abs(state) @ np.abs(couplings) + np.abs(fields))
    target = np.where(np.abs(acting) <= unsure, state, np.sign(acting))
    return Verdict((np.abs(target - state) * free).max(1), np.full(len(state), 2.0))
