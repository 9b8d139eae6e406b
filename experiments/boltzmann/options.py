"""Options of ``eqlab boltzmann``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from contrastive_core.data import DATASETS
from experiments.commandline.markers import OneOf
from experiments.commandline.options import CommandOptions
from experiments.commandline.quantities import NotNegative, Positive, PositiveFloat, Units
from experiments.commandline.sections import COMPUTATION, DATA, NETWORK, OPTIMISATION, RULE, Section
from experiments.setup.tables import RULES

LEARNING = ("exact", "cd", "pcd", "tempered", "parallel-tempering", "mean-field", "tap", "pseudo-likelihood", "conditional")
"""Names of ``hebbian.boltzmann.learning.LEARNING``, which help may list without importing torch."""

MEASURES = Section("Measures", 55)
UnitName = Literal["binary", "spin", "gaussian"]


class MachineOptions(CommandOptions):
    """A Boltzmann machine, its data, its training and what is measured.

    Attributes
    ----------
    data, data_dir, train_size, pixels, labels
        Data of the visible units.
    hidden, visible_units, hidden_units, lateral, gain
        The machine.
    learning, sweeps, chains, replicas, hottest, posterior_sweeps, sites
        Way to learn, and its chains.
    epochs, batch_size, learning_rate, final_rate, momentum, weight_decay
        Descent.
    every, test_size, anneals, anneal_steps, enumerate_most, mixing_sweeps, fantasies, beside
        Likelihood, mixing, samples and rules to compare with.
    """

    data: Annotated[str, OneOf("data set", DATASETS), DATA] = Field("bars-and-stripes", description="Data set to model.")
    data_dir: Annotated[Path | None, DATA] = Field(
        None, exclude=True, description="Directory with the files of the data set; none: download them once and cache them."
    )
    train_size: Annotated[Positive | None, DATA] = Field(None, description="Number of training samples to use; none: all of them.")
    pixels: Annotated[Literal["sampled", "threshold", "grey"], DATA] = Field(
        "threshold",
        description="Values of discrete visible units: drawn for every batch with the pixel as their chance (sampled), 1 above half of "
        "the range (threshold), or the pixels themselves as means (grey). Gaussian units always have standardised pixels.",
    )
    labels: Annotated[bool, DATA] = Field(
        False, description="Add a visible unit per class, so that the machine also classifies, by the likelihood of each class."
    )
    hidden: Annotated[tuple[Units, ...], NETWORK] = Field(
        (16,), min_length=0, description="Number of units in each hidden layer: one layer is a restricted machine, several are a deep one."
    )
    visible_units: Annotated[UnitName, NETWORK] = Field(
        "binary", description="Visible units: binary (0 and 1), spin (-1 and 1), or gaussian for real values."
    )
    hidden_units: Annotated[UnitName, NETWORK] = Field(
        "binary", description="Hidden units: binary (0 and 1), spin (-1 and 1), or gaussian, which makes a Hopfield network of spins."
    )
    lateral: Annotated[bool, NETWORK] = Field(
        False, description="Couple the units of each layer with each other, which makes a general machine, sampled unit by unit."
    )
    gain: Annotated[NotNegative, NETWORK] = Field(
        0.1, description="Standard deviation of the initial weights; .01 is usual for large machines."
    )
    learning: Annotated[str, OneOf("way to learn", LEARNING), RULE] = Field(
        "pcd",
        description="Gradient: exact sums over states (at most 25 units), chains restarted at data (cd) or kept (pcd), kept chains with "
        "tempered transitions, replicas that are exchanged (parallel-tempering), mean fields, TAP equations, the pseudo-likelihood, or the "
        "likelihood of labels given inputs (conditional, with --labels).",
    )
    sweeps: Annotated[Positive, RULE] = Field(1, description="Gibbs sweeps, or mean-field iterations, per update: the k of CD-k.")
    chains: Annotated[int, Field(ge=2), RULE] = Field(100, description="Number of kept chains.")
    replicas: Annotated[int, Field(ge=2), RULE] = Field(
        10, description="Number of points between independent units and the machine, for tempered and parallel-tempering."
    )
    hottest: Annotated[float, Field(ge=0, lt=1), RULE] = Field(
        0.0, description="Point at the far end: 0 for independent units with the means of the data, up to below 1, the machine."
    )
    posterior_sweeps: Annotated[Positive, RULE] = Field(
        10, description="Mean-field sweeps over the hidden units at data, for deep and general machines."
    )
    sites: Annotated[Positive, RULE] = Field(32, description="Visible units per batch from which the pseudo-likelihood is estimated.")
    epochs: Annotated[Positive, OPTIMISATION] = Field(100, description="Number of passes over the training split.")
    batch_size: Annotated[Positive, OPTIMISATION] = Field(8, description="Samples per update.")
    learning_rate: Annotated[PositiveFloat, OPTIMISATION] = Field(0.1, description="Learning rate of the first epoch.")
    final_rate: Annotated[float, OPTIMISATION] = Field(
        0.1, ge=0, le=1, description="Rate of the last epoch over that of the first; it falls linearly, or kept chains lag behind."
    )
    momentum: Annotated[float, OPTIMISATION] = Field(0.0, ge=0, lt=1, description="Momentum of the descent.")
    weight_decay: Annotated[NotNegative, OPTIMISATION] = Field(0.0, description="Decay of the weights, not of the biases.")
    every: Annotated[Positive, MEASURES] = Field(10, description="Epochs between two measurements of the likelihood.")
    test_size: Annotated[Positive, MEASURES] = Field(10_000, description="Largest number of samples whose likelihood is measured.")
    anneals: Annotated[int, Field(ge=2), MEASURES] = Field(
        100, description="Runs of annealed importance sampling, where log Z is not enumerated."
    )
    anneal_steps: Annotated[int, Field(ge=10), MEASURES] = Field(
        1000, description="Steps of each run; the measurement after training takes ten times as many."
    )
    enumerate_most: Annotated[int, Field(ge=0, le=25), MEASURES] = Field(
        16, description="Units up to which log Z is enumerated instead of estimated, at most 25."
    )
    mixing_sweeps: Annotated[int, Field(ge=50), MEASURES] = Field(
        500, description="Sweeps of the trained machine from which the autocorrelation of its energy is measured."
    )
    fantasies: Annotated[int, Field(ge=1, le=400), MEASURES] = Field(36, description="Number of samples of the machine to show.")
    beside: Annotated[tuple[Annotated[str, OneOf("rule", RULES)], ...], MEASURES] = Field(
        (),
        description="Learning rules that train a layered network with the same hidden layers on the same values of the pixels, such as "
        "ep-centered,contrastive-hebbian, to compare their test errors; with --labels. A single hidden layer starts from the same weights.",
    )


class MachineRunOptions(MachineOptions, section=COMPUTATION):
    """A training run, and where it is computed.

    Attributes
    ----------
    engine
        Engine that computes.
    """

    engine: str = Field(
        "serial",
        exclude=True,
        description="Engine that computes the trial: serial, process:1, dask:1, tcp://HOST:PORT or a scheduler file.",
    )
