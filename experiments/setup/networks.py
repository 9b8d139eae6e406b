"""Builders of layered, resistive and oscillator networks from the options of a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.errors import InputError
from contrastive_core.networks import ACTIVATIONS

if TYPE_CHECKING:
    import torch

    from contrastive_core.data.splits import Splits
    from contrastive_core.network import Network
    from eqprop.oscillator import Oscillators
    from eqprop.resistive import Resistive
    from experiments.setup.options import LearningOptions


_UNITS = ("activation", "output_activation")
_OWN = {"resistive": "circuit", "resistor-graph": "graph", "oscillator": "oscillator", "ising": "ising", "spiking": "spiking"}
"""The options that say something about one network only."""

NO_EFFECT = {
    "layered": (),
    "resistive": (*_UNITS, "energy_scale"),
    "resistor-graph": (*_UNITS, "energy_scale", "hidden", "gain"),
    "oscillator": (*_UNITS, "energy_scale"),
    "ising": (*_UNITS, "energy_scale"),
    "spiking": _UNITS,
    "binary": (),
}
"""By network, the options of all networks that say nothing about it."""


def layered(options: LearningOptions, splits: Splits, generator: torch.Generator) -> Network:
    """Return a layered Hopfield network, with a readout or without."""
    import torch

    from contrastive_core.networks.layered import Layered

    num_inputs = splits.train.inputs.shape[1]
    if options.readout:
        if not options.hidden:
            raise InputError("a readout reads a hidden layer; give --hidden at least one layer")
        sizes, readout = (num_inputs, *options.hidden), splits.num_classes
    else:
        sizes, readout = (num_inputs, *options.hidden, splits.num_classes), None
    return Layered(
        sizes,
        activation=ACTIVATIONS[options.activation],
        output_activation=ACTIVATIONS[options.output_activation],
        energy_scale=options.energy_scale,
        readout=readout,
        gain=options.gain,
        generator=generator,
        dtype=getattr(torch, options.dtype),
    )


def resistive(options: LearningOptions, splits: Splits, generator: torch.Generator) -> Resistive:
    """Return a deep resistive network."""
    import math

    import torch

    from eqprop.circuit import Parts
    from eqprop.curves import read_curve
    from eqprop.diodes import Diode, IdealDiode, ShockleyDiode
    from eqprop.resistive import Resistive

    if options.readout:
        raise InputError("the outputs of a resistive network are nodes of it; leave --readout out")
    circuit = options.circuit
    lows, highs = circuit.g_min, circuit.g_max or (math.inf,)
    if len(lows) != len(highs) and 1 not in (len(lows), len(highs)):
        raise InputError(f"{len(lows)} smallest and {len(highs)} largest conductances; give one of each per layer, or one for all")
    count = max(len(lows), len(highs))
    pairs = tuple(zip(lows * (count // len(lows)), highs * (count // len(highs)), strict=True))
    if circuit.diode_curve is not None and circuit.diode_current is not None:
        raise InputError("diodes have either a saturation current or a measured curve; leave one of the two out")
    diode: Diode = IdealDiode() if circuit.diode_current is None else ShockleyDiode(circuit.diode_current, circuit.diode_scale)
    diode = diode if circuit.diode_curve is None else read_curve(circuit.diode_curve)
    parts = Parts(diode, circuit.voltage_gain, circuit.current_gain, circuit.input_gain, circuit.rail, pairs)
    sizes = (splits.train.inputs.shape[1], *options.hidden, splits.num_classes)
    return Resistive(sizes, parts, gain=options.gain, generator=generator, dtype=getattr(torch, options.dtype))


def oscillator(options: LearningOptions, splits: Splits, generator: torch.Generator) -> Oscillators:
    """Return layers of oscillators."""
    import torch

    from eqprop.oscillator import Oscillators

    if options.readout:
        raise InputError("the outputs of oscillators are the cosines of their last layer; leave --readout out")
    sizes = (splits.train.inputs.shape[1], *options.hidden, splits.num_classes)
    given = options.oscillator
    return Oscillators(
        sizes,
        injection=given.injection,
        input_gain=given.input_gain,
        gain=options.gain,
        generator=generator,
        dtype=getattr(torch, options.dtype),
    )


def without_effect(options: LearningOptions) -> list[str]:
    """Return a sentence for each option that was set but says nothing about the network, or does not suit it.

    Parameters
    ----------
    options : LearningOptions
        Of any command that trains.

    Returns
    -------
    list of str
        For people.
    """
    fields = type(options).model_fields
    others = (name for network, name in _OWN.items() if network != options.network)
    silent = (*NO_EFFECT[options.network], *others)
    names = [name for name in silent if getattr(options, name) != fields[name].get_default(call_default_factory=True)]
    article = "an" if options.network[0] in "aeiou" else "a"
    sentences = [f"{name.replace('_', '-')} has no effect on {article} {options.network} network" for name in names]
    if options.network == "ising" and not options.frozen and options.dynamics != "anneal":
        sentences.append("a nudge that follows the votes lets go of a spin as soon as it turns, and phases do not settle; give --frozen")
    return sentences
