"""Options of one network or one dynamics each."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from experiments.commandline.options import Options
from experiments.commandline.quantities import NotNegative, Positive, PositiveFloat
from experiments.commandline.sections import Section


class CircuitOptions(Options, section=Section("Network resistive")):
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

    input_gain: PositiveFloat = Field(100.0, description="Source voltage per unit of input, in volt.")
    rail: NotNegative = Field(1.0, description="Voltage of the two constant sources beside the inputs, in volt; 0: no such sources.")
    voltage_gain: PositiveFloat = Field(1.0, description="Voltage gain of the amplifiers between layers; 1: no amplifiers.")
    current_gain: PositiveFloat | None = Field(None, description="Gain of the current fed back between layers; none: 1/voltage gain.")
    g_min: tuple[NotNegative, ...] = Field(
        (0.0,), min_length=1, description="Smallest conductance in siemens, for all layers or one per layer."
    )
    g_max: tuple[PositiveFloat, ...] | None = Field(
        None, description="Largest conductance in siemens, for all layers or one per layer; none: no limit."
    )
    diode_current: PositiveFloat | None = Field(
        None, description="Saturation current of Shockley diodes in ampere, such as 1e-9; none: ideal diodes."
    )
    diode_scale: PositiveFloat = Field(0.02585, description="Thermal voltage times emission coefficient of Shockley diodes, in volt.")
    diode_curve: Path | None = Field(
        None, description="CSV or NPZ file with a measured curve of the diodes, voltages in volt and currents in ampere; none: no curve."
    )


class OscillatorOptions(Options, section=Section("Network oscillator")):
    """Drive of a network of oscillators.

    Attributes
    ----------
    input_gain, injection
        Strength of the inputs and of the second harmonic.
    """

    input_gain: PositiveFloat = Field(3.141592653589793, description="Phase of a source per unit of input, in radian.")
    injection: NotNegative = Field(
        0.0, description="Strength of the injected second harmonic, which locks phases to 0 and pi; 0: no injection."
    )


class SpikingOptions(Options, section=Section("Network spiking")):
    """Counting of spikes.

    Attributes
    ----------
    window
        Steps per count.
    """

    window: Positive = Field(64, description="Number of time steps over which a unit's spikes are counted.")


class GraphOptions(Options, section=Section("Network resistor-graph")):
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

    rows: Positive = Field(13, description="Number of rows of the lattice.")
    columns: Positive = Field(13, description="Number of columns of the lattice.")
    links: Annotated[int, Field(ge=0)] = Field(6000, description="Number of resistors between random nodes, beside those of the lattice.")
    input_gain: PositiveFloat = Field(20.0, description="Source voltage per unit of input, in volt.")
    rail: NotNegative = Field(1.0, description="Voltage of the two constant sources beside the inputs, in volt; 0: no such sources.")
    g_min: PositiveFloat = Field(1e-3, description="Smallest conductance of a resistor, in siemens.")
    g_max: PositiveFloat | None = Field(None, description="Largest conductance of a resistor, in siemens; none: no limit.")


class IsingMachineOptions(Options, section=Section("Network ising")):
    """Limits of the machine, and its outputs.

    Attributes
    ----------
    voters, field_limit, coupling_limit
        Number of spins per output, and limits of the fields and couplings.
    """

    voters: Positive = Field(4, description="Number of output spins per class, whose share of votes is the output of the class.")
    field_limit: PositiveFloat = Field(4.0, description="Largest field that the machine can apply to a hidden spin, dimensionless.")
    coupling_limit: PositiveFloat = Field(1.0, description="Largest coupling of two spins that the machine can set, dimensionless.")


class AnnealOptions(Options, section=Section("Dynamics anneal")):
    """Schedule by which an Ising machine anneals.

    Attributes
    ----------
    reads, sweeps
        Number of anneals per free phase, and of sweeps per anneal.
    hot, cold, reverse
        Inverse temperatures, and the position between them at which a nudged phase starts.
    """

    reads: Positive = Field(10, description="Number of anneals per free phase, of which the one with the lowest energy counts.")
    sweeps: Positive = Field(100, description="Number of sweeps per anneal.")
    hot: PositiveFloat = Field(0.1, description="Inverse temperature at which a free anneal starts, in 1/energy.")
    cold: PositiveFloat = Field(10.0, description="Inverse temperature at which an anneal ends, in 1/energy.")
    reverse: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Position between --anneal-hot (0, forgets the free state) and --anneal-cold (1) at which a nudged phase starts.",
    )
