"""Generators of a contrastive trial: views from latents, and generated samples beside the real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.errors import InputError
from experiments.representations.options import ContrastiveOptions

if TYPE_CHECKING:
    from contrastive_core.data.generated.mixture import LatentMixture
    from contrastive_core.data.splits import Splits
    from contrastive_core.data.views.base import View


def generator_for(options: ContrastiveOptions, splits: Splits, seed: int) -> LatentMixture | None:
    """Return the generator, fitted to the training samples; None if no option asks for one.

    Raises
    ------
    InputError
        If there are fewer samples than components, a code is not shorter than a sample, or the data have two modalities.
    """
    from contrastive_core.data.generated.mixture import fit_mixture

    if options.latent_views == "none" and not options.generated:
        return None
    if splits.modalities:
        raise InputError(f"a generator makes samples of one kind, and {options.data} has two modalities; leave generator options out")
    return fit_mixture(splits.train.inputs, options.components, options.codes, seed)


def latent_views(options: ContrastiveOptions, mixture: LatentMixture | None) -> tuple[View, ...]:
    """Return the view from latents, which comes before all augmentations; empty without one."""
    from contrastive_core.data.generated.mixture import LatentView

    return () if mixture is None or options.latent_views == "none" else (LatentView(mixture, options.latent_views),)


def with_generated(options: ContrastiveOptions, splits: Splits, mixture: LatentMixture | None, seed: int, classes: bool) -> Splits:
    """Return the splits with generated samples behind the real training samples; their label is -1.

    Parameters
    ----------
    options : ContrastiveOptions
        Options with the number of generated samples.
    splits : Splits
        Real data.
    mixture : LatentMixture, optional
        Generator.
    seed : int
        Seed of the samples.
    classes : bool
        Whether the objective needs classes.

    Raises
    ------
    InputError
        If the objective needs labels, or the data have named arrays, which generated samples do not have.
    """
    import torch

    from contrastive_core.data.splits import Split, join
    from contrastive_core.generators import generator_of

    if mixture is None or not options.generated:
        return splits
    if splits.train.given:
        raise InputError(f"generated samples have none of the named arrays of {options.data}; leave --generated out")
    if classes:
        raise InputError(f"generated samples have no labels, and {options.cost} needs some; leave --generated out")
    made = mixture.sample(options.generated, generator_of(seed, 6)).to(splits.train.inputs.dtype)
    return splits._replace(train=join(splits.train, Split(made, torch.full((len(made),), -1, dtype=torch.int64))))
