"""Dense and convolutional layered networks as kinds of network; torch is imported when one is built."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from contrastive_core.errors import InputError
from contrastive_core.networks.kind import SHARED, Blueprint, NetworkKind

if TYPE_CHECKING:
    import torch

    from contrastive_core.networks.layered import Layered


def _layered(blueprint: Blueprint, own: None, generator: torch.Generator) -> Layered:
    """Return a layered Hopfield network, with a readout or without."""
    from contrastive_core.networks.layered import Layered

    if blueprint.readout and not blueprint.hidden:
        raise InputError("a readout reads a hidden layer; give --hidden at least one layer")
    return Layered(
        blueprint.sizes[:-1] if blueprint.readout else blueprint.sizes,
        activation=blueprint.activation,
        output_activation=blueprint.output_activation,
        energy_scale=blueprint.energy_scale,
        readout=blueprint.num_classes if blueprint.readout else None,
        gain=blueprint.gain,
        generator=generator,
        dtype=blueprint.dtype,
    )


def _convolutional(blueprint: Blueprint, own: None, generator: torch.Generator) -> Layered:
    """Return a layered network of convolutions and rows of units, with a readout or without."""
    from contrastive_core.networks.layered import Layered
    from contrastive_core.networks.notation import convolutional

    if not blueprint.layers:
        raise InputError('a convolutional network needs its layers from the inputs up, such as --layers "32c5 p2 64c5 p2 10"')
    architecture = convolutional(blueprint.layers, blueprint.shape or (blueprint.num_inputs,))
    last = prod(architecture.shapes[-1])
    if not blueprint.readout and last != blueprint.num_classes:
        raise InputError(f"the last layer is that of the outputs, {blueprint.num_classes} here, and the layers end with {last} units")
    return Layered(
        architecture,
        activation=blueprint.activation,
        output_activation=blueprint.output_activation,
        energy_scale=blueprint.energy_scale,
        readout=blueprint.num_classes if blueprint.readout else None,
        gain=blueprint.gain,
        generator=generator,
        dtype=blueprint.dtype,
    )


LAYERED = NetworkKind(_layered, uses=frozenset(SHARED) - {"layers"}, unit_stiffness=True)

CONVOLUTIONAL = NetworkKind(_convolutional, uses=frozenset(SHARED) - {"hidden"}, unit_stiffness=True)
