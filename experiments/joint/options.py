"""Options of ``eqlab joint``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from contrastive_core.data import DATASETS
from contrastive_core.joint import ARMS
from contrastive_core.networks import ACTIVATIONS
from experiments.commandline.markers import OneOf
from experiments.commandline.options import CommandOptions
from experiments.commandline.quantities import NotNegative, Positive, PositiveFloat, Units, distinct
from experiments.commandline.sections import COMPUTATION, DATA, NETWORK, OPTIMISATION, RELAXATION, RULE, Section

SAMPLES = Section("Samples of the model", 52)
ATTACKS = Section("Attacks", 51)
MEASURES = Section("Measures", 55)
ArmName = Annotated[str, OneOf("arm", ARMS)]
"""Name of a way to train."""


class JointSettings(CommandOptions):
    """A classifier that is also a density, its data, its training and what is measured; everything but the way to train.

    Attributes
    ----------
    data, data_dir, train_size
        Pictures, with values from 0 to 1.
    network, hidden, layers, activation, energy_scale, gain
        The network.
    rule, strength, tolerance, budget
        Rule that infers and learns, and its relaxation.
    epochs, batch_size, warmup, learning_rate, weight_decay, average
        Training.
    radius, attack_steps, attack_rate
        Attacks to train on.
    ascent_rate, most_steps, raise_at, window, langevin_steps, langevin_rate, langevin_noise, chains, restart
        Samples to contrast data with.
    radii, test_steps, restarts, test_size, sample_steps, fantasies
        Measures.
    """

    data: Annotated[str, OneOf("data set", DATASETS), DATA] = Field("digits", description="Pictures to learn, with values from 0 to 1.")
    data_dir: Annotated[Path | None, DATA] = Field(
        None, exclude=True, description="Directory with the files of the data set; none: download them once and cache them."
    )
    train_size: Annotated[Positive | None, DATA] = Field(None, description="Number of training samples to use; none: all of them.")
    network: Annotated[Literal["layered", "convolutional"], NETWORK] = Field(
        "layered", description="Network: rows of units, or convolutions and poolings."
    )
    hidden: Annotated[tuple[Units, ...], NETWORK] = Field(
        (256, 256), description="Number of units in each hidden layer of a layered network, from the inputs up."
    )
    layers: Annotated[str, NETWORK] = Field(
        "", description="Layers of a convolutional network from the inputs up, such as '16c3+1 a2 32c3+1 a2 10'."
    )
    activation: Annotated[str, OneOf("activation", ACTIVATIONS), NETWORK] = Field(
        "tanh", description="Activation function of the hidden layers; saturated units of a hard one have no gradient."
    )
    energy_scale: Annotated[float, NETWORK] = Field(
        0.3, gt=0, le=1, description="Ratio of feedback to forward coupling of a network that settles."
    )
    gain: Annotated[PositiveFloat, NETWORK] = Field(
        0.7, description="Size of the initial weights, which are uniform in +-gain/sqrt(fan-in)."
    )
    rule: Annotated[Literal["backprop", "ep-centered", "ep-positive", "implicit"], RULE] = Field(
        "backprop",
        description="Rule that infers and learns: the feedforward network by backprop, or an equilibrium network by contrasts of nudged "
        "states (ep-...) or by the exact adjoint (implicit), which then also give the gradient of the inputs.",
    )
    strength: Annotated[PositiveFloat, RULE] = Field(0.1, description="Nudging strength (beta) of ep-..., in units of output stiffness.")
    tolerance: Annotated[PositiveFloat, RELAXATION] = Field(
        1e-3, description="Residual at which phases of an equilibrium network stop, relative to the contrast in nudged ones."
    )
    budget: Annotated[Positive, RELAXATION] = Field(100, description="Largest number of sweeps in a phase of an equilibrium network.")
    epochs: Annotated[Positive, OPTIMISATION] = Field(40, description="Number of passes over the training split.")
    batch_size: Annotated[Positive, OPTIMISATION] = Field(64, description="Number of samples per update.")
    warmup: Annotated[int, OPTIMISATION] = Field(
        10, ge=0, description="Epochs of adversarial training with which dat begins, before it draws samples."
    )
    learning_rate: Annotated[PositiveFloat, OPTIMISATION] = Field(2e-3, description="Learning rate of Adam, the same for all epochs.")
    weight_decay: Annotated[NotNegative, OPTIMISATION] = Field(0.0, description="Coefficient of weight decay; 0: no decay.")
    average: Annotated[float, OPTIMISATION] = Field(
        0.99, ge=0, lt=1, description="Share of the averaged parameters that each update keeps; the averaged network is measured."
    )
    radius: Annotated[NotNegative, ATTACKS] = Field(0.5, description="Euclidean radius of the attacks that adversarial and dat train on.")
    attack_steps: Annotated[Positive, ATTACKS] = Field(10, description="Gradient steps of an attack in training.")
    attack_rate: Annotated[PositiveFloat, ATTACKS] = Field(0.1, description="Length of a step of an attack in training.")
    ascent_rate: Annotated[PositiveFloat, SAMPLES] = Field(0.2, description="Length of a step from noise towards a sample of dat.")
    most_steps: Annotated[Positive, SAMPLES] = Field(40, description="Largest number of steps towards a sample of dat; it starts at 0.")
    raise_at: Annotated[float, SAMPLES] = Field(
        0.8, ge=0.5, le=1, description="Area under the curve of telling data from samples at which samples of dat take one more step."
    )
    window: Annotated[Positive, SAMPLES] = Field(1000, description="Number of training samples over which that area is averaged.")
    langevin_steps: Annotated[Positive, SAMPLES] = Field(20, description="Steps of a Langevin chain of sgld per update.")
    langevin_rate: Annotated[PositiveFloat, SAMPLES] = Field(1.0, description="Factor of the gradient in a step of sgld.")
    langevin_noise: Annotated[NotNegative, SAMPLES] = Field(0.01, description="Standard deviation of the noise in a step of sgld.")
    chains: Annotated[Positive, SAMPLES] = Field(1000, description="Number of chains that sgld keeps between updates.")
    restart: Annotated[float, SAMPLES] = Field(0.05, ge=0, le=1, description="Chance that a chain of sgld restarts from noise at a use.")
    radii: Annotated[tuple[NotNegative, ...], MEASURES] = Field(
        (0.25, 0.5, 1.0, 2.0), min_length=1, description="Euclidean radii of the attacks under which accuracy is measured."
    )
    test_steps: Annotated[Positive, MEASURES] = Field(20, description="Gradient steps of an attack in measurements.")
    restarts: Annotated[Positive, MEASURES] = Field(3, description="Attacks from random starts, beside the one that starts at the sample.")
    test_size: Annotated[int, Field(ge=12), MEASURES] = Field(
        500, description="Largest number of test samples under attack, and of samples compared with test data."
    )
    sample_steps: Annotated[Positive | None, MEASURES] = Field(
        None, description="Steps from noise to a measured sample; none: those that the training of dat has reached, else --most-steps."
    )
    fantasies: Annotated[int, Field(ge=12, le=60), MEASURES] = Field(24, description="Number of samples of each arm to show.")


class JointTrialOptions(JointSettings, section=RULE):
    """One way to train.

    Attributes
    ----------
    arm
        The way.
    """

    arm: ArmName = Field("dat", description="Way to train the classifier.")


class JointOptions(JointSettings):
    """Ways to train and seeds; everything else is the same for all.

    Attributes
    ----------
    arms
        The ways to train.
    seeds
        Number of seeds, from ``seed`` on; each gives the same initial weights and data order to every arm.
    engine
        Engine that computes the trials.
    """

    arms: Annotated[tuple[ArmName, ...], AfterValidator(distinct), RULE] = Field(
        tuple(ARMS),
        min_length=1,
        description="Ways to train to compare: cross-entropy (standard), cross-entropy under attack (adversarial), with the discrimination "
        "of data from ascents to samples (dat), or with the likelihood by Langevin chains (sgld).",
    )
    seeds: Annotated[Positive, RULE] = Field(
        1, description="Number of paired seeds, each of which gives every arm the same initial weights and data order."
    )
    engine: Annotated[str, COMPUTATION] = Field(
        "process",
        exclude=True,
        description="Engine that computes the trials: serial, process:N, dask:N (by default one worker per core), tcp://HOST:PORT or "
        "a scheduler file.",
    )
