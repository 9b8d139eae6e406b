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
from experiments.commandline.sections import COMPUTATION, DATA, NETWORK, RELAXATION, RULE
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

    data: Annotated[str, OneOf("data set", DATASETS), DATA] = Field("digits", description="Data set to learn.")
    data_dir: Annotated[Path | None, DATA] = Field(
        None, exclude=True, description="Directory with the IDX files of the data set; none: download them once and cache them."
    )
    data_seed: Annotated[int, Field(ge=0), DATA] = Field(
        0, description="Seed of generated data (two-moons, teacher) and of the random split of digits-shuffled."
    )
    train_size: Annotated[Positive | None, DATA] = Field(
        None, description="Number of training samples to use, such as 500; none: all of them."
    )
    network: Annotated[str, OneOf("network", BUILDERS), NETWORK] = Field("layered", description="Network to train.")
    hidden: Annotated[tuple[Units, ...], NETWORK] = Field(
        (256,), description="Number of units in each hidden layer, from the inputs up, such as 128,64."
    )
    activation: Annotated[str, OneOf("activation", ACTIVATIONS), NETWORK] = Field(
        "hard-sigmoid", description="Activation function of the hidden layers."
    )
    output_activation: Annotated[str, OneOf("activation", ACTIVATIONS), NETWORK] = Field(
        "linear", description="Activation function of the output layer."
    )
    energy_scale: Annotated[float, NETWORK] = Field(
        1.0, gt=0, le=1, description="Ratio of feedback to forward coupling between neighbouring layers, above 0 and at most 1."
    )
    readout: Annotated[bool, NETWORK] = Field(
        False, description="Compute the outputs by a linear readout of the last hidden layer, outside the equilibrium."
    )
    gain: Annotated[PositiveFloat, NETWORK] = Field(
        0.7, description="Size of the initial weights, which are uniform in +-gain/sqrt(fan-in)."
    )
    dtype: Annotated[Literal["float32", "float64"], COMPUTATION] = Field("float32", description="Floating-point type of all computations.")
    circuit: CircuitOptions = Field(
        default_factory=lambda: CircuitOptions.model_validate({}), description="Settings of a resistive network."
    )
    oscillator: OscillatorOptions = Field(
        default_factory=lambda: OscillatorOptions.model_validate({}), description="Settings of a network of oscillators."
    )
    graph: GraphOptions = Field(default_factory=lambda: GraphOptions.model_validate({}), description="Settings of a graph of resistors.")
    ising: IsingOptions = Field(default_factory=lambda: IsingOptions.model_validate({}), description="Settings of an Ising machine.")
    spiking: SpikingOptions = Field(default_factory=lambda: SpikingOptions.model_validate({}), description="Settings of a spiking network.")
    cost: Annotated[str, OneOf("cost", SAMPLE_COSTS), RULE] = Field("squared-error", description="Cost that learning lowers.")
    dynamics: Annotated[str, OneOf("dynamics", DYNAMICS), RELAXATION] = Field(
        "forward",
        description="Dynamics of the free phase; kernels compute block descent (forward, backward, even-odd) and anneal, torch the others.",
    )
    anneal: AnnealOptions = Field(
        default_factory=lambda: AnnealOptions.model_validate({}), description="Settings of the anneals of an Ising machine."
    )
    over_relaxation: Annotated[float, RELAXATION] = Field(
        1.0,
        gt=0,
        lt=2,
        description="Over-relaxation factor of a sweep, between 0 and 2; 1 moves each layer to its minimum. Other factors have kernels for "
        "layered networks with several hidden layers only.",
    )
    step: Annotated[PositiveFloat | None, RELAXATION] = Field(
        None, description="Euler step of gradient-flow and momentum; none: the default step of the dynamics."
    )
    tolerance: Annotated[Annotated[float, Field(ge=0)] | None, RELAXATION] = Field(
        1e-3, description="Residual at which a sample's free phase stops; none: run the whole budget."
    )
    budget: Annotated[Positive, RELAXATION] = Field(100, description="Largest number of sweeps in a free phase.")
    node_temperature: Annotated[float, RELAXATION] = Field(
        0.0,
        ge=0,
        description="Temperature of thermal noise, in units of the energy, or in kelvin with --node-capacitance; 0: no noise.",
    )
    node_capacitance: Annotated[PositiveFloat | None, RELAXATION] = Field(
        None, description="Capacitance of a node in farad, such as 1e-12, for states in volt; --node-temperature is then in kelvin."
    )
    nudged_tolerance: Annotated[Annotated[float, Field(ge=0)] | None, RELAXATION] = Field(
        1e-3, description="Residual, relative to the contrast, at which a sample's nudged phase stops; none: run the whole budget."
    )
    nudged_budget: Annotated[Positive, RELAXATION] = Field(100, description="Largest number of sweeps in a nudged phase.")
    unstable: Annotated[bool, RELAXATION] = Field(
        False, description="Run nudged phases for their whole budget even where their energy has no minimum."
    )
    strength: Annotated[PositiveFloat, RULE] = Field(
        0.1, description="Nudging strength (beta) of equilibrium propagation, in units of the output layer's stiffness; often 0.02 to 0.5."
    )
    frozen: Annotated[bool, RULE] = Field(
        False, description="Keep the nudging force as it is in the free state, instead of letting it follow the outputs."
    )
    fraction: Annotated[PositiveFloat, RULE] = Field(
        0.1, description="Fraction (eta) of the step towards lower cost at which coupled learning holds the outputs; often 0.02 to 0.5."
    )
    backend: Annotated[str, OneOf("backend", BACKEND_NAMES), COMPUTATION] = Field(
        "auto",
        exclude=True,
        description="Implementation of relaxations: a compiled kernel (numba, cuda), the reference (torch), or a kernel if one covers the "
        "case (auto).",
    )
    device: Annotated[str, OneOf("device", DEVICES), COMPUTATION] = Field(
        "cpu", exclude=True, description="Device on which all tensors are computed."
    )
    homeostasis: Annotated[float, RULE] = Field(
        0.0,
        ge=0,
        description="Weight of the penalty on the Jacobian's asymmetry in equilibrium propagation without tied feedback; 0: no penalty.",
    )
    unroll: Annotated[Positive | None, RULE] = Field(
        None, description="Number of relaxation steps that the unrolled rule goes back through; none: all of them."
    )


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
