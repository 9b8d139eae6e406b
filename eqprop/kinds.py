"""Physical networks as kinds of networks: their options and builders; torch is imported when one is built."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt, MinLen

from contrastive_core.errors import InputError
from contrastive_core.networks.kind import Blueprint, NetworkKind
from contrastive_core.options import option

if TYPE_CHECKING:
    import torch

    from contrastive_core.networks.layered import Layered
    from eqprop.binary import BinaryWeights
    from eqprop.ising import Ising
    from eqprop.oscillator import Oscillators
    from eqprop.resistive import Resistive
    from eqprop.resistor_graph import ResistorGraph


@dataclass(frozen=True)
class CircuitOptions:
    """Parts of a resistive network.

    Attributes
    ----------
    input_gain, rail, voltage_gain, current_gain
        Sources and amplifiers.
    g_min, g_max
        Bounds of the conductances.
    diode_current, diode_scale, diode_curve
        Diodes that are not ideal.
    """

    input_gain: Annotated[float, Gt(0)] = option(100.0, "Source voltage per unit of input, in volt.")
    rail: Annotated[float, Ge(0)] = option(1.0, "Voltage of the two constant sources beside the inputs, in volt; 0: no such sources.")
    voltage_gain: Annotated[float, Gt(0)] = option(1.0, "Voltage gain of the amplifiers between layers; 1: no amplifiers.")
    current_gain: Annotated[float, Gt(0)] | None = option(None, "Gain of the current fed back between layers; none: 1/voltage gain.")
    g_min: Annotated[tuple[Annotated[float, Ge(0)], ...], MinLen(1)] = option(
        (0.0,), "Smallest conductance in siemens, for all layers or one per layer."
    )
    g_max: tuple[Annotated[float, Gt(0)], ...] | None = option(
        None, "Largest conductance in siemens, for all layers or one per layer; none: no limit."
    )
    diode_current: Annotated[float, Gt(0)] | None = option(
        None, "Saturation current of Shockley diodes in ampere, such as 1e-9; none: ideal diodes."
    )
    diode_scale: Annotated[float, Gt(0)] = option(0.02585, "Thermal voltage times emission coefficient of Shockley diodes, in volt.")
    diode_curve: Path | None = option(
        None, "CSV or NPZ file with a measured curve of the diodes, voltages in volt and currents in ampere; none: no curve."
    )


def _resistive(blueprint: Blueprint, own: CircuitOptions, generator: torch.Generator) -> Resistive:
    """Return layers of nodes joined by variable conductances, with diodes and amplifiers."""
    from eqprop.circuit import Parts
    from eqprop.curves import read_curve
    from eqprop.diodes import Diode, IdealDiode, ShockleyDiode
    from eqprop.resistive import Resistive

    lows, highs = own.g_min, own.g_max or (math.inf,)
    if len(lows) != len(highs) and 1 not in (len(lows), len(highs)):
        raise InputError(f"{len(lows)} smallest and {len(highs)} largest conductances; give one of each per layer, or one for all")
    count = max(len(lows), len(highs))
    pairs = tuple(zip(lows * (count // len(lows)), highs * (count // len(highs)), strict=True))
    if own.diode_curve is not None and own.diode_current is not None:
        raise InputError("diodes have either a saturation current or a measured curve; leave one of the two out")
    diode: Diode = IdealDiode() if own.diode_current is None else ShockleyDiode(own.diode_current, own.diode_scale)
    diode = diode if own.diode_curve is None else read_curve(own.diode_curve)
    parts = Parts(diode, own.voltage_gain, own.current_gain, own.input_gain, own.rail, pairs)
    return Resistive(blueprint.sizes, parts, gain=blueprint.gain, generator=generator, dtype=blueprint.dtype)


RESISTIVE = NetworkKind(_resistive, CircuitOptions, "circuit")


@dataclass(frozen=True)
class OscillatorOptions:
    """Drive of a network of oscillators.

    Attributes
    ----------
    input_gain, injection
        Strength of the inputs and of the second harmonic.
    """

    input_gain: Annotated[float, Gt(0)] = option(3.141592653589793, "Phase of a source per unit of input, in radian.")
    injection: Annotated[float, Ge(0)] = option(
        0.0, "Strength of the injected second harmonic, which locks phases to 0 and pi; 0: no injection."
    )


def _oscillator(blueprint: Blueprint, own: OscillatorOptions, generator: torch.Generator) -> Oscillators:
    """Return layers of coupled phase oscillators."""
    from eqprop.oscillator import Oscillators

    return Oscillators(
        blueprint.sizes,
        injection=own.injection,
        input_gain=own.input_gain,
        gain=blueprint.gain,
        generator=generator,
        dtype=blueprint.dtype,
    )


OSCILLATOR = NetworkKind(_oscillator, OscillatorOptions)


@dataclass(frozen=True)
class SpikingOptions:
    """Counting of spikes.

    Attributes
    ----------
    window
        Steps per count.
    """

    window: Annotated[int, Gt(0)] = option(64, "Number of time steps over which a unit's spikes are counted.")


@dataclass(frozen=True)
class GraphOptions:
    """Resistors of a graph and voltages of its sources.

    Attributes
    ----------
    rows, columns, links
        Size of the lattice, and number of its additional resistors.
    input_gain, rail
        Voltages of the sources.
    g_min, g_max
        Bounds of the conductances.
    """

    rows: Annotated[int, Gt(0)] = option(13, "Number of rows of the lattice.")
    columns: Annotated[int, Gt(0)] = option(13, "Number of columns of the lattice.")
    links: Annotated[int, Ge(0)] = option(6000, "Number of resistors between random nodes, beside those of the lattice.")
    input_gain: Annotated[float, Gt(0)] = option(20.0, "Source voltage per unit of input, in volt.")
    rail: Annotated[float, Ge(0)] = option(1.0, "Voltage of the two constant sources beside the inputs, in volt; 0: no such sources.")
    g_min: Annotated[float, Gt(0)] = option(1e-3, "Smallest conductance of a resistor, in siemens.")
    g_max: Annotated[float, Gt(0)] | None = option(None, "Largest conductance of a resistor, in siemens; none: no limit.")


def _resistor_graph(blueprint: Blueprint, own: GraphOptions, generator: torch.Generator) -> ResistorGraph:
    """Return resistors on a lattice with links, whose sources are the inputs and their mirror images."""
    from eqprop.lattice import scattered
    from eqprop.resistor_graph import ResistorGraph

    graph = scattered(
        (own.rows, own.columns),
        own.links,
        sources=2 * blueprint.num_inputs,
        outputs=blueprint.num_classes,
        rails=(own.rail, -own.rail) if own.rail else (),
        generator=generator,
    )
    bounds = (own.g_min, math.inf if own.g_max is None else own.g_max)
    return ResistorGraph(graph, bounds=bounds, input_gain=own.input_gain, mirrored=True, generator=generator, dtype=blueprint.dtype)


RESISTOR_GRAPH = NetworkKind(_resistor_graph, GraphOptions, "graph", uses=frozenset(), random_structure=True)


@dataclass(frozen=True)
class IsingMachineOptions:
    """Limits of the machine, and its outputs.

    Attributes
    ----------
    voters, field_limit, coupling_limit
        Number of spins per output, and limits of the fields and couplings.
    """

    voters: Annotated[int, Gt(0)] = option(4, "Number of output spins per class, whose share of votes is the output of the class.")
    field_limit: Annotated[float, Gt(0)] = option(4.0, "Largest field that the machine can apply to a hidden spin, dimensionless.")
    coupling_limit: Annotated[float, Gt(0)] = option(1.0, "Largest coupling of two spins that the machine can set, dimensionless.")


def _ising(blueprint: Blueprint, own: IsingMachineOptions, generator: torch.Generator) -> Ising:
    """Return an Ising machine with several output spins per class."""
    from eqprop.ising import Ising

    if len(blueprint.hidden) != 1:
        raise InputError(f"an Ising machine has one hidden layer, got {len(blueprint.hidden)}; give --hidden one number")
    return Ising(
        (blueprint.num_inputs, *blueprint.hidden, own.voters * blueprint.num_classes),
        field_limit=own.field_limit,
        coupling_limit=own.coupling_limit,
        voters=own.voters,
        gains=(blueprint.gain, blueprint.gain),
        generator=generator,
        dtype=blueprint.dtype,
    )


ISING = NetworkKind(_ising, IsingMachineOptions, dynamics=frozenset({"anneal"}), frozen_nudge=True)


def _spiking(blueprint: Blueprint, own: SpikingOptions, generator: torch.Generator) -> Layered:
    """Return a layered network of integrate-and-fire neurons."""
    from eqprop.spiking import spiking

    return spiking(
        blueprint.sizes,
        window=own.window,
        energy_scale=blueprint.energy_scale,
        gain=blueprint.gain,
        generator=generator,
        dtype=blueprint.dtype,
    )


SPIKING = NetworkKind(_spiking, SpikingOptions, uses=frozenset({"hidden", "energy_scale", "gain"}))


def _binary(blueprint: Blueprint, own: None, generator: torch.Generator) -> BinaryWeights:
    """Return a layered network whose weights are -1 or 1 times a scale of their layer."""
    from contrastive_core.networks.layered import Layered
    from eqprop.binary import BinaryWeights

    network = Layered(
        blueprint.sizes,
        activation=blueprint.activation,
        output_activation=blueprint.output_activation,
        energy_scale=blueprint.energy_scale,
        gain=blueprint.gain,
        generator=generator,
        dtype=blueprint.dtype,
    )
    return BinaryWeights(network)


BINARY = NetworkKind(_binary, uses=frozenset({"hidden", "activation", "output_activation", "energy_scale", "gain"}))
