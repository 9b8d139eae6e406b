"""Data, network and setting of a learning command, built from its options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from contrastive_core.costs import SAMPLE_COSTS
from contrastive_core.data.catalog import CATALOG
from contrastive_core.errors import InputError
from experiments.setup.anneal_options import AnnealOptions
from experiments.setup.data import read_data
from experiments.setup.devices import filed_device
from experiments.setup.dynamics import build_dynamics
from experiments.setup.networks import draw_network, without_effect
from experiments.setup.options import ContinuedOptions, LearningOptions, PlanOptions
from experiments.setup.own_options import instance, rule_options
from experiments.setup.parameters import begin
from experiments.setup.tables import ANNEAL

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from contrastive_core.cost import Cost
    from contrastive_core.data.splits import Splits
    from contrastive_core.network import Network
    from contrastive_core.rule import Rule, Setting
    from contrastive_core.training.plan import Plan


def load_data(options: LearningOptions, *, any_task: bool = False, in_parts: bool = False) -> Splits:
    """Return the splits that the options ask for, as :func:`~experiments.setup.data.read_data`, on the device that they name."""
    from contrastive_core.data.splits import place

    device = device_of(options)
    return place(read_data(options, any_task=any_task, in_parts=in_parts), device)


def device_of(options: LearningOptions) -> torch.device:
    """Return the device that the options ask for, or raise ``InputError`` where there is none."""
    return device_named(options.device)


def device_named(name: str, option: str = "--device") -> torch.device:
    """Return a device by name, "cpu" or "cuda", or raise ``InputError`` that names the option where there is none."""
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        built = "finds no device or no driver" if torch.version.cuda else "is built without CUDA"
        raise InputError(f"{option} cuda needs a CUDA device, and torch {torch.__version__} {built} here; use {option} cpu")
    return torch.device(name, 0) if name == "cuda" else torch.device(name)


def build_network(options: LearningOptions, splits: Splits, seed: int) -> Network:
    """Return the network with its initial weights, on the device that the options name; network and device share the seed."""
    network = ideal_network(options, splits, seed)
    if options.device_file is None:
        return network
    from contrastive_core.devices.on_device import OnDevice

    return OnDevice(network, filed_device(options.device_file, seed))


def ideal_network(options: LearningOptions, splits: Splits, seed: int) -> Network:
    """Return the network with its initial weights, which depend on the seed and on nothing else, and on no device."""
    from contrastive_core.generators import generator_of

    try:
        return draw_network(options, splits, generator_of(seed, 0)).to(device_of(options))
    except RuntimeError as error:  # torch's word for weights that do not fit into memory
        if options.layers:
            raise InputError(
                f"a network of the layers {options.layers!r} does not fit into memory; give fewer channels in --layers"
            ) from error
        sizes = "-".join(map(str, (splits.train.inputs.shape[1], *options.hidden, splits.num_classes)))
        raise InputError(f"a network of {sizes} units does not fit into memory; give fewer --hidden units") from error


def build_setting(options: LearningOptions, cost: Cost | None = None) -> Setting:
    """Return the setting from which every rule is built, of the cost that the options name or of another."""
    from contrastive_core.certificate import Stop
    from contrastive_core.cost import Cost
    from contrastive_core.rule import Setting, Settling

    # What thermal noise shakes never comes to rest: it has a time instead of a tolerance.
    free, nudged = (None, None) if options.node_temperature else (options.tolerance, options.nudged_tolerance)
    second = Stop(nudged, options.nudged_budget, options.unstable)
    settling = Settling(build_dynamics(options), Stop(free, options.budget), second, options.backend)
    chosen = SAMPLE_COSTS.made(options.cost, Cost) if cost is None else cost
    own: tuple[Any, ...] = tuple(instance(kind, options) for kind in rule_options(options))
    return Setting(chosen, settling, options.strength, options.fraction, options.frozen, own)


def plan_of(options: PlanOptions, rule: Rule | None = None) -> Plan:
    """Return the part of the options that training itself takes; a rule without tolerances that could follow the noise has none to."""
    from contrastive_core.training.following import follows
    from contrastive_core.training.plan import Plan

    names = set(Plan.__dataclass_fields__)
    if rule is not None and not follows(rule):
        names -= {"follow_noise", "noise_horizon"}
    return Plan(**{name: value for name, value in options.model_dump().items() if name in names})


class Prepared(NamedTuple):
    """Data, network and setting of one trial.

    Attributes
    ----------
    splits : Splits
        Data.
    network : Network
        Network with the weights that training starts from.
    setting : Setting
        Setting from which every rule is built.
    """

    splits: Splits
    network: Network
    setting: Setting


def prepare(options: LearningOptions, rule: str, seed: int) -> Prepared:
    """Build the data, the network and the setting of a trial from its options, rule and seed."""
    from contrastive_core.training.judge import require_cost

    splits, setting = load_data(options, any_task=True), build_setting(options)
    require_cost(setting.cost, splits, options.data)
    network = build_network(options, splits, seed)
    begin(network, options, rule, seed)
    return Prepared(splits, network, setting)


def architecture(network: Network, splits: Splits) -> str:
    """Return the layer sizes in the field's notation, such as 784-512-10, 784-32x12x12-10 or 784-64m16-10, a readout after a plus."""
    from contrastive_core.networks.layered import Layered

    memories = network.memories if isinstance(network, Layered) else ()
    layers = ["x".join(map(str, shape)) for shape in network.shapes]
    for index, kept in enumerate(memories):
        layers[index] += "".join(f"m{one.patterns}" for one in kept)
    sizes = "-".join((str(splits.train.inputs.shape[1]), *layers))
    return f"{sizes}+{splits.num_classes}" if network.has_readout else sizes


_FAR = 1000
"""Ratio to the usual deviation of standardised inputs from which on units cannot tell them apart."""
_STEPS = ("budget", "tolerance", "nudged_budget", "nudged_tolerance")


def unread(data: str, data_dir: Path | None) -> list[str]:
    """Return a sentence if a directory of files is given for data that are not read from files."""
    entry = CATALOG.get(data)
    if data_dir is None or entry is None or entry.kind in ("download", "folder"):
        return []
    return [f"--data-dir has no effect: {data} is {entry.kind} data and needs no files"]


def ignored(options: LearningOptions) -> list[str]:
    """Return a sentence for each option that has no effect beside the others."""
    fields = type(options).model_fields
    sentences = without_effect(options)
    if options.node_temperature:
        sentences.append("tolerances have no effect with a --node-temperature: phases last for their budgets")
    elif options.node_capacitance is not None:
        sentences.append("--node-capacitance has no effect without a --node-temperature")
    if isinstance(options, ContinuedOptions) and options.start_head == "fresh" and options.start_from is None:
        sentences.append("--start-head has no effect without --start-from: all weights are drawn from the seed")
    if options.dynamics != ANNEAL and options.anneal != AnnealOptions.model_validate({}):
        sentences.append(f"--anneal-... has no effect with --dynamics {options.dynamics}; give --dynamics {ANNEAL}")
    if options.dynamics == ANNEAL and any(getattr(options, name) != fields[name].default for name in _STEPS):
        sentences.append("budgets and tolerances have no effect with --dynamics anneal: a phase is one anneal")
    if options.standardise is not None and not 1 / _FAR <= options.standardise <= _FAR:
        effect = "saturate every unit" if options.standardise > 1 else "are next to nothing beside the biases"
        sentences.append(f"inputs of deviation {options.standardise:g} {effect}; --standardise 1 is usual")
    sentences += unread(options.data, options.data_dir)
    if options.readout and options.output_activation != "linear":
        sentences.append("--output-activation has no effect with --readout: the outputs are a linear readout of the last hidden layer")
    return sentences
