"""Parts of a contrastive trial, built from the options: objective, mixing, views, batches and network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.data.views import VIEWS
from contrastive_core.errors import InputError
from contrastive_core.mixing import MIXINGS
from contrastive_core.sampling import SAMPLERS
from experiments.representations.generated import latent_views
from experiments.representations.options import ContrastiveOptions
from experiments.setup.build import build_network, build_setting
from experiments.setup.objectives import between_towers, build, objective_of_text, outputs_for

if TYPE_CHECKING:
    from contrastive_core.data.generated.mixture import LatentMixture
    from contrastive_core.data.splits import Splits
    from contrastive_core.network import Network
    from contrastive_core.objectives.objective import Objective
    from contrastive_core.rule import Rule, Setting
    from contrastive_core.training.momentum_encoder import Teacher
    from contrastive_core.training.views_of_samples import Contrasting


def build_objective(options: ContrastiveOptions) -> Objective:
    """Return the objective with its settings, or the sum of objectives.

    Raises
    ------
    InputError
        If it has no such setting, a value makes no sense, or terms of a sum do not fit together.
    """
    objective = objective_of_text(options.cost, options.objective, options.temperature, options.embedding)
    if options.network != "towers":
        return objective
    inside = None if options.inside is None else objective_of_text(options.inside, {}, options.temperature, options.embedding)
    return between_towers(objective, inside)


def shown_outputs(options: ContrastiveOptions) -> int:
    """Return the number of outputs that are an embedding: of two towers, those of both."""
    return options.embedding * (2 if options.network == "towers" else 1)


def lowered(options: ContrastiveOptions, objective: Objective) -> Objective:
    """Return what the rules lower: the objective, of mixed outputs if the options say so."""
    from contrastive_core.mixing.mixing import mixed

    if options.mixing is not None and objective.paired:
        raise InputError("mixings know views of one modality, and two towers have two; leave --mixing out")
    if options.mixing is None:
        if options.mixer:
            raise InputError("there are settings of a mixing and no mixing; give --mixing")
        return objective
    return mixed(objective, build(MIXINGS[options.mixing], options.mixing, options.mixer), options.mixing)


def judged(objective: Objective, target: Objective, views: int = 2) -> Objective:
    """Return what is reported: the objective of outputs as they are, or what is lowered if that alone takes these views and extras."""
    from contrastive_core.mixing.mixing import given

    return target if set(given(objective)) - set(given(target)) or views > (objective.needs.most or views) else objective


def build_contrasting(
    options: ContrastiveOptions,
    splits: Splits,
    objective: Objective,
    network: Network,
    rule: Rule,
    seed: int,
    teacher: Teacher | None = None,
    mixture: LatentMixture | None = None,
) -> Contrasting:
    """Return views, batches and extras of the objective that is lowered, whose first values follow from the seed."""
    import torch

    from contrastive_core.data.views.multiview import MultiView
    from contrastive_core.data.views.resized_crop import SmallCrop
    from contrastive_core.generators import generator_of
    from contrastive_core.training.momentum_encoder import follower
    from contrastive_core.training.views_of_samples import contrasting

    if options.augment:
        raise InputError(f"contrast shows samples by --views alone; add {','.join(options.augment)} to --views, and leave out --augment")
    augmentations = (*latent_views(options, mixture), *(VIEWS[name]() for name in options.views))
    chosen = MultiView(
        augmentations, options.num_views + options.crops, options.view_strength, options.view_growth, splits.shape, options.ordered_views,
        splits.modalities, options.crops, SmallCrop(*options.crop_area),
    )  # fmt: skip
    samples = max(len(split.labels) for split in (splits.train, splits.validation, splits.test)) + options.generated
    dtype, network_width = getattr(torch, options.dtype), widened(options, splits).num_classes
    made = contrasting(
        objective, chosen, options.batch_size, network_width, samples, generator_of(seed, 4), dtype,
        sampler=build(SAMPLERS[options.sampling], options.sampling, options.sampler),
        follower=follower(network, rule, options.momentum_keys), teacher=teacher, given=splits.train.given,
    )  # fmt: skip
    return made if options.labels else made.blind()


def build_embedding(options: ContrastiveOptions, splits: Splits, seed: int) -> Network:
    """Return the network with the outputs of the embedding, and of other terms of a sum, in place of one per class."""
    return build_network(options, widened(options, splits), seed)


def widened(options: ContrastiveOptions, splits: Splits) -> Splits:
    """Return the splits with as many classes as the network has outputs."""
    return splits._replace(num_classes=outputs_for(build_objective(options), shown_outputs(options), splits))


def objective_setting(options: ContrastiveOptions, objective: Objective) -> Setting:
    """Return the setting from which every rule is built."""
    strength = options.strength if options.strength is not None else objective.strength
    return build_setting(options.model_copy(update={"strength": strength}), objective)
