"""Layered Hopfield network as a kind of network; torch is imported when one is built."""

from __future__ import annotations

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


LAYERED = NetworkKind(_layered, uses=frozenset(SHARED), unit_stiffness=True)
