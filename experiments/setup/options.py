"""Options that all learning commands share, and those of the commands that train."""

import operator
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from contrastive_core.costs import SAMPLE_COSTS
from contrastive_core.data.views import VIEWS
from contrastive_core.kernels import BACKEND_NAMES
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.training.optimisers import OPTIMISERS, SCHEDULES
from experiments.commandline.markers import FromFile, OneOf
from experiments.commandline.quantities import Positive, PositiveFloat, Units, distinct
from experiments.commandline.sections import COMPUTATION, DATA, DEVICE, NETWORK, OPTIMISATION, RELAXATION, RULE
from experiments.setup.anneal_options import AnnealOptions
from experiments.setup.data_options import DataOptions
from experiments.setup.devices import checked_device
from experiments.setup.own_options import options_of_network, settings_of_rule, with_own_options
from experiments.setup.tables import DYNAMICS, NETWORKS, RULES

DEVICES = ("cpu", "cuda")
"""Kinds of device that a command can compute on; of several CUDA devices it takes the first that is visible."""


RuleName = Annotated[str, OneOf("rule", RULES, brings=settings_of_rule)]
"""Name of a learning rule, which brings its own settings along."""


NetworkName = Annotated[str, OneOf("network", NETWORKS, brings=options_of_network)]
"""Name of a network, which brings its own options along."""


@with_own_options
class LearningOptions(DataOptions):
    """One network, cost, relaxation and data set, whatever the rule.

    Options that belong to one network or rule are declared with it, and added here from the tables.

    Attributes
    ----------
    network, hidden, layers, activation, output_activation, energy_scale, readout, gain, dtype
        Network.
    cost, dynamics, step, node_temperature, node_capacitance, tolerance, budget, nudged_tolerance, nudged_budget, unstable, backend
        Cost and relaxation.
    over_relaxation, anneal
        Over-relaxation of sweeps, and anneals of spins.
    strength, frozen, fraction
        Strength of nudges and holds.
    device_file
        Settings of the device that holds the weights.
    device
        Device of all tensors.
    """

    network: Annotated[NetworkName, NETWORK] = Field("layered", description="Network to train.")
    hidden: Annotated[tuple[Units, ...], NETWORK] = Field(
        (256,), description="Number of units in each hidden layer, from the inputs up, such as 128,64."
    )
    layers: Annotated[str, NETWORK] = Field(
        "",
        exclude_if=operator.not_,
        description="Layers of a convolutional network from the inputs up, such as '32c5 p2 64c5 p2 10': 32 channels by filters of 5x5, "
        "maxima of 2x2, and so on up to 10 outputs. '64m16' is a row of 64 units with 16 memories.",
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
    # A file is read once, and its settings are what is recorded: FromFile has the reasons.
    device_file: Annotated[dict[str, Any] | None, FromFile(checked_device), DEVICE] = Field(
        None,
        exclude_if=operator.not_,
        description="Imperfect device that holds the weights: the path of a device.toml, or of the run of a fit; none: ideal weights.",
    )
    dtype: Annotated[Literal["float32", "float64"], COMPUTATION] = Field("float32", description="Floating-point type of all computations.")
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
        description="Implementation of relaxations: a compiled kernel (numba, cuda), convolutions kept until something moves (cached), "
        "the reference (torch), or the fastest that covers the case (auto).",
    )
    device: Annotated[str, OneOf("device", DEVICES), COMPUTATION] = Field(
        "cpu", exclude=True, description="Device on which all tensors are computed."
    )


class PlanOptions(LearningOptions, section=OPTIMISATION):
    """Training of a network.

    Attributes
    ----------
    epochs, batch_size, patience
        Length of the training, and size of a batch.
    augment
        Augmentation of training samples.
    optimiser, learning_rates, momentum, weight_decay, schedule, decay, clip_norm
        Update of the parameters by the gradient.
    """

    epochs: Positive = Field(20, description="Number of passes over the training split.")
    batch_size: Positive = Field(32, description="Number of samples per update.")
    optimiser: Annotated[str, OneOf("optimiser", OPTIMISERS)] = Field(
        "sgd", description="Optimiser that turns gradients into updates of the parameters."
    )
    learning_rates: tuple[PositiveFloat, ...] = Field(
        (0.05,), description="Learning rate of all layers, or one per layer from the inputs up, such as 0.1,0.02."
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum, or decay of the first moment for adaptive optimisers; below 1.")
    weight_decay: float = Field(0.0, ge=0, description="Coefficient of weight decay, such as 1e-4; 0: no decay.")
    schedule: Annotated[str, OneOf("schedule", SCHEDULES)] = Field("cosine", description="Schedule of the learning rates over the epochs.")
    decay: PositiveFloat = Field(0.99, description="Factor per epoch of the exponential schedule.")
    augment: Annotated[tuple[Annotated[str, OneOf("view", VIEWS)], ...], AfterValidator(distinct), DATA] = Field(
        (),
        exclude_if=operator.not_,
        description="Augmentations through which training samples are shown, drawn anew in every epoch, such as crop,flip.",
    )
    clip_norm: PositiveFloat | None = Field(1.0, description="Largest norm of a gradient, to which longer ones are scaled; none: no limit.")
    patience: Positive | None = Field(
        None, description="Number of epochs without a better validation error after which training stops; none: never."
    )


class ContinuedOptions(PlanOptions, section=OPTIMISATION):
    """Training that may start from the parameters of an earlier one.

    Attributes
    ----------
    start_from, start_head
        Earlier run or checkpoint, and what becomes of its last layer.
    """

    # Recorded only where they are set, because earlier runs do not have them and must still resume.
    start_from: str | None = Field(
        None,
        exclude_if=operator.not_,
        description="Earlier run whose parameters training starts from (fine-tuning), by name or path, or a checkpoint of it. A run of "
        "several networks gives that of the same rule and seed; none: weights drawn from the seed.",
    )
    start_head: Literal["kept", "fresh"] = Field(
        "kept",
        exclude_if=partial(operator.eq, "kept"),
        description="Weights of the outputs after --start-from: those of the earlier run, or fresh ones drawn from the seed, which may be "
        "of another number of outputs.",
    )


class FollowingOptions(PlanOptions, section=RELAXATION):
    """Training whose tolerances may follow the noise of mini-batches.

    Attributes
    ----------
    follow_noise, noise_horizon
        Largest error of relaxations in units of the noise, and number of updates over which both add up.
    """

    # Recorded only where they are set, as --start-from.
    follow_noise: PositiveFloat | None = Field(
        None,
        exclude_if=operator.not_,
        description="Error of relaxations as a share of the mini-batches' noise, such as 0.1: tolerances begin as given and are then "
        "estimated anew during training; none: fixed tolerances.",
    )
    noise_horizon: Positive | None = Field(
        None,
        exclude_if=operator.not_,
        description="Number of updates over which error and noise add up before --follow-noise compares them; 1 compares those of a "
        "mini-batch; none: the updates of an epoch.",
    )


class TrainOptions(PlanOptions, section=RULE):
    """Training of a network by one rule.

    Attributes
    ----------
    rule
        The learning rule.
    """

    rule: RuleName = Field("ep-centered", description="Learning rule to train with.")


class TrialOptions(TrainOptions, ContinuedOptions, FollowingOptions, section=RELAXATION):
    """Training of a network by one rule, its memory between epochs, and the epoch that it keeps.

    Attributes
    ----------
    warm_start
        Whether a sample's free phase starts where it ended at the last visit.
    keep_last
        Whether the weights of the last epoch are kept, and not those of the epoch that validation chooses.
    """

    warm_start: bool = Field(
        False, description="Start each sample's free phase at the state of the epoch before; all states are kept in memory."
    )
    # Recorded only where it is set: runs and checkpoints from before it existed hold no such setting, and must still resume.
    keep_last: Annotated[bool, OPTIMISATION] = Field(
        False,
        exclude_if=operator.not_,
        description="Keep and test the weights of the last epoch, instead of the epoch with the smallest validation error.",
    )
