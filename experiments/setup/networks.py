"""Networks of the learning commands, built from their options, and the options that have no effect on them."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from contrastive_core.errors import InputError
from contrastive_core.expect import expect
from contrastive_core.guards.foreign import foreign
from contrastive_core.networks.kind import SHARED
from eqprop import DYNAMICS as SPECIAL
from experiments.setup.own_options import network_fields, network_kind, network_options, section_of
from experiments.setup.tables import NETWORKS

if TYPE_CHECKING:
    import torch

    from contrastive_core.data.splits import Splits
    from contrastive_core.network import Network
    from experiments.setup.options import LearningOptions


def draw_network(options: LearningOptions, splits: Splits, generator: torch.Generator) -> Network:
    """Build the network that the options ask for, with initial parameters from the generator.

    Parameters
    ----------
    options : LearningOptions
        Network and its options.
    splits : Splits
        Data, for the numbers of inputs and classes.
    generator : torch.Generator
        Source of the initial parameters.

    Returns
    -------
    Network
        On the CPU.

    Raises
    ------
    InputError
        If the options contradict each other, a readout is asked for that the network does not have, or layers alone where it has none.
    """
    import torch

    from contrastive_core.network import Network
    from contrastive_core.networks import ACTIVATIONS
    from contrastive_core.networks.kind import Blueprint

    kind = network_kind(options.network)
    if options.readout and "readout" not in kind.uses:
        raise InputError(f"{_article(options.network)} network has its outputs inside the equilibrium; leave --readout out")
    hidden = type(options).model_fields["hidden"].get_default(call_default_factory=True)
    if options.layers and "layers" not in kind.uses and options.hidden == hidden:
        raise InputError(f"--layers has no effect on {_article(options.network)} network; give --network convolutional, or --hidden too")
    blueprint = Blueprint(
        num_inputs=splits.train.inputs.shape[1],
        num_classes=splits.num_classes,
        hidden=options.hidden,
        layers=options.layers,
        shape=splits.shape,
        modalities=tuple(prod(shape) for shape in splits.modalities),
        activation=ACTIVATIONS[options.activation],
        output_activation=ACTIVATIONS[options.output_activation],
        energy_scale=options.energy_scale,
        readout=options.readout,
        gain=options.gain,
        dtype=getattr(torch, options.dtype),
    )
    own = network_options(options, options.network)
    if options.network in NETWORKS:
        return kind.build(blueprint, own, generator)
    with foreign(f"the network {options.network!r} cannot be built"):
        network = kind.build(blueprint, own, generator)
    return expect(network, Network, f"the result of the network {options.network!r}", "see docs/how-to/plugins.md")


def without_effect(options: LearningOptions) -> list[str]:
    """Return a sentence for each option that was set but has no effect on the network, or does not suit it.

    Parameters
    ----------
    options : LearningOptions
        Options of any command that trains.

    Returns
    -------
    list of str
        Warnings for people.
    """
    fields, kind = type(options).model_fields, network_kind(options.network)
    own = section_of(options.network)
    unused = (*(name for name in SHARED if name not in {*kind.uses, "readout"}), *(name for name in network_fields() if name != own))
    names = [one for name in unused for one in _changed(name, getattr(options, name), fields[name].get_default(call_default_factory=True))]
    sentences = [f"{name.replace('_', '-')} has no effect on {_article(options.network)} network" for name in names]
    if options.network == "untied":
        sentences += _of_feedback(options)
    if kind.frozen_nudge and not options.frozen and options.dynamics not in SPECIAL and not options.node_temperature:
        sentences.append("a nudge that follows the votes lets go of a spin as soon as it turns, and phases do not settle; give --frozen")
    return sentences


def _changed(name: str, value: Any, default: Any) -> list[str]:
    """Return the name of an option that is not at its default; of a table the names of those of its options."""
    if value == default:
        return []
    if not isinstance(value, BaseModel):
        return [name]
    return [f"{name}-{field}" for field in type(value).model_fields if getattr(value, field) != getattr(default, field)]


def _of_feedback(options: LearningOptions) -> list[str]:
    settings, found = network_options(options, "untied"), []
    if options.layers and options.hidden != type(options).model_fields["hidden"].get_default(call_default_factory=True):
        found.append("--hidden has no effect with --layers, which name all layers")
    if settings.feedback == "sign" and settings.angle != type(settings)().angle:
        found.append("--untied-angle has no effect with --untied-feedback sign: the signs of the forward weights say the angle")
    if settings.feedback == "kolen-pollack" and getattr(options, "weight_decay", 1.0) == 0:
        found.append("--untied-feedback kolen-pollack without --weight-decay keeps the difference of feedback and forward weights for good")
    return found


def _article(network: str) -> str:
    return f"{'an' if network[0] in 'aeiou' else 'a'} {network}"
