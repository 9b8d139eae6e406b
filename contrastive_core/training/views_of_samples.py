"""Training on views: augmented samples, samples presented to an objective, and the tensors that it keeps beside the network."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.batches import batch_of
from contrastive_core.data.splits import Split
from contrastive_core.data.views import VIEWS
from contrastive_core.data.views.multiview import MultiView
from contrastive_core.errors import InputError
from contrastive_core.objectives.instances.queue import KEYS, OWN_KEYS, TEACHER, keys_of_outputs
from contrastive_core.objectives.needs import Labels, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.objectives.reconstruction import SAMPLES
from contrastive_core.objectives.weighted_sum import PROGRESS, WeightedSum, embedded
from contrastive_core.sampling.sampler import Sampler, Shuffled
from contrastive_core.training.momentum_encoder import Follower, Teacher
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class Contrasting:
    """Views of samples for an objective, with its learnt and carried extras (prototypes, queues, averages).

    Attributes
    ----------
    views : MultiView
        Views of each sample.
    objective : Objective
        Objective that is lowered.
    batch_size : int
        Samples contrasted with each other, in training and evaluation; values depend on it.
    extras : dict of str to Tensor
        Learnt and carried extras of the objective; the tensors change in place.
    labelled : bool
        Whether an objective that needs labels gets them.
    sampler : Sampler
        Sampler of the training batches.
    follower : Follower, optional
        Momentum encoder, which supplies keys to objectives that need them.
    teacher : Teacher, optional
        Network that supplies targets to objectives that learn from a teacher, in place of the momentum encoder.
    attack : callable, optional
        Perturbation of the views that training sees, and evaluation does not.
    """

    views: MultiView
    objective: Objective
    batch_size: int
    extras: dict[str, Tensor]
    labelled: bool = True
    sampler: Sampler = field(default_factory=Shuffled)
    follower: Follower | None = None
    teacher: Teacher | None = None
    attack: Callable[[Batch], Batch] | None = None

    def blind(self) -> Contrasting:
        """Return a copy that hides the labels."""
        return replace(self, labelled=False)

    @property
    def learnt(self) -> dict[str, Tensor]:
        """Extras that are trained by gradient."""
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
        return len(chosen), (batch_of(split, rows, rows) for rows in chosen)

    def contrasts(self, batch: Batch) -> bool:
        """Return whether the batch has anything to contrast; objectives of classes need samples of two classes."""
        classes = self.labelled and self.objective.needs.labels is Labels.CLASSES
        return not classes or not bool((batch.labels == batch.labels[0]).all())

    def present(self, samples: Batch, generator: torch.Generator, progress: float = 1.0) -> Batch:
        """Return the views of a batch, with the extras.

        Labels become -1 if the objective needs none, so that they cannot leak into training. If it needs numbers or vectors, labels are
        the array of this name. Without an array of numbers, class indices are used as numbers, such as the digits themselves.
        """
        if isinstance(self.objective, WeightedSum) and self.objective.restores:
            samples = samples._replace(extras={**(samples.extras or {}), SAMPLES: samples.inputs})
        batch = self.views.present(samples, generator, progress)
        wanted, given = self.objective.needs.labels, dict(batch.extras or {})
        if wanted is Labels.NONE or not self.labelled:
            batch = batch._replace(labels=batch.inputs.new_full((len(batch.inputs),), -1, dtype=torch.int64))
        elif wanted in (Labels.NUMBERS, Labels.VECTORS):
            batch = batch._replace(labels=given.get(wanted.value, batch.labels).to(batch.inputs.dtype))
        over = {PROGRESS.name: torch.full_like(self.extras[PROGRESS.name], progress)} if PROGRESS.name in self.extras else {}
        if "negatives" in given:
            given["negatives"] = self._negatives(samples, batch)
        given = {name: value.to(batch.inputs.dtype) if value.is_floating_point() else value for name, value in given.items()}
        return batch._replace(extras={**given, **self.extras, **self._keys(batch), **over})

    def hardened(self, batch: Batch) -> Batch:
        """Return a batch of views as training sees it: perturbed, if there is an attack."""
        return batch if self.attack is None else self.attack(batch)

    def _keys(self, batch: Batch) -> dict[str, Tensor]:
        """Return the second networks' outputs, for the next view of each sample or for each row itself; empty without any."""
        found: dict[str, Tensor | None] = {}
        if self.follower is not None:
            outputs = embedded(self.objective, self.follower.outputs(batch))
            found = {extra.name: keys_of_outputs(extra, outputs, self.views.count) for extra in self.objective.needs.extras}
        if self.teacher is not None:
            found[TEACHER.name] = self.teacher.outputs(batch)
        return {name: keys for name, keys in found.items() if keys is not None}

    def _negatives(self, samples: Batch, batch: Batch) -> Tensor:
        """Return the second network's outputs for the negatives of each row, of shape (B, K, n)."""
        if self.follower is None:
            raise InputError("given negatives are embedded by the momentum encoder, and there is none; make one with 'follower'")
        inputs = (samples.extras or {})["negatives"]
        outputs = self.follower.outputs(batch._replace(inputs=inputs.flatten(0, 1)))
        return embedded(self.objective, outputs).view(*inputs.shape[:2], -1).repeat(self.views.count, 1, 1)

    def learn(self, output: Tensor, batch: Batch) -> None:
        """Set the gradient of the learnt extras, in place, for the optimiser."""
        if self.learnt:
            for name, slope in self.objective.extra_gradient(output, batch).items():
                self.extras[name].grad = slope

    def carry(self, output: Tensor, batch: Batch) -> None:
        """Update the carried extras and the momentum encoder in place."""
        for name, value in self.objective.carry(output, batch).items():
            self.extras[name].copy_(value)
        if self.follower is not None:
            self.follower.follow()


def augmentation(names: tuple[str, ...], shape: tuple[int, ...], contrasted: Contrasting | None) -> MultiView | None:
    """Return one view of each sample through augmentations, or None without any.

    Parameters
    ----------
    names : tuple of str
        Names in ``VIEWS``, in the order in which they are applied.
    shape : tuple of int
        Channels, height and width of the picture in each row; empty for vectors.
    contrasted : Contrasting, optional
        Views of the samples for an objective, which leave nothing to augment.

    Raises
    ------
    InputError
        If samples are contrasted too.
    UnknownNameError
        If there is no such augmentation.
    """
    if not names:
        return None
    if contrasted is not None:
        raise InputError(f"views are contrasted already, and the plan augments samples by {', '.join(names)}; make these part of the views")
    return MultiView(tuple(VIEWS[name]() for name in names), count=1, shape=shape)


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
    teacher: Teacher | None = None,
    given: Collection[str] = (),
) -> Contrasting:
    """Check that an objective can be trained on views, and initialise its extras.

    Parameters
    ----------
    objective : Objective
        Objective to be lowered.
    views : MultiView
        Views to present.
    batch_size : int
        Samples per batch.
    width : int
        Number of the network's outputs.
    samples : int
        Number of samples in the largest split.
    generator : torch.Generator
        Source of the initial extras.
    dtype : torch.dtype
        Type of the network's parameters.
    sampler : Sampler, optional
        Sampler of the training batches; None shuffles.
    follower : Follower, optional
        Momentum encoder, which is used only if the objective needs keys, or a teacher and none is given.
    teacher : Teacher, optional
        Frozen network, which is used only if the objective learns from a teacher.
    given : collection of str
        Names of the tensors that the data have beside inputs and labels.

    Returns
    -------
    Contrasting
        Views and extras, ready for training.

    Raises
    ------
    InputError
        If the objective needs another number of views, or extras or labels that neither views nor the data supply.
    """
    needs, name = objective.needs, type(objective).__name__
    if views.count < needs.fewest or (needs.most is not None and views.count > needs.most):
        wanted = f"exactly {needs.most}" if needs.most == needs.fewest else f"{needs.fewest} to {needs.most or 'any number of'}"
        raise InputError(f"views do not pair up: {name} takes {wanted} views of each sample, got {views.count}")
    asked = [extra for extra in needs.extras if extra.origin is Origin.GIVEN]
    taught = TEACHER in asked
    following = [extra for extra in asked if extra.meaning in (KEYS.meaning, OWN_KEYS.meaning) or (extra == TEACHER and teacher is None)]
    supplied = [*(following if follower is not None else []), *([TEACHER] if teacher is not None else [])]
    lacking = [f"{extra.name!r} ({extra.meaning})" for extra in asked if extra not in supplied and extra.name not in given]
    if needs.labels is Labels.VECTORS and Labels.VECTORS.value not in given:
        lacking.append("'vectors' (a vector as label of each sample)")
    if lacking:
        raise InputError(
            f"{name} needs {', '.join(lacking)} with every batch, which views of these data do not have; choose another objective, "
            "or data that have it (docs/your-own-data.md)"
        )
    started = objective.start(width, samples, generator)
    extras = {name: value.to(dtype) if value.is_floating_point() else value for name, value in started.items()}
    return Contrasting(
        views,
        objective,
        batch_size,
        extras,
        sampler=Shuffled() if sampler is None else sampler,
        follower=follower if following or "negatives" in given else None,
        teacher=teacher if taught else None,
    )
