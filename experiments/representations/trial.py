"""One network trained on views by one rule: the options, the trial, and what its representation is worth before and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from contrastive_core.data.views import VIEWS
from contrastive_core.mixing import MIXINGS
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.sampling import SAMPLERS
from contrastive_core.training.optimisers import OPTIMISERS, SCHEDULES
from experiments.commandline.markers import OneOf
from experiments.commandline.quantities import Positive, PositiveFloat, Units, distinct
from experiments.learning.train import PlanOptions, plan_of
from experiments.representations.build import build_contrasting, build_embedding, build_objective, judged, lowered, objective_setting
from experiments.representations.stages import earlier, staged
from experiments.representations.trained import Trained
from experiments.setup.build import architecture, load_data
from experiments.setup.rules import RULES
from experiments.setup.training_metrics import ORIGIN, SPENT, identity_of, origin, spent
from experiments.trials.experiment import Experiment, Metric, Outcome

if TYPE_CHECKING:
    from contrastive_core.training.loop import Progress


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


METRICS = {
    "network": Metric("layer sizes"),
    "probe_hidden": Metric("share of samples, of the test split by default, that a linear probe of the last hidden layer gets right"),
    "probe_output": Metric("the same of the outputs"),
    "lift_hidden": Metric("what training added to the probe of the hidden layer"),
    "lift_output": Metric("the same for the outputs"),
    "neighbours_hidden": Metric("share of those samples that their nearest neighbours in the hidden layer get right"),
    "neighbours_output": Metric("the same for the outputs"),
    "probe_stages": Metric("what a linear probe gets right of the outputs of this and all earlier stages side by side"),
    "untrained": Metric("the measures of the network with its initial weights"),
    "objective": Metric("the objective on views of that split"),
    "collapsed": Metric("the value that it would have there if all outputs were the same"),
    "view_error": Metric("share of views of that split whose nearest other view is no positive"),
    "alignment": Metric("mean squared distance of two views of a sample on the sphere"),
    "uniformity": Metric("log of the mean Gaussian potential of outputs on the sphere"),
    "tolerance": Metric("mean cosine of outputs of one class"),
    "isotropy": Metric("1 less the mean cosine of two outputs"),
    "rank_hidden": Metric("effective rank of the hidden layer"),
    "rank_output": Metric("effective rank of the outputs"),
    "hardness": Metric("share of the repulsion that comes from the hardest tenth of the negatives"),
    "gap": Metric("distance of the centres of first and second views on the sphere"),
    "separability": Metric("how well a hyperplane tells first from second views; 1/2 is not at all"),
    "shortest": Metric("least length of an output"),
    **SPENT,
    "seconds_per_sample": Metric("time to train on all views of a sample", "second", timing=True),
    "cpu_seconds_per_sample": Metric("processor time to train on all views of a sample", "second", timing=True),
    **ORIGIN,
}


def trial(
    options: ContrastiveTrialOptions,
    seed: int,
    *,
    checkpoint: Path | None = None,
    on_step: Callable[[Progress], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Outcome:
    """Measure an untrained network, train it on views, and measure it again.

    Parameters
    ----------
    options : ContrastiveTrialOptions
        Everything but the seed.
    seed : int
        Of initial weights, data order, views, extras and the rule's draws.
    checkpoint : Path, optional
        Written after every epoch, and gone on from if it is there.
    on_step, on_epoch : callable, optional
        Told how it goes.

    Returns
    -------
    Outcome
        The metrics of ``METRICS`` at the last epoch, a record per epoch, and what figures show.
    """
    from contrastive_core.training.loop import generator_of, train
    from experiments.representations.measures import measure, probe_of_stages

    splits = load_data(options)
    network, objective = build_embedding(options, splits, seed), build_objective(options)
    target = lowered(options, objective)
    objective = judged(objective, target)
    rule = RULES[options.rule](objective_setting(options, target))
    contrasting = build_contrasting(options, splits, target, network, rule, seed)
    stages = earlier(options, options.rule, seed, splits)
    contrasting = replace(contrasting, sampler=staged(contrasting.sampler, stages, generator_of(seed, 5)))
    before, pictured = measure(options, network, rule, contrasting, splits, objective)
    result = train(
        network, rule, objective, splits, replace(plan_of(options), keep_last=True), seed, contrasting=contrasting, checkpoint=checkpoint,
        identity=identity_of(options, seed, splits), on_step=on_step, on_epoch=on_epoch,
    )  # fmt: skip
    after, arrays = measure(options, network, rule, contrasting, splits, objective)
    seen = result.test if options.probe_split == "test" else result.validation
    last = Trained("", options.rule, seed, network, network, rule, splits)
    metrics: Mapping[str, Any] = {
        "network": architecture(network, splits._replace(num_classes=options.embedding)),
        "rule": options.rule,
        "seed": seed,
        **after,
        "lift_hidden": after["probe_hidden"] - before["probe_hidden"],
        "lift_output": after["probe_output"] - before["probe_output"],
        "probe_stages": probe_of_stages(options, [*stages, last], splits) if stages else None,
        "objective": seen.cost,
        "view_error": seen.error,
        "untrained": before,
        **spent(result.history, splits),
        **origin(splits),
    }
    return Outcome(metrics, result.history, arrays | {f"untrained_{name}": values for name, values in pictured.items()})


EXPERIMENT = Experiment(
    ContrastiveTrialOptions,
    trial,
    METRICS,
    headline=("probe_hidden", "probe_output", "lift_hidden", "lift_output"),
    checkpoints=True,
    live=True,
)
