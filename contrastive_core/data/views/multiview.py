"""Batches of views of each sample."""

from dataclasses import dataclass, field
from math import prod
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.given import repeated
from contrastive_core.data.views.base import View
from contrastive_core.data.views.resized_crop import SmallCrop
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.types import Batch


@final
@typed()
@dataclass(frozen=True)
class MultiView:
    """Plan of the views of each sample: their number and strength, which may grow during training.

    Attributes
    ----------
    views : tuple of View
        Augmentations, applied one after the other; none leaves the samples unchanged.
    count : int
        Views of each sample, at least 1; contrasting them needs 2.
    strength : float
        Strength of every view, once grown.
    growth : float
        Share of the training in which the strength grows linearly from 0; 0 starts at the final strength. Zhang et al. (2022, HiCLR)
        let augmentations grow by adding kinds, where we scale amplitudes.
    shape : tuple of int
        Channels, height and width of the picture in each row of inputs; empty takes rows as they are, which views of pictures then
        take for squares.
    ordered : bool
        Whether the views of a sample are of growing strength: view m of M has m/M of it, so that the first is the weakest (HiCLR).
    modalities : tuple of tuple of int
        Shape of each modality, which stand side by side in a row; every view acts on each of them. Empty for one modality.
    crops : int
        Number of views that show a small window only: the last ones (multi-crop). At least two views show the whole sample.
    crop : SmallCrop
        Window of these views, which the other augmentations act on too.
    """

    views: tuple[View, ...]
    count: int = 2
    strength: float = 1.0
    growth: float = 0.0
    shape: tuple[int, ...] = ()
    ordered: bool = False
    modalities: tuple[tuple[int, ...], ...] = ()
    crops: int = 0
    crop: SmallCrop = field(default_factory=SmallCrop)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InputError(f"a sample is shown in at least 1 view, got {self.count}")
        if self.crops < 0 or (self.crops and self.count - self.crops < 2):
            raise InputError(f"small windows are further views beside at least 2 whole ones, got {self.crops} of {self.count} views")
        if not 0 <= self.strength < float("inf") or not 0 <= self.growth <= 1:
            raise InputError(
                f"the views' strength must be at least 0 and their growth a share in [0, 1], got {self.strength} and {self.growth}"
            )

    def strength_at(self, progress: float) -> float:
        """Return the strength after a share of the training, in [0, 1]."""
        return self.strength if progress >= self.growth else self.strength * progress / self.growth

    def present(self, batch: Batch, generator: torch.Generator, progress: float = 1.0) -> Batch:
        """Return the views of a batch's samples.

        Parameters
        ----------
        batch : Batch
            Batch of N samples.
        generator : torch.Generator
            Source of all draws.
        progress : float
            Share of the training done so far.

        Returns
        -------
        Batch
            M·N rows: all first views, then all second views in the same order, and so on. The views of a sample share its label
            its named tensors and its instance, which is by default its index in the batch; ``views`` numbers them.

        Raises
        ------
        InputError
            If one sample alone is to be contrasted, which has no negatives.
        """
        size = len(batch.inputs)
        if self.count > 1 and size < 2:
            raise InputError(f"contrasting needs at least 2 samples in every batch, got {size}; choose another batch size or train size")
        inputs, strength = batch.inputs.repeat(self.count, 1), self.strength_at(progress)
        shapes = self.modalities or (self.shape,)
        parts = torch.split(inputs, [prod(shape) for shape in self.modalities] or [inputs.shape[1]], 1)
        seen = [self._through(part, shape, strength, generator) for part, shape in zip(parts, shapes, strict=True)]
        inputs = torch.cat(seen, 1) if self.modalities else seen[0]
        labels = batch.labels.repeat(self.count, *(1,) * (batch.labels.dim() - 1))
        places = torch.arange(size, device=inputs.device)
        instances = (places if batch.instances is None else batch.instances).repeat(self.count)
        views = torch.arange(self.count, device=inputs.device).repeat_interleave(size)
        return Batch(inputs, labels, instances, views, repeated(batch.extras, self.count))

    def _through(self, inputs: Tensor, shape: tuple[int, ...], strength: float, generator: torch.Generator) -> Tensor:
        """Return rows of one shape after all views."""
        if len(shape) == 3:
            inputs = inputs.reshape(-1, *shape)
        if self.crops:
            whole = len(inputs) // self.count * (self.count - self.crops)
            inputs = torch.cat([inputs[:whole], self.crop(inputs[whole:], strength, generator)])
        if not self.ordered:
            return self._change(inputs, strength, generator).flatten(1)
        parts = torch.split(inputs, len(inputs) // self.count)
        shown = [self._change(part, strength * number / self.count, generator) for number, part in enumerate(parts, 1)]
        return torch.cat(shown).flatten(1)

    def _change(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        for view in self.views:
            inputs = view(inputs, strength, generator)
        return inputs
