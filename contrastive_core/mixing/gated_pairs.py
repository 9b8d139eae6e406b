"""Pairs of any two classes, compared in a subspace that the classes share (gates)."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.mixing.mixing import Mixing, drawing, given
from contrastive_core.objectives.batch_layout import extra, view_rows
from contrastive_core.objectives.checks import require_at_least
from contrastive_core.objectives.needs import Extra, Labels, Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch

GATES = Extra("gates", "(c, c, n)", Origin.LEARNT, "what each pair of classes sees of a feature")


def gate(features: Tensor, labels: Tensor, partners: Tensor, gates: Tensor) -> Tensor:
    r"""Return :math:`z_i \odot g_{\{y_i, y_j\}}`, the features of each row in the subspace of its pair of classes (Hydra, 2024).

    Gates are learnt beside the network, one for each unordered pair of classes.

    Parameters
    ----------
    features : Tensor of shape (B, n)
        Embeddings.
    labels, partners : Tensor of shape (B,)
        Classes of the rows and of their partners.
    gates : Tensor of shape (c, c, n)
        Gate of each pair of classes; only the upper triangle is used.

    Returns
    -------
    Tensor of shape (B, n)
        Gated features, differentiable in features and gates.
    """
    if gates.dim() != 3 or gates.shape[0] != gates.shape[1] or gates.shape[2] != features.shape[1]:
        raise InputError(f"gates must have shape (c, c, {features.shape[1]}), got {tuple(gates.shape)}; draw them for these outputs")
    return features * gates[labels.minimum(partners), labels.maximum(partners)]


@final
@dataclass(frozen=True)
class GatedPairs(Mixing):
    """Replaces the second view of each sample by a random sample, and gates both by their pair of classes.

    Attributes
    ----------
    classes : int
        Number of classes; labels are below it.
    """

    classes: int = 10

    def __post_init__(self) -> None:
        require_at_least(1, classes=self.classes)

    def refusal(self, objective: Objective) -> str | None:
        """Refuse objectives that do not pair two views, or that use the labels themselves."""
        if objective.needs.fewest != 2 or given(objective):
            return "it does not pair two views of outputs alone"
        return None if objective.needs.labels is Labels.NONE else "it uses the labels itself"

    def needs(self, objective: Objective) -> Needs:
        """Return the objective's needs, with labels and gates, limited to two views."""
        return objective.needs._replace(most=2, labels=Labels.CLASSES, extras=(*objective.needs.extras, GATES))

    def start(self, width: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return gates near 1, which let nearly everything pass."""
        return {GATES.name: 1 + 0.1 * torch.randn((self.classes, self.classes, width), generator=generator)}

    def loss(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return the objective's loss for first views paired with the second views of random samples."""
        first, second = view_rows(batch, 2, 2).T
        other = second[torch.randperm(len(first), generator=drawing(seed))]
        if int(batch.labels.max()) >= self.classes:
            raise InputError(
                f"a label is {int(batch.labels.max())}, but there are only {self.classes} classes of gates; raise mixer.classes"
            )

        def seen(rows: Tensor) -> Tensor:
            gates, ours, theirs = extra(batch, GATES.name), batch.labels[first], batch.labels[other]
            rows = rows.index_copy(0, first, gate(rows[first], ours, theirs, gates))
            return rows.index_copy(0, second, gate(rows[other], ours, theirs, gates))

        return objective.loss(seen(output), seen(held).detach(), batch)
