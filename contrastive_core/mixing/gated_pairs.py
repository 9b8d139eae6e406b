"""Pairs of any two classes, compared in a subspace that the classes share (gates)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.mixing.mixing import Mixing, drawing
from contrastive_core.objectives.batch_layout import extra, view_rows
from contrastive_core.objectives.checks import require_at_least
from contrastive_core.objectives.embeddings import FLOOR
from contrastive_core.objectives.instances.nt_xent import NTXent
from contrastive_core.objectives.needs import Extra, Labels, Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch

EMBEDDINGS = Extra("class_embeddings", "(c, e)", Origin.LEARNT, "embedding of each class, from which gates are made")
GATE_MAP = Extra("gate_map", "(e + 1, n)", Origin.LEARNT, "weights from an embedding to the gate of each output, bias last")


def gates_of(first: Tensor, second: Tensor, embeddings: Tensor, weights: Tensor) -> Tensor:
    r"""Return :math:`g = \sigma(\tfrac12 (e_a + e_b) W + b)`, the gate of each pair of classes, of shape (B, n), between 0 and 1.

    Parameters
    ----------
    first, second : Tensor of shape (B,)
        Classes a and b.
    embeddings : Tensor of shape (c, e)
        Embedding of each class.
    weights : Tensor of shape (e + 1, n)
        W, and b in the last row.
    """
    mean = (embeddings[first] + embeddings[second]) / 2
    return (mean @ weights[:-1] + weights[-1]).sigmoid()


def gated_contrast(rows: Tensor, gates: Tensor, classes: tuple[Tensor, Tensor], temperature: float) -> Tensor:
    r"""Return NT-Xent in which each anchor sees all rows through the gate of its own pair, of shape (), in O(B tile) memory.

    With :math:`s_{ij} = \cos(g_i \odot x_i, g_i \odot x_j)/\tau`, the loss is :math:`\langle \log \sum_j e^{s_{ij}} - s_{ip} \rangle_i`
    over the partner p of i and all rows whose class is neither that of i nor that of p.

    Parameters
    ----------
    rows : Tensor of shape (B, n)
        Embeddings; the partner of a row is B/2 rows away.
    gates : Tensor of shape (B, n)
        Gate of each row's pair.
    classes : tuple of two Tensors of shape (B,)
        Class of each row, and of its partner.
    temperature : float
        :math:`\tau`.
    """
    own, other = classes
    partner = torch.arange(len(rows), device=rows.device).roll(len(rows) // 2)

    def term(part: slice, rows: Tensor, gates: Tensor) -> Tensor:
        squares = gates[part].square()
        # Lengths behind a gate are those of x by the squared gate, so that no row is gated for every anchor in turn.
        lengths = (squares @ rows.square().T).clamp(min=FLOOR**2).sqrt()  # (T, B)
        mine = (squares * rows[part].square()).sum(1, keepdim=True).clamp(min=FLOOR**2).sqrt()
        scores = (squares * rows[part]) @ rows.T / (mine * lengths * temperature)
        seen = (own[None, :] != own[part, None]) & (own[None, :] != other[part, None])
        seen = seen.scatter(1, partner[part, None], True)
        return (scores.masked_fill(~seen, -float("inf")).logsumexp(1) - scores.gather(1, partner[part, None])[:, 0]).sum() / len(rows)

    return tiled(term, len(rows), 2 * len(rows), rows, gates)


@final
@dataclass(frozen=True)
class GatedPairs(Mixing):
    """NT-Xent of arbitrary pairs (Wu et al., 2024, Hydra and SimLAP), each compared in the subspace that its two classes share.

    The second view of each sample is replaced by that of a random sample. The gate of a pair is the sigmoid of a linear map of the
    mean of two learnt class embeddings; the official code has two layers with batch normalisation in its place. Anchor, partner and
    negatives are seen through the anchor's gate. Rows of the pair's two classes are no negatives.

    Attributes
    ----------
    classes : int
        Number of classes; labels are below it.
    embedding : int
        Numbers in the embedding of a class.
    """

    classes: int = 10
    embedding: int = 16

    def __post_init__(self) -> None:
        require_at_least(1, classes=self.classes, embedding=self.embedding)

    def refusal(self, objective: Objective) -> str | None:
        """Refuse all objectives but NT-Xent, because every anchor has negatives of its own."""
        return None if isinstance(objective, NTXent) else "each anchor sees other negatives than the rest, which nt-xent alone can use"

    def needs(self, objective: Objective) -> Needs:
        """Return the objective's needs, with labels, class embeddings and their map, limited to two views."""
        return objective.needs._replace(most=2, labels=Labels.CLASSES, extras=(*objective.needs.extras, EMBEDDINGS, GATE_MAP))

    def start(self, started: Mapping[str, Tensor], width: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random embeddings and a map from them, whose gates are spread around one half."""
        embeddings = torch.randn((self.classes, self.embedding), generator=generator)
        weights = torch.randn((self.embedding + 1, width), generator=generator) / self.embedding**0.5
        weights[-1] = 0
        return {EMBEDDINGS.name: embeddings, GATE_MAP.name: weights}

    def carry(self, carried: Mapping[str, Tensor], batch: Batch, seed: int) -> dict[str, Tensor]:
        """Return an empty dict: weights are learnt by gradient."""
        return {}

    def loss(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return the contrast of first views and of second views of random samples."""
        first, second = view_rows(batch, 2, 2).T
        other = second[torch.randperm(len(first), generator=drawing(seed))]
        if int(batch.labels.max()) >= self.classes:
            raise InputError(
                f"a label is {int(batch.labels.max())}, but there are only {self.classes} classes of gates; raise mixer.classes"
            )
        index = torch.cat([first, other])
        own, paired = batch.labels[index], batch.labels[torch.cat([other, first])]
        gates = gates_of(own, paired, extra(batch, EMBEDDINGS.name), extra(batch, GATE_MAP.name))
        if not isinstance(objective, NTXent):
            raise InputError(f"mixing gated-pairs cannot be applied to {type(objective).__name__}: {self.refusal(objective)}")
        return gated_contrast(output[index], gates, (own, paired), objective.temperature)
