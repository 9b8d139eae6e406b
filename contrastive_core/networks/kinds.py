"""Dense, convolutional and two-tower layered networks as kinds of network; torch is imported when one is built."""

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


def _towers(blueprint: Blueprint, own: None, generator: torch.Generator) -> Layered:
    """Return two towers, one for each modality of the inputs, or for each half of them; both have the same hidden layers."""
    from contrastive_core.networks.architecture import towers
    from contrastive_core.networks.layered import Layered

    inputs, outputs = blueprint.modalities or halved(blueprint.num_inputs), halved(blueprint.num_classes)
    if len(inputs) != 2 or 0 in (*inputs, *outputs):
        raise InputError(f"two towers need two inputs and two outputs or more, got modalities of {inputs} values and {outputs} outputs")
    first, second = ((width, *blueprint.hidden, last) for width, last in zip(inputs, outputs, strict=True))
    return Layered(
        towers(first, second),
        activation=blueprint.activation,
        output_activation=blueprint.output_activation,
        energy_scale=blueprint.energy_scale,
        gain=blueprint.gain,
        generator=generator,
        dtype=blueprint.dtype,
    )


def halved(count: int) -> tuple[int, int]:
    """Return two halves of a number, of which the first is larger by one if it is odd."""
    return (count + 1) // 2, count // 2


LAYERED = NetworkKind(_layered, uses=frozenset(SHARED) - {"layers"}, unit_stiffness=True)

CONVOLUTIONAL = NetworkKind(_convolutional, uses=frozenset(SHARED) - {"hidden"}, unit_stiffness=True)

TOWERS = NetworkKind(_towers, uses=frozenset(SHARED) - {"layers", "readout"}, unit_stiffness=True)
