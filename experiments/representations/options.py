"""Options of training on views: of one trial, and of the command that compares rules."""

from __future__ import annotations

import operator
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from contrastive_core.costs import TERMS
from contrastive_core.data.views import VIEWS
from contrastive_core.mixing import MIXINGS
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.sampling import SAMPLERS
from contrastive_core.training.optimisers import OPTIMISERS, SCHEDULES
from experiments.commandline.markers import OneOf
from experiments.commandline.quantities import Positive, PositiveFloat, Units, distinct
from experiments.commandline.sections import COMPUTATION, DATA, NETWORK, RULE, Section
from experiments.setup.objectives import embedding_step
from experiments.setup.options import ContinuedOptions, RuleName
from experiments.setup.tables import BASELINE

OBJECTIVE = Section("Objective", 30)
AUGMENTATION = Section("Views", 12)
PROBES = Section("Probes", 60)


def _chosen(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return augmentations, each once; none of them for the single name ``none``."""
    if "none" in names and len(names) > 1:
        raise ValueError(f"none is no augmentation among others, got {','.join(names)}; give none alone, or leave it out")
    return () if names == ("none",) else distinct(names)


class ContrastiveOptions(ContinuedOptions):
    """One objective on views of one data set, whatever the rule.

    Attributes
    ----------
    cost, temperature, objective, inside, labels
        The objective and its settings, and that inside each modality.
    sampling, sampler, codes_of, after, mixing, mixer, momentum_keys, teacher, teacher_space
        Composition of batches with the run that gives codes, mixing of the outputs before the objective, momentum of the network that
        makes keys, and a frozen teacher with the space of its targets.
    embedding
        Outputs of the network, which the objective sees.
    views, num_views, crops, crop_area, view_strength, view_growth, ordered_views
        Views of each sample.
    classes, replay
        Classes that are shown, and replayed samples of the others.
    latent_views, generated, components, codes
        Generator of views and samples.
    attack, attack_radius, attack_steps
        Perturbation of views.
    probe_train, probe_test, probe_split, neighbours
        Probes of the representation.
    hidden, activation, output_activation, energy_scale, strength, frozen
        Network and nudge, with defaults that suit objectives.
    epochs, batch_size, optimiser, learning_rates, schedule, clip_norm
        Options of the other learning commands, with defaults that suit objectives.
    """

    cost: Annotated[str, OneOf("objective", OBJECTIVES, terms=TERMS)] = Field(
        "nt-xent",
        description="Objective that learning lowers, or a weighted sum such as 'clip + 0.5 nt-xent(temperature=0.1) + 0..0.1 uniformity', "
        "whose terms may be costs of samples too: cross-entropy, squared-error, reconstruction, replaced-detection.",
    )
    temperature: Annotated[PositiveFloat | None, OBJECTIVE] = Field(
        0.2, description="Temperature of the objective, if it has one; none: the objective's own default."
    )
    objective: dict[str, Any] = Field({}, description="Further settings of the objective, by name.")
    labels: Annotated[bool, OBJECTIVE] = Field(
        True, description="Show labels to objectives that need them; other objectives never see any."
    )
    inside: Annotated[Annotated[str, OneOf("objective", OBJECTIVES, terms=TERMS)] | None, OBJECTIVE] = Field(
        None,
        exclude_if=operator.not_,
        description="Objective inside each modality, on two views of each sample, beside --cost between them (--network towers), such as "
        "nt-xent or '0.5 nt-xent'; none: between the modalities alone.",
    )
    sampling: Annotated[str, OneOf("sampling", SAMPLERS), OBJECTIVE] = Field(
        "shuffled", description="Sampling of the samples that meet in a batch."
    )
    sampler: dict[str, Any] = Field({}, description="Settings of the sampling, by name.")
    codes_of: Annotated[str | None, OBJECTIVE] = Field(
        None,
        exclude_if=operator.not_,
        description="Earlier run of train, compare or contrast, such as that of an autoencoder, whose last hidden layer gives the codes "
        "that --sampling one-per-class clusters (G-SimCLR); none: the inputs are clustered.",
    )
    after: Annotated[str | None, OBJECTIVE] = Field(
        None, description="Earlier run of contrast as the stage before, whose clusters are told apart already (MCL); none: a first stage."
    )
    mixing: Annotated[Annotated[str, OneOf("mixing", MIXINGS)] | None, OBJECTIVE] = Field(
        None, description="Mixing of the outputs before the objective; none: no mixing."
    )
    mixer: dict[str, Any] = Field({}, description="Settings of the mixing, by name.")
    momentum_keys: Annotated[float, OBJECTIVE] = Field(
        0.99, ge=0, lt=1, description="Momentum of the network whose outputs are keys, from 0 to below 1; larger values follow more slowly."
    )
    # Recorded only where it is set: earlier runs do not have it, and must still resume.
    teacher: Annotated[str | None, OBJECTIVE] = Field(
        None,
        exclude_if=operator.not_,
        description="Earlier run of train, compare or contrast whose network teaches objectives of a teacher, such as "
        "relation-distillation, and stays as it is; none: the momentum encoder teaches.",
    )
    teacher_space: Annotated[Literal["as-is", "whitened", "independent"], OBJECTIVE] = Field(
        "as-is",
        exclude_if=partial(operator.eq, "as-is"),
        description="Space of the teacher's targets: its outputs as they are, whitened, or whitened and rotated to independent components "
        "(DefSent+). The report tells how isotropic the targets are.",
    )
    embedding: Annotated[Units, NETWORK] = Field(
        8,
        description="Number of output units, the width of the embedding. Its default grows to the next multiple of an objective's number of"
        " heads or size of groups.",
    )
    views: Annotated[tuple[Annotated[str, OneOf("view", VIEWS, "none")], ...], AfterValidator(_chosen), AUGMENTATION] = Field(
        ("affine", "erase"), description="Augmentations that make a view, one after the other; none: every view shows the sample as it is."
    )
    num_views: Annotated[int, AUGMENTATION] = Field(
        2, ge=1, description="Number of views of each sample; 1 for two modalities alone, the default of --network towers without --inside."
    )
    crops: Annotated[int, AUGMENTATION] = Field(
        0,
        ge=0,
        exclude_if=operator.not_,
        description="Number of further views that show a small window of the picture at low resolution (multi-crop, SwAV).",
    )
    crop_area: Annotated[tuple[PositiveFloat, ...], AUGMENTATION] = Field(
        (0.2, 0.5),
        min_length=2,
        max_length=2,
        exclude_if=partial(operator.eq, (0.2, 0.5)),
        description="Smallest and largest area of a small window, as shares of the picture.",
    )
    view_strength: Annotated[float, AUGMENTATION] = Field(
        0.5, ge=0, description="Factor of the augmentations' amplitudes; 1: full amplitude."
    )
    view_growth: Annotated[float, AUGMENTATION] = Field(
        0.0, ge=0, le=1, description="Fraction of the training over which the amplitudes grow from 0."
    )
    ordered_views: Annotated[bool, AUGMENTATION] = Field(
        False,
        exclude_if=operator.not_,
        description="Give the views of a sample growing strengths: the first of M has 1/M of the strength, the last all of it.",
    )
    # Recorded only where they are set, because earlier runs do not have them.
    classes: Annotated[tuple[Annotated[int, Field(ge=0)], ...], AfterValidator(distinct), DATA] = Field(
        (),
        exclude_if=operator.not_,
        description="Classes whose training samples are shown, such as 5,6,7,8,9; probes still judge all classes. Empty: all classes.",
    )
    replay: Annotated[int, DATA] = Field(
        0, ge=0, exclude_if=operator.not_, description="Training samples of each class that --classes leaves out, to be shown all the same."
    )
    latent_views: Annotated[Literal["none", "residual", "code", "both"], AUGMENTATION] = Field(
        "none",
        exclude_if=partial(operator.eq, "none"),
        description="Latents of a generator, fitted to the training samples, that every view draws anew as far as its strength goes: fine "
        "details (residual), the code inside a sample's component, or both.",
    )
    generated: Annotated[int, DATA] = Field(
        0, ge=0, exclude_if=operator.not_, description="Number of generated samples that are shown beside the real training samples."
    )
    components: Annotated[Positive, AUGMENTATION] = Field(
        20, exclude_if=partial(operator.eq, 20), description="Number of Gaussian components of the generator."
    )
    codes: Annotated[Positive, AUGMENTATION] = Field(
        16, exclude_if=partial(operator.eq, 16), description="Number of principal components in a code of the generator."
    )
    attack: Annotated[Literal["none", "test", "positives", "all"], AUGMENTATION] = Field(
        "none",
        exclude_if=partial(operator.eq, "none"),
        description="Perturbation of views by the gradient of the inputs: measured after training (test), and also trained on, as worst "
        "positives of each first view (positives) or of all views, positives and negatives (all).",
    )
    attack_radius: Annotated[PositiveFloat, AUGMENTATION] = Field(
        0.5, exclude_if=partial(operator.eq, 0.5), description="Euclidean radius of a perturbation of a view, whose values lie in [0, 1]."
    )
    attack_steps: Annotated[Positive, AUGMENTATION] = Field(
        5, exclude_if=partial(operator.eq, 5), description="Gradient steps of a perturbation."
    )
    probe_train: Annotated[Positive, PROBES] = Field(6000, description="Largest number of training samples that probes learn from.")
    probe_test: Annotated[Positive, PROBES] = Field(4000, description="Largest number of samples that probes are tested on.")
    probe_split: Annotated[Literal["validation", "test"], PROBES] = Field(
        "test", description="Split that probes are tested on; settings are chosen on validation."
    )
    neighbours: Annotated[Positive, PROBES] = Field(5, description="Number of nearest neighbours that vote.")
    hidden: tuple[Units, ...] = Field((64,), min_length=1)
    activation: Annotated[str, OneOf("activation", ACTIVATIONS)] = Field("tanh")
    output_activation: Annotated[str, OneOf("activation", ACTIVATIONS)] = Field("tanh")
    energy_scale: float = Field(0.1, gt=0, le=1)
    strength: PositiveFloat | None = Field(  # type: ignore[assignment]
        None,
        description="Nudging strength (beta) of equilibrium propagation, in units of the output layer's stiffness; none: the strength"
        " that the objective documents.",
    )
    frozen: bool = Field(True, description="Keep the nudging force as it is in the free state, which lets samples relax on their own.")
    epochs: Positive = Field(16)
    batch_size: int = Field(128, ge=2)
    optimiser: Annotated[str, OneOf("optimiser", OPTIMISERS)] = Field("adam")
    learning_rates: tuple[PositiveFloat, ...] = Field((3e-3,))
    schedule: Annotated[str, OneOf("schedule", SCHEDULES)] = Field("constant")
    clip_norm: PositiveFloat | None = Field(None)

    @model_validator(mode="after")
    def _fit_embedding(self) -> Self:
        # Without a cost there is nothing to fit, and reading the objective would import torch for every listing of options.
        if "cost" in self.model_fields_set and "embedding" not in self.model_fields_set:
            step = embedding_step(self.cost, self.objective)
            self.__dict__["embedding"] = -(-self.embedding // step) * step
        return self

    @model_validator(mode="after")
    def _fit_towers(self) -> Self:
        if self.network == "towers":
            given = self.model_fields_set
            self.__dict__ |= {} if "views" in given else {"views": ("noise",)}
            self.__dict__ |= {} if "num_views" in given or self.inside is not None else {"num_views": 1}
        elif self.inside is not None:
            raise ValueError("--inside is for two modalities; give --network towers, or leave it out")
        elif self.num_views < 2:
            raise ValueError("--num-views 1 leaves nothing to contrast; give 2 or more, or two modalities by --network towers")
        return self


class ContrastiveTrialOptions(ContrastiveOptions):
    """Training of a network on views by one rule.

    Attributes
    ----------
    rule
        The learning rule.
    """

    rule: Annotated[RuleName, RULE] = Field("ep-centered", description="Learning rule to train with.")


class ContrastOptions(ContrastiveOptions):
    """Rules and seeds; everything else is the same for all.

    Attributes
    ----------
    rules
        The learning rules.
    seeds
        Number of seeds, from ``seed`` on; each gives every rule the same initial weights, data order and views.
    engine
        Engine that computes the trials.
    """

    rules: Annotated[tuple[RuleName, ...], AfterValidator(distinct), RULE] = Field(
        ("ep-centered", BASELINE), min_length=1, description="Learning rules to compare."
    )
    seeds: Annotated[Positive, RULE] = Field(
        3, description="Number of paired seeds, each of which gives every rule the same initial weights, data order and views."
    )
    engine: Annotated[str, COMPUTATION] = Field(
        "process",
        exclude=True,
        description="Engine that computes the trials: serial, process:N, dask:N (by default one worker per core), tcp://HOST:PORT or "
        "a scheduler file.",
    )
