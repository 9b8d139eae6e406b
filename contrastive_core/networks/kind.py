"""Kind of network as commands know it: its builder, its own options, and the common options that it uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contrastive_core.guards.typed import typed

if TYPE_CHECKING:
    import torch

    from contrastive_core.network import Network
    from contrastive_core.networks.activation import Activation


@dataclass(frozen=True)
class Blueprint:
    """Common options of networks, of which each kind uses some.

    Attributes
    ----------
    num_inputs, num_classes : int
        Values per sample and number of classes of the data.
    hidden : tuple of int
        Units of each hidden layer, from the inputs up.
    activation, output_activation : Activation
        Activation functions of the hidden layers and of the outputs.
    energy_scale : float
        Ratio of feedback to forward coupling between neighbouring layers.
    readout : bool
        Whether the outputs are a linear readout of the last hidden layer.
    gain : float
        Size of the initial weights, in units of 1/sqrt(fan-in).
    dtype : torch.dtype
        Type of the parameters.
    layers : str
        Layers in the notation of convolutional networks, from the inputs up.
    shape : tuple of int
        Channels, height and width of the pictures in the rows of inputs; empty if rows are vectors.
    modalities : tuple of int
        Values of each modality in a row of inputs; empty for one modality.
    """

    num_inputs: int
    num_classes: int
    hidden: tuple[int, ...]
    activation: Activation
    output_activation: Activation
    energy_scale: float
    readout: bool
    gain: float
    dtype: torch.dtype
    layers: str = ""
    shape: tuple[int, ...] = ()
    modalities: tuple[int, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of all layers, from the inputs to one output per class."""
        return (self.num_inputs, *self.hidden, self.num_classes)


@typed()
@dataclass(frozen=True)
class NetworkKind:
    """Everything that commands need to know about a kind of network.

    Attributes
    ----------
    build : callable
        ``build(blueprint, own, generator) -> Network``, with ``own`` an instance of ``options`` or None. It draws the initial
        parameters from the generator.
    options : type, optional
        Frozen dataclass of the options that this kind has for itself.
    section : str
        Name of their table in a configuration; empty for the name of the network.
    uses : frozenset of str
        Fields of :class:`Blueprint` that have an effect, beside the numbers of inputs and classes and the dtype.
    dynamics : frozenset of str
        Dynamics that only some networks follow, and this one does.
    unit_stiffness : bool
        Whether all nodes have the stiffness 1, so that their capacitance makes a temperature one in kelvin.
    frozen_nudge : bool
        Whether phases settle only under a nudge that is held constant, unless they anneal.
    random_structure : bool
        Whether the generator draws more than parameters, so that a checkpoint fits only the seed that it was trained from.
    """

    build: Callable[[Blueprint, Any, torch.Generator], Network]
    options: type[Any] | None = None
    section: str = ""
    uses: frozenset[str] = frozenset({"hidden", "gain"})
    dynamics: frozenset[str] = frozenset()
    unit_stiffness: bool = False
    frozen_nudge: bool = False
    random_structure: bool = False


SHARED = ("hidden", "layers", "activation", "output_activation", "energy_scale", "readout", "gain")
"""Fields of :class:`Blueprint` that a kind uses or not."""

INITIAL = frozenset({"hidden", "readout", "gain"})
"""Fields of ``SHARED`` in which a checkpoint may differ: parameters show the sizes, and the gain acts on initial ones only."""
