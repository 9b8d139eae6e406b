"""What the learning commands have in common: the options of network, cost, relaxation and data, and what is built from them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from contrastive_core.costs import SAMPLE_COSTS
from contrastive_core.data import DATASETS
from contrastive_core.data.catalog import describe
from contrastive_core.errors import InputError
from contrastive_core.kernels import BACKEND_NAMES
from contrastive_core.networks import ACTIVATIONS
from experiments.commandline.markers import OneOf
from experiments.commandline.options import CommandOptions
from experiments.commandline.quantities import Positive, PositiveFloat, Units
from experiments.setup.dynamics import ANNEAL, DYNAMICS, AnnealOptions, build_dynamics
from experiments.setup.hardware_networks import GraphOptions, IsingOptions, SpikingOptions
from experiments.setup.networks import BUILDERS, CircuitOptions, OscillatorOptions, without_effect

if TYPE_CHECKING:
    import torch

    from contrastive_core.cost import Cost
    from contrastive_core.data.splits import Splits
    from contrastive_core.network import Network
    from contrastive_core.rule import Setting


DEVICES = ("cpu", "cuda")
"""Kinds of device that a command can compute on; of several CUDA devices it takes the first that is visible."""


class LearningOptions(CommandOptions):
    """One network, cost, relaxation and data set, whatever the rule.

    Attributes
    ----------
    data, data_dir, data_seed, train_size
        Samples.
    network, hidden, activation, output_activation, energy_scale, readout, gain, dtype
        Network.
    circuit, oscillator, graph, ising, spiking
        What belongs to one network only.
    cost, dynamics, step, node_temperature, node_capacitance, tolerance, budget, nudged_tolerance, nudged_budget, unstable, backend
        Cost and relaxation.
    over_relaxation, anneal
        How far a sweep of the relaxation moves a layer, and how spins anneal.
    strength, frozen, fraction, homeostasis, unroll
        What the rules need.
    device
        Where all tensors are.
    """

    data: Annotated[str, OneOf("data set", DATASETS)] = Field("digits", description="Data set.")
    data_dir: Path | None = Field(None, exclude=True, description="Directory of IDX files; none downloads and caches.")
    data_seed: Annotated[int, Field(ge=0)] = Field(0, description="Of computed samples, or of a split at random (digits-shuffled).")
    train_size: Positive | None = Field(None, description="Use only so many training samples.")
    network: Annotated[str, OneOf("network", BUILDERS)] = Field("layered", description="What is trained.")
    hidden: tuple[Units, ...] = Field((256,), description="Units of each hidden layer, from the inputs up.")
    activation: Annotated[str, OneOf("activation", ACTIVATIONS)] = Field("hard-sigmoid", description="Of the hidden layers.")
    output_activation: Annotated[str, OneOf("activation", ACTIVATIONS)] = Field("linear", description="Of the output layer.")
    energy_scale: float = Field(1.0, gt=0, le=1, description="Layer energy scale: feedback over forward coupling.")
    readout: bool = Field(False, description="Read the outputs out of the last hidden layer, outside the equilibrium.")
    gain: PositiveFloat = Field(0.7, description="Initial weights are uniform in +-gain/sqrt(fan-in).")
    dtype: Literal["float32", "float64"] = Field("float32", description="Of all computations.")
    circuit: CircuitOptions = Field(default_factory=lambda: CircuitOptions.model_validate({}), description="Of a resistive network.")
    oscillator: OscillatorOptions = Field(default_factory=lambda: OscillatorOptions.model_validate({}), description="Of oscillators.")
    graph: GraphOptions = Field(default_factory=lambda: GraphOptions.model_validate({}), description="Of resistors on a graph.")
    ising: IsingOptions = Field(default_factory=lambda: IsingOptions.model_validate({}), description="Of an Ising machine.")
    spiking: SpikingOptions = Field(default_factory=lambda: SpikingOptions.model_validate({}), description="Of a spiking network.")
    cost: Annotated[str, OneOf("cost", SAMPLE_COSTS)] = Field("squared-error", description="Cost that the rules lower.")
    dynamics: Annotated[str, OneOf("dynamics", DYNAMICS)] = Field(
        "forward",
        description="Of the free phase; kernels do block descent (forward, backward, even-odd) and anneal, torch the others.",
    )
    anneal: AnnealOptions = Field(default_factory=lambda: AnnealOptions.model_validate({}), description="Of --dynamics anneal.")
    over_relaxation: float = Field(
        1.0, gt=0, lt=2, description="How far a sweep moves a layer; 1 is to its minimum. Kernels do more in deep networks."
    )
    step: PositiveFloat | None = Field(None, description="Euler step of gradient-flow and momentum; none for their own.")
    tolerance: Annotated[float, Field(ge=0)] | None = Field(1e-3, description="Residual at which a sample's free phase stops.")
    budget: Positive = Field(100, description="Most sweeps of a free phase.")
    node_temperature: float = Field(0.0, ge=0, description="Of thermal noise, in units of the energy; in kelvin with a capacitance.")
    node_capacitance: PositiveFloat | None = Field(
        None, description="Farad of a node whose unit is a volt: the temperature is then in kelvin."
    )
    nudged_tolerance: Annotated[float, Field(ge=0)] | None = Field(
        1e-3, description="The same for the later phases, relative to the size of their contrast."
    )
    nudged_budget: Positive = Field(100, description="Most sweeps of a later phase.")
    unstable: bool = Field(False, description="Run nudged phases to the end of their budget even where their energy has no minimum.")
    strength: PositiveFloat = Field(0.1, description="Nudging strength of EP, in units of the output layer's stiffness.")
    frozen: bool = Field(False, description="Hold the nudging force of the free state instead of letting it follow.")
    fraction: PositiveFloat = Field(0.1, description="How far coupled learning holds the outputs towards lower cost.")
    backend: Annotated[str, OneOf("backend", BACKEND_NAMES)] = Field(
        "auto", exclude=True, description="What computes the relaxations: a kernel, the torch reference, or a kernel where there is one."
    )
    device: Annotated[str, OneOf("device", DEVICES)] = Field("cpu", exclude=True, description="Where all tensors are.")
    homeostasis: float = Field(0.0, ge=0, description="Weight of the Jacobian's asymmetry in EP, where feedback is not tied; 0 for none.")
    unroll: Positive | None = Field(None, description="Steps that BPTT goes back through; none for the whole relaxation.")


def load_data(options: LearningOptions) -> Splits:
    """Return the splits that the options ask for; what is drawn follows from a seed of its own, whatever the training seed."""
    from contrastive_core.data.splits import limit, place

    check_data_seed(options)
    device = device_of(options)
    splits = _read(options.data, options.data_dir, options.data_seed)
    return place(splits if options.train_size is None else limit(splits, train=options.train_size), device)


def check_data_seed(options: LearningOptions) -> None:
    """Refuse a seed for data that nothing is drawn of."""
    from contrastive_core.data.catalog import CATALOG

    if options.data_seed and not CATALOG[options.data].seeded:
        seeded = ", ".join(name for name, entry in CATALOG.items() if entry.seeded)
        raise InputError(f"nothing of {options.data} follows from --data-seed, got {options.data_seed}; leave it out, or take {seeded}")


def device_of(options: LearningOptions) -> torch.device:
    """Return the device that the options ask for, or raise ``InputError`` where there is none."""
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        built = "finds no device or no driver" if torch.version.cuda else "is built without CUDA"
        raise InputError(f"--device cuda needs a CUDA device, and torch {torch.__version__} {built} here; use --device cpu")
    return torch.device(options.device, 0) if options.device == "cuda" else torch.device(options.device)


@lru_cache(maxsize=1)
def _read(name: str, data_dir: Path | None, seed: int) -> Splits:
    return DATASETS[name](data_dir, seed)


def build_network(options: LearningOptions, splits: Splits, seed: int) -> Network:
    """Return the network with its initial weights, which depend on the seed and on nothing else, not on the device either."""
    from contrastive_core.training.loop import generator_of

    try:
        return BUILDERS[options.network](options, splits, generator_of(seed, 0)).to(device_of(options))
    except RuntimeError as error:  # torch's word for weights that do not fit into memory
        sizes = "-".join(map(str, (splits.train.inputs.shape[1], *options.hidden, splits.num_classes)))
        raise InputError(f"a network of {sizes} units does not fit into memory; give fewer --hidden units") from error


def build_setting(options: LearningOptions, cost: Cost | None = None) -> Setting:
    """Return the setting from which every rule is built, of the cost that the options name or of another."""
    from contrastive_core.certificate import Stop
    from contrastive_core.rule import Setting, Settling

    # What thermal noise shakes never comes to rest: it has a time instead of a tolerance.
    free, nudged = (None, None) if options.node_temperature else (options.tolerance, options.nudged_tolerance)
    second = Stop(nudged, options.nudged_budget, options.unstable)
    settling = Settling(build_dynamics(options), Stop(free, options.budget), second, options.backend)
    chosen = SAMPLE_COSTS[options.cost]() if cost is None else cost
    return Setting(chosen, settling, options.strength, options.fraction, options.frozen, options.unroll, options.homeostasis)


def architecture(network: Network, splits: Splits) -> str:
    """Return the layer sizes in the field's notation, such as 784-512-10, a readout after a plus."""
    sizes = "-".join(map(str, (splits.train.inputs.shape[1], *network.sizes)))
    return f"{sizes}+{splits.num_classes}" if network.has_readout else sizes


_STEPS = ("budget", "tolerance", "nudged_budget", "nudged_tolerance")


def ignored(options: LearningOptions) -> list[str]:
    """Return a sentence for each option that has no effect beside the others."""
    kind, fields = describe(options.data).kind, type(options).model_fields
    sentences = without_effect(options)
    if options.node_temperature:
        sentences.append("tolerances have no effect with a --node-temperature: phases last for their budgets")
    elif options.node_capacitance is not None:
        sentences.append("--node-capacitance has no effect without a --node-temperature")
    if options.dynamics != ANNEAL and options.anneal != AnnealOptions.model_validate({}):
        sentences.append(f"--anneal-... has no effect with --dynamics {options.dynamics}; give --dynamics {ANNEAL}")
    if options.dynamics == ANNEAL and any(getattr(options, name) != fields[name].default for name in _STEPS):
        sentences.append("budgets and tolerances have no effect with --dynamics anneal: a phase is one anneal")
    if options.data_dir is not None and kind != "download":
        sentences.append(f"--data-dir has no effect: {options.data} is {kind} data and needs no files")
    if options.readout and options.output_activation != "linear":
        sentences.append("--output-activation has no effect with --readout: the outputs are a linear readout of the last hidden layer")
    return sentences
