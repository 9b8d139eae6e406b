"""Options of training on views: of one trial, and of the command that compares rules."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from contrastive_core.data.views import VIEWS
from contrastive_core.mixing import MIXINGS
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.sampling import SAMPLERS
from contrastive_core.training.optimisers import OPTIMISERS, SCHEDULES
from experiments.commandline.markers import OneOf
from experiments.commandline.quantities import Positive, PositiveFloat, Units, distinct
from experiments.setup.options import PlanOptions
from experiments.setup.rules import BASELINE, RULES


class ContrastiveOptions(PlanOptions):
    """One objective on views of one data set, whatever the rule.

    Attributes
    ----------
    cost, temperature, objective, labels
        The objective and its settings.
    sampling, sampler, after, mixing, mixer, momentum_keys
        Who meets whom in a batch, what is made of the outputs before the objective sees them, and the second network's keys.
    embedding
        Outputs of the network, which the objective sees.
    views, num_views, view_strength, view_growth
        What is shown of each sample.
    probe_train, probe_test, probe_split, neighbours
        What the representation is probed with.
    hidden, activation, output_activation, energy_scale, strength, frozen
        As for the other learning commands, with defaults that suit objectives.
    """

    cost: Annotated[str, OneOf("objective", OBJECTIVES)] = Field("nt-xent", description="Objective that the rules lower.")
    temperature: PositiveFloat | None = Field(0.2, description="Of the objective, if it has one; none is its own default.")
    objective: dict[str, Any] = Field({}, description="Further settings of the objective, by name.")
    labels: bool = Field(True, description="Show labels to objectives that need them; others never see any.")
    sampling: Annotated[str, OneOf("sampling", SAMPLERS)] = Field("shuffled", description="Who meets whom in a batch.")
    sampler: dict[str, Any] = Field({}, description="Settings of the sampling, by name.")
    after: str | None = Field(None, description="Earlier run of contrast: a stage whose clusters are told apart already (MCL).")
    mixing: Annotated[str, OneOf("mixing", MIXINGS)] | None = Field(None, description="What becomes of outputs before the objective.")
    mixer: dict[str, Any] = Field({}, description="Settings of the mixing, by name.")
    momentum_keys: float = Field(0.99, ge=0, lt=1, description="How slowly the network follows whose outputs are keys.")
    embedding: Units = Field(32, description="Output units.")
    views: Annotated[tuple[Annotated[str, OneOf("view", VIEWS)], ...], AfterValidator(distinct)] = Field(
        ("affine", "erase"), description="Augmentations, one after the other."
    )
    num_views: int = Field(2, ge=2, description="Views of each sample.")
    view_strength: float = Field(1.0, ge=0, description="Share of the augmentations' amplitudes.")
    view_growth: float = Field(0.0, ge=0, le=1, description="Share of the training over which that grows from 0.")
    probe_train: Positive = Field(6000, description="Training samples that probes learn from, at most.")
    probe_test: Positive = Field(4000, description="Samples that probes are tested on, at most.")
    probe_split: Literal["validation", "test"] = Field("test", description="Where those are from; settings are chosen on validation.")
    neighbours: Positive = Field(5, description="Neighbours that vote.")
    hidden: tuple[Units, ...] = Field((256,), min_length=1, description="Units of each hidden layer, from the inputs up.")
    activation: Annotated[str, OneOf("activation", ACTIVATIONS)] = Field("tanh", description="Of the hidden layers.")
    output_activation: Annotated[str, OneOf("activation", ACTIVATIONS)] = Field("tanh", description="Of the output layer.")
    energy_scale: float = Field(0.1, gt=0, le=1, description="Layer energy scale: feedback over forward coupling.")
    strength: PositiveFloat | None = Field(  # type: ignore[assignment]
        None, description="Nudging strength of EP, in units of the output layer's stiffness; none is the objective's own."
    )
    frozen: bool = Field(True, description="Hold the nudging force of the free state, which lets samples relax on their own.")
    epochs: Positive = Field(20, description="Passes over the training split.")
    batch_size: int = Field(128, ge=2, description="Samples per step.")
    optimiser: Annotated[str, OneOf("optimiser", OPTIMISERS)] = Field("adam", description="Optimiser.")
    learning_rates: tuple[PositiveFloat, ...] = Field((1e-3,), description="One for all layers, or one per layer from the inputs up.")
    schedule: Annotated[str, OneOf("schedule", SCHEDULES)] = Field("constant", description="Of the learning rates, per epoch.")
    clip_norm: PositiveFloat | None = Field(None, description="Largest norm of the gradient.")


class ContrastiveTrialOptions(ContrastiveOptions):
    """How one rule trains a network on views.

    Attributes
    ----------
    rule
        The learning rule.
    """

    rule: Annotated[str, OneOf("rule", RULES)] = Field("ep-centered", description="Learning rule.")


class ContrastOptions(ContrastiveOptions):
    """Rules and seeds; everything else is the same for all.

    Attributes
    ----------
    rules
        The learning rules.
    seeds
        How many seeds, from ``seed`` on; each gives every rule the same initial weights, data order and views.
    engine
        Where trials are computed.
    """

    rules: Annotated[tuple[Annotated[str, OneOf("rule", RULES)], ...], AfterValidator(distinct)] = Field(
        ("ep-centered", BASELINE), min_length=1, description="Rules to compare."
    )
    seeds: Positive = Field(3, description="Paired seeds per rule.")
    engine: str = Field(
        "process", exclude=True, description="serial, process:N, dask:N (by default one per core), tcp://HOST:PORT or a scheduler file."
    )
