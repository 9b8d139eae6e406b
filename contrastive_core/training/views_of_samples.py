"""What an objective sees of samples, and what it keeps beside the network, while a network is trained on views."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.splits import Split
from contrastive_core.data.views.multiview import MultiView
from contrastive_core.errors import InputError
from contrastive_core.objectives.instances.queue import KEYS
from contrastive_core.objectives.needs import Labels, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.sampling.sampler import Sampler, Shuffled
from contrastive_core.training.momentum_encoder import Follower
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class Contrasting:
    """Views of samples for an objective, with its prototypes, queues and averages.

    Attributes
    ----------
    views : MultiView
        What is shown of each sample.
    objective : Objective
        What is lowered.
    batch_size : int
        Samples that are contrasted with each other, in evaluation too: values depend on it.
    extras : dict of str to Tensor
        What the objective learns and carries; the tensors change in place.
    labelled : bool
        Whether an objective that needs labels may see them.
    sampler : Sampler
        Who meets whom in a batch of training.
    follower : Follower, optional
        What answers with the keys of objectives that need them.
    """

    views: MultiView
    objective: Objective
    batch_size: int
    extras: dict[str, Tensor]
    labelled: bool = True
    sampler: Sampler = field(default_factory=Shuffled)
    follower: Follower | None = None

    def blind(self) -> Contrasting:
        """Return the same without labels."""
        return replace(self, labelled=False)

    @property
    def learnt(self) -> dict[str, Tensor]:
        """The extras that are trained by gradient."""
        return {extra.name: self.extras[extra.name] for extra in self.objective.needs.extras if extra.origin is Origin.LEARNT}

    @property
    def kept(self) -> dict[str, Tensor]:
        """Everything that changes in place beside the network, for checkpoints."""
        return self.extras if self.follower is None else self.extras | self.follower.parameters

    def gather(
        self, split: Split, features: Callable[[], Tensor], batch_size: int, generator: torch.Generator
    ) -> tuple[int, Iterator[Batch]]:
        """Return the number of batches of an epoch, and the batches of samples, drawn as the sampler draws them."""
        chosen = self.sampler(split, features, batch_size, generator)
        return len(chosen), (Batch(split.inputs[rows], split.labels[rows], rows) for rows in chosen)

    def contrasts(self, batch: Batch) -> bool:
        """Return whether there is anything to contrast: an objective of classes learns nothing from samples of one."""
        classes = self.labelled and self.objective.needs.labels is Labels.CLASSES
        return not classes or not bool((batch.labels == batch.labels[0]).all())

    def present(self, samples: Batch, generator: torch.Generator, progress: float = 1.0) -> Batch:
        """Return the views of samples with the extras; without labels, -1, if the objective needs none, so that none can leak.

        Where the objective needs numbers, a class index is one: the digit itself, for images of digits.
        """
        batch = self.views.present(samples, generator, progress)
        wanted = self.objective.needs.labels
        if wanted is Labels.NONE or not self.labelled:
            batch = batch._replace(labels=batch.inputs.new_full((len(batch.inputs),), -1, dtype=torch.int64))
        elif wanted is Labels.NUMBERS:
            batch = batch._replace(labels=batch.labels.to(batch.inputs.dtype))
        keys = {} if self.follower is None else {KEYS.name: self.follower.keys(batch, self.views.count)}
        return batch._replace(extras={**self.extras, **keys})

    def learn(self, output: Tensor, batch: Batch) -> None:
        """Give the learnt extras their gradient, in place, for an optimiser to use."""
        if self.learnt:
            for name, slope in self.objective.extra_gradient(output, batch).items():
                self.extras[name].grad = slope

    def carry(self, output: Tensor, batch: Batch) -> None:
        """Move the carried extras on, and the follower, in place."""
        for name, value in self.objective.carry(output, batch).items():
            self.extras[name].copy_(value)
        if self.follower is not None:
            self.follower.follow()


def contrasting(
    objective: Objective,
    views: MultiView,
    batch_size: int,
    width: int,
    samples: int,
    generator: torch.Generator,
    dtype: torch.dtype,
    *,
    sampler: Sampler | None = None,
    follower: Follower | None = None,
) -> Contrasting:
    """Check that an objective can be trained on views, and start what it keeps.

    Parameters
    ----------
    objective : Objective
        What is to be lowered.
    views : MultiView
        What is to be shown.
    batch_size : int
        Samples per batch.
    width : int
        Number of the network's outputs.
    samples : int
        Number of samples in the largest split.
    generator : torch.Generator
        Of the extras' first values.
    dtype : torch.dtype
        Of the network.
    sampler : Sampler, optional
        Who meets whom in a batch; None shuffles.
    follower : Follower, optional
        What answers with keys, if the objective needs them; otherwise it is left out.

    Returns
    -------
    Contrasting
        Ready for training.

    Raises
    ------
    InputError
        If the objective wants another number of views, or something that views do not give.
    """
    needs, name = objective.needs, type(objective).__name__
    if views.count < needs.fewest or (needs.most is not None and views.count > needs.most):
        wanted = f"exactly {needs.most}" if needs.most == needs.fewest else f"{needs.fewest} to {needs.most or 'any number of'}"
        raise InputError(f"views do not pair up: {name} takes {wanted} views of each sample, got {views.count}")
    asked = [extra for extra in needs.extras if extra.origin is Origin.GIVEN]
    given = [f"{extra.name!r} ({extra.meaning})" for extra in asked if extra is not KEYS or follower is None]
    if given:
        raise InputError(
            f"{name} needs {', '.join(given)} with every batch, which views of a data set do not have; choose another objective"
        )
    started = objective.start(width, samples, generator)
    extras = {name: value.to(dtype) if value.is_floating_point() else value for name, value in started.items()}
    leader = follower if KEYS in asked else None
    return Contrasting(views, objective, batch_size, extras, sampler=Shuffled() if sampler is None else sampler, follower=leader)
