"""Random networks of every kind, relaxed by every dynamics and backend, whose certificates are judged by :mod:`own_residuals`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import own_residuals as own
import torch
from own_residuals import Acts, Verdict, doubled

from contrastive_core.certificate import Relaxation, Status, Stop
from contrastive_core.costs import COSTS
from contrastive_core.dynamics import DYNAMICS
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.dynamics.momentum import Momentum
from contrastive_core.dynamics.synchronous import Synchronous
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.notation import convolutional
from contrastive_core.networks.spin import SpinNetwork
from contrastive_core.networks.untied import Untied
from contrastive_core.phases import Hold, Nudge, Phase
from contrastive_core.relaxation.relax import relax
from contrastive_core.types import Batch, State
from eqprop.annealing import Annealing
from eqprop.binary import BinaryWeights
from eqprop.circuit import Parts
from eqprop.diodes import ShockleyDiode
from eqprop.ising import Ising
from eqprop.lattice import scattered
from eqprop.oscillator import Oscillators
from eqprop.resistive import Resistive
from eqprop.resistor_graph import ResistorGraph
from eqprop.spiking import spiking

ROWS = 4
Random = np.random.Generator


class Drawn(NamedTuple):
    """Random network, its inputs, and what judges its states; ``text`` says what was drawn."""

    network: Any
    inputs: torch.Tensor
    judge: Callable[[State, Acts], Verdict]
    text: str


class Outcome(NamedTuple):
    """Certificates of one relaxation: converged samples, all samples, and a sentence for every false one."""

    kind: str
    dynamics: str
    backend: str
    dtype: str
    converged: int
    samples: int
    false: list[str]


def between(random: Random, low: float, high: float) -> float:
    """Draw from a range of several powers of ten, each as likely."""
    return float(10 ** random.uniform(math.log10(low), math.log10(high)))


def _sizes(random: Random, hidden: tuple[int, int] = (0, 3)) -> tuple[int, ...]:
    return tuple(int(random.integers(2, 14)) for _ in range(2 + int(random.integers(*hidden, endpoint=True))))


def _blurred(network: Any, random: Random, names: str, size: float) -> None:
    """Give parameters random values, in place."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if names in name:
                parameter.copy_(torch.from_numpy(random.normal(0, size, tuple(parameter.shape))).to(parameter))


def _of_layers(network: Any, prefix: str) -> list[own.Array]:
    return [doubled(getattr(network, f"{prefix}_{number}")) for number in range(1, len(network.sizes) + 1)]


def _layered(random: Random, dtype: torch.dtype, generator: torch.Generator, kind: str) -> Drawn:
    names = [str(random.choice(list(own.RESPONSES))), str(random.choice(list(own.RESPONSES)))]
    scale, gain = float(random.choice([1.0, 0.5, 0.1])), between(random, 0.1, 2)
    sizes = _sizes(random, (1, 3))
    readout = int(random.integers(2, 6)) if kind == "layered" and random.random() < 0.3 else None
    window = int(random.choice([8, 64])) if kind == "spiking" else 0
    if kind == "spiking":
        network: Any = spiking(sizes, window=window, energy_scale=scale, gain=gain, generator=generator, dtype=dtype)
        names = ["hard-sigmoid"] * 2
    else:
        hidden, last = ACTIVATIONS[names[0]], ACTIVATIONS[names[1]]
        network = Layered(
            sizes,
            activation=hidden,
            output_activation=last,
            energy_scale=scale,
            readout=readout,
            gain=gain,
            generator=generator,
            dtype=dtype,
        )
    _blurred(network, random, "bias", 0.3)
    inside, outer = network, network
    if kind == "binary":
        outer = BinaryWeights(network)
    if kind == "untied":
        deviations = {name: 0.3 * torch.randn(p.shape, generator=generator) for name, p in network.named_parameters() if "weight" in name}
        outer = Untied(network, deviations)
    inputs = between(random, 0.1, 10) * torch.randn((ROWS, sizes[0]), generator=generator, dtype=dtype)
    responses = [names[0]] * (len(inside.sizes) - (0 if readout else 1)) + ([] if readout else [names[1]])

    def judge(state: State, acts: Acts) -> Verdict:
        feedback = None
        if kind == "untied":
            feedback = [
                doubled(inside.weight(i)) * (1 + doubled(getattr(outer, f"deviation_{i + 1}", torch.zeros(1)))) for i in range(len(state))
            ]
        read = (doubled(inside.weight_readout), doubled(inside.bias_readout)) if readout else None
        wires = own.Wires(_of_layers(inside, "weight"), _of_layers(inside, "bias"), responses, scale, feedback, read, window)
        return own.layered(wires, [doubled(layer) for layer in state], doubled(inputs), acts)

    return Drawn(outer, inputs, judge, f"{sizes} {names} scale {scale} gain {gain:.2g} readout {readout} window {window}")


def _convolutional(random: Random, dtype: torch.dtype, generator: torch.Generator, kind: str) -> Drawn:
    """Filters and average pooling, judged as the dense network of the matrices that they are."""
    names, scale, gain = [str(random.choice(list(own.RESPONSES)))] * 2, float(random.choice([1.0, 0.5, 0.1])), between(random, 0.1, 2)
    stride, padding, pooled = int(random.integers(1, 3)), int(random.integers(0, 2)), bool(random.random() < 0.5)
    layers = f"2c2s{stride}+{padding} {'a2 ' if pooled else ''}3c1 {int(random.integers(2, 6))}"
    architecture = convolutional(layers, (2, 4, 5))
    network = Layered(
        architecture, activation=names[0], output_activation="linear", energy_scale=scale, gain=gain, generator=generator, dtype=dtype
    )
    _blurred(network, random, "bias", 0.3)
    inputs = between(random, 0.1, 10) * torch.randn((ROWS, 40), generator=generator, dtype=dtype)

    def judge(state: State, acts: Acts) -> Verdict:
        first = own.filters(doubled(network.weight_1), (2, 4, 5), stride, padding, 2 if pooled else 1)
        second = own.filters(doubled(network.weight_2), state[0].shape[1:], 1, 0, 1)
        biases = [np.repeat(doubled(getattr(network, f"bias_{n}")), math.prod(state[n - 1].shape[2:])) for n in (1, 2, 3)]
        wires = own.Wires([first, second, doubled(network.weight_3)], biases, [*names, "linear"], scale, None, None, 0)
        return own.layered(wires, [doubled(layer.flatten(1)) for layer in state], doubled(inputs), acts)

    return Drawn(network, inputs, judge, f"{layers} {names} scale {scale} gain {gain:.2g}")


def _resistive(random: Random, dtype: torch.dtype, generator: torch.Generator, kind: str) -> Drawn:
    sizes, siemens, volts = _sizes(random), between(random, 1e-8, 10), between(random, 0.1, 1e4 if random.random() < 0.2 else 30)
    voltage = float(random.choice([1.0, 1.0, 2.0, 4.0]))
    diode = (between(random, 1e-12, 1e-6), 0.02585) if random.random() < 0.3 else None
    low = float(random.choice([0.0, 0.01 * siemens]))
    more = {"diode": ShockleyDiode(*diode)} if diode else {}
    parts = Parts(voltage_gain=voltage, input_gain=volts, bounds=((low, math.inf),), **more)
    network = Resistive(sizes, parts, gain=siemens, generator=generator, dtype=dtype)
    if random.random() < 0.3:
        _blurred(network, random, "bias", siemens)
    inputs = torch.rand((ROWS, sizes[0]), generator=generator, dtype=dtype)

    def judge(state: State, acts: Acts) -> Verdict:
        scaled = volts * doubled(inputs)
        rails = np.broadcast_to([[parts.rail, -parts.rail]], (len(scaled), 2))
        nodes = own.Nodes(_of_layers(network, "conductance"), _of_layers(network, "bias"), (voltage, 1 / voltage), diode)
        return own.resistive(nodes, np.concatenate([scaled, -scaled, rails], 1), [doubled(layer) for layer in state], acts)

    return Drawn(network, inputs, judge, f"{sizes} {siemens:.1g} S {volts:.1g} V gain {voltage} diode {diode} low {low:.1g}")


def _lattice(random: Random, dtype: torch.dtype, generator: torch.Generator, kind: str) -> Drawn:
    count, outputs, links, volts = (
        int(random.integers(1, 4)),
        int(random.integers(1, 4)),
        int(random.integers(0, 20)),
        between(random, 0.1, 1e4),
    )
    rows, columns = int(random.integers(4, 7)), int(random.integers(4, 7))
    graph = scattered((rows, columns), links, sources=count, outputs=outputs, rails=(1.0,), generator=generator)
    siemens, spread = between(random, 1e-6, 10), between(random, 1e-4, 0.5)
    network = ResistorGraph(
        graph, bounds=(siemens * spread, siemens), initial=(siemens * spread, siemens), input_gain=volts, generator=generator, dtype=dtype
    )
    with torch.no_grad():  # conductances of every size between the bounds
        network.conductance.copy_(siemens * torch.from_numpy(spread ** random.random(len(graph.edges))))
        network.constrain_()
    inputs = torch.rand((ROWS, count), generator=generator, dtype=dtype)

    def judge(state: State, acts: Acts) -> Verdict:
        place = {node: index for index, node in enumerate([*graph.held, *graph.inner, *graph.outputs])}
        matrix = np.zeros((graph.num_nodes, graph.num_nodes))
        for (first, second), siemens in zip(graph.edges, doubled(network.conductance), strict=True):
            i, j = place[first], place[second]
            matrix[[i, j], [i, j]] += siemens
            matrix[[i, j], [j, i]] -= siemens
        held = np.concatenate([volts * doubled(inputs), np.ones((ROWS, 1))], 1)
        return own.lattice(matrix, held, network.sizes, [doubled(layer) for layer in state], acts)

    return Drawn(network, inputs, judge, f"{rows} x {columns} links {links} {siemens:.1g} S spread {spread:.1g} {volts:.1g} V")


def _oscillators(random: Random, dtype: torch.dtype, generator: torch.Generator, kind: str) -> Drawn:
    sizes, gain = _sizes(random), between(random, 1e-9, 10)
    injection = gain * float(random.choice([0.0, 0.0, 0.3, 3.0, 100.0]))
    network = Oscillators(sizes, injection=injection, gain=gain, generator=generator, dtype=dtype)
    _blurred(network, random, "bias", 0.3 * gain)
    inputs = torch.rand((ROWS, sizes[0]), generator=generator, dtype=dtype)

    def judge(state: State, acts: Acts) -> Verdict:
        weights, biases = _of_layers(network, "weight"), _of_layers(network, "bias")
        return own.oscillators(weights, biases, injection, math.pi * doubled(inputs), [doubled(layer) for layer in state], acts)

    return Drawn(network, inputs, judge, f"{sizes} gain {gain:.1g} injection {injection:.1g}")


def _spins(random: Random, dtype: torch.dtype, generator: torch.Generator, kind: str) -> Drawn:
    gain, roundings = between(random, 1e-9, 10), 8 * torch.finfo(dtype).eps
    if kind == "spin":
        size = int(random.integers(2, 20))
        matrix = gain * torch.randn((size, size), generator=generator, dtype=dtype)
        network: Any = SpinNetwork(size, matrix + matrix.T, dtype=dtype)
        _blurred(network, random, "bias", 0.3 * gain)
        inputs = gain * torch.randn((ROWS, size), generator=generator, dtype=dtype)
    else:
        sizes = tuple(int(random.integers(2, 12)) for _ in range(3))
        network = Ising(sizes, gains=(gain, gain), generator=generator, dtype=dtype)
        _blurred(network, random, "bias", 0.3 * gain)
        inputs = torch.randn((ROWS, sizes[0]), generator=generator, dtype=dtype)

    def judge(state: State, acts: Acts) -> Verdict:
        values = np.concatenate([doubled(layer) for layer in state], 1)
        count, last = values.shape[1], network.sizes[-1]
        pushed = np.zeros((ROWS, count))
        if acts.kind not in ("free", "held"):
            # Half the squared error of a spin of -1 or 1 is a constant less its target.
            live = acts.kind == "squared-error"
            pushed[:, -last:] = acts.strength * acts.targets if live else -own.cost_slope(values[:, -last:], acts)
        if kind == "spin":
            raw = doubled(network.couplings)
            couplings = (raw + raw.T) / 2 - np.diag(np.diag(raw))
            fields = doubled(inputs) + doubled(network.bias) + pushed
        else:
            across, hidden = doubled(network.weight_2), network.sizes[0]
            couplings = np.zeros((count, count))
            couplings[:hidden, hidden:], couplings[hidden:, :hidden] = -across, -across.T
            below = np.clip(doubled(network.hidden_bias) + doubled(inputs) @ doubled(network.weight_1), -4, 4)
            above = np.clip(doubled(network.output_bias) - pushed[:, -last:], -4, 4)
            fields = -np.concatenate([below, np.broadcast_to(above, (ROWS, last))], 1)
        free = np.ones(count)
        if acts.kind == "held":
            free[-last:] = 0
        # The first layer's field is a sum of its own, whose roundings count as well.
        return own.spins(couplings, fields, values, free, roundings * (1 + np.abs(doubled(inputs)).sum() if kind == "ising" else 1.0))

    return Drawn(network, inputs, judge, f"{network.sizes} gain {gain:.1g}")


KINDS: dict[str, Callable[[Random, torch.dtype, torch.Generator, str], Drawn]] = {
    "layered": _layered,
    "convolutional": _convolutional,
    "spiking": _layered,
    "binary": _layered,
    "untied": _layered,
    "resistive": _resistive,
    "resistor-graph": _lattice,
    "oscillator": _oscillators,
    "spin": _spins,
    "ising": _spins,
}
"""Every kind of network in the tables of commands, and spins and untied layers, which are built in Python only."""

NAMES = (*DYNAMICS, "over-relaxed", "damped", "slow flow", "heavy ball", "anneal")


def _dynamics(name: str, random: Random) -> Dynamics:
    own_made: dict[str, Callable[[], Dynamics]] = {
        "over-relaxed": lambda: BlockDescent(str(random.choice(["forward", "backward"])), float(random.uniform(0.3, 1.7))),  # type: ignore[arg-type]
        "damped": lambda: Synchronous(0.3),
        "slow flow": lambda: GradientFlow(0.05),
        "heavy ball": lambda: Momentum(0.5, 0.5),
        "anneal": lambda: Annealing(2, 20),
    }
    return own_made[name]() if name in own_made else DYNAMICS[name]()


def _phase(drawn: Drawn, free: State, random: Random, generator: torch.Generator) -> tuple[Phase, Acts]:
    """Draw a nudge by squared error or cross-entropy, live or frozen, or held outputs."""
    network = drawn.network
    output = network.output(free)
    labels = torch.randint(output.shape[1], (ROWS,), generator=generator)
    wanted = np.eye(output.shape[1])[labels.numpy()]
    if network.holds_outputs and random.random() < 0.2:
        target = torch.from_numpy(wanted).to(output)
        held = network.applied(Hold(target))
        return held, Acts("held")
    name = str(random.choice(["squared-error", "cross-entropy"]))
    strength = float(random.choice([-1, 1])) * between(random, 1e-3, 0.99) * network.stiffness[-1]
    nudge = Nudge(COSTS[name](), Batch(drawn.inputs, labels), strength)
    if random.random() < 0.3:
        force = COSTS[name]().gradient(output, nudge.batch)
        return nudge._replace(frozen=force), Acts("frozen", strength, None, doubled(force))
    return nudge, Acts(name, strength, wanted)


def _judged(drawn: Drawn, relaxed: Relaxation, stop: Stop, acts: Acts, start: State) -> list[str]:
    """Return a sentence for each sample that is called converged, and is not."""
    converged = (relaxed.status == int(Status.CONVERGED)).numpy()
    with np.errstate(all="ignore"):
        verdict = drawn.judge(relaxed.state, acts)
    assert stop.tolerance is not None
    false = converged & ~(verdict.residual <= verdict.factor * stop.tolerance)
    said, found = relaxed.residual.numpy(), verdict.residual
    return [
        f"{acts.kind} {acts.strength:.2g}: tolerance {stop.tolerance:.1e}, residual {said[i]:.1e}, in float64 {found[i]:.1e}"
        for i in np.flatnonzero(false)
    ]


def examined(number: int, kind: str = "", dynamics: str = "") -> list[Outcome]:
    """Draw network ``number``, relax it free and under one more phase, and judge both certificates."""
    random, generator = np.random.default_rng([14, number]), torch.Generator().manual_seed(number)
    kind = kind or list(KINDS)[number % len(KINDS)]
    names = [name for name in NAMES if name != "anneal" or kind == "ising"]
    name = dynamics or names[(number // len(KINDS)) % len(names)]
    dtype = torch.float32 if random.random() < 0.5 else torch.float64
    drawn = KINDS[kind](random, dtype, generator, kind)
    moved = _dynamics(name, random)
    stop = Stop(between(random, 1e-8, 1e-2), 400)
    backend = str(random.choice(["torch", "auto"]))
    outcomes: list[Outcome] = []
    with torch.no_grad():
        clamped = drawn.network.clamp(drawn.inputs)
        begin = drawn.network.initial_state(clamped, generator if random.random() < 0.5 else None)
        free = relax(clamped, begin, moved, stop, backend=backend, generator=generator)
        phase, acts = _phase(drawn, free.state, random, generator)
        later = relax(clamped, free.state, moved.reversed(), stop, phase, backend=backend, generator=generator)
    for relaxed, acting in ((free, Acts()), (later, acts)):
        false = [
            f"network {number}: {kind} {drawn.text} {str(dtype)[6:]} {name} {backend}, {one}"
            for one in _judged(drawn, relaxed, stop, acting, begin)
        ]
        settled = int((relaxed.status == int(Status.CONVERGED)).sum())
        outcomes.append(Outcome(kind, name, backend, str(dtype).removeprefix("torch."), settled, ROWS, false))
    return outcomes
