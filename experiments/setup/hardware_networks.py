"""Builders of networks of neuromorphic hardware from the options of a command."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from contrastive_core.errors import InputError
from contrastive_core.networks import ACTIVATIONS

if TYPE_CHECKING:
    import torch

    from contrastive_core.data.splits import Splits
    from contrastive_core.networks.layered import Layered
    from eqprop.binary import BinaryWeights
    from eqprop.ising import Ising
    from eqprop.resistor_graph import ResistorGraph
    from experiments.setup.options import LearningOptions


def _dtype(options: LearningOptions) -> torch.dtype:
    import torch

    dtype: torch.dtype = getattr(torch, options.dtype)
    return dtype


def _no_readout(options: LearningOptions, outputs: str) -> None:
    if options.readout:
        raise InputError(f"the outputs {outputs}; leave --readout out")


def spiking(options: LearningOptions, splits: Splits, generator: torch.Generator) -> Layered:
    """Return a layered network of integrate-and-fire neurons."""
    from eqprop.spiking import spiking as build

    _no_readout(options, "of a spiking network are neurons of it")
    return build(
        (splits.train.inputs.shape[1], *options.hidden, splits.num_classes),
        window=options.spiking.window,
        energy_scale=options.energy_scale,
        gain=options.gain,
        generator=generator,
        dtype=_dtype(options),
    )


def binary(options: LearningOptions, splits: Splits, generator: torch.Generator) -> BinaryWeights:
    """Return a layered network with binary weights."""
    from contrastive_core.networks.layered import Layered
    from eqprop.binary import BinaryWeights

    _no_readout(options, "of a network with binary weights are units of it")
    network = Layered(
        (splits.train.inputs.shape[1], *options.hidden, splits.num_classes),
        activation=ACTIVATIONS[options.activation],
        output_activation=ACTIVATIONS[options.output_activation],
        energy_scale=options.energy_scale,
        gain=options.gain,
        generator=generator,
        dtype=_dtype(options),
    )
    return BinaryWeights(network)


def resistor_graph(options: LearningOptions, splits: Splits, generator: torch.Generator) -> ResistorGraph:
    """Return resistors on a lattice with links, whose sources are the inputs and their mirror images."""
    from eqprop.lattice import scattered
    from eqprop.resistor_graph import ResistorGraph

    _no_readout(options, "of a graph of resistors are nodes of it")
    given = options.graph
    graph = scattered(
        (given.rows, given.columns),
        given.links,
        sources=2 * splits.train.inputs.shape[1],
        outputs=splits.num_classes,
        rails=(given.rail, -given.rail) if given.rail else (),
        generator=generator,
    )
    bounds = (given.g_min, math.inf if given.g_max is None else given.g_max)
    return ResistorGraph(graph, bounds=bounds, input_gain=given.input_gain, mirrored=True, generator=generator, dtype=_dtype(options))


def ising(options: LearningOptions, splits: Splits, generator: torch.Generator) -> Ising:
    """Return an Ising machine with several output spins per class."""
    from eqprop.ising import Ising

    _no_readout(options, "of an Ising machine are spins of it")
    if len(options.hidden) != 1:
        raise InputError(f"an Ising machine has one hidden layer, got {len(options.hidden)}; give --hidden one number")
    given = options.ising
    return Ising(
        (splits.train.inputs.shape[1], *options.hidden, given.voters * splits.num_classes),
        field_limit=given.field_limit,
        coupling_limit=given.coupling_limit,
        voters=given.voters,
        gains=(options.gain, options.gain),
        generator=generator,
        dtype=_dtype(options),
    )
