"""Objectives of two modalities, given as two views of each sample: a row must find its partner in the other modality."""

from dataclasses import dataclass
from math import log
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.batch_layout import extra, two_views, view_rows
from contrastive_core.objectives.checks import require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.log_softmax import Targets, even, matched, pooled
from contrastive_core.objectives.needs import Extra, Needs, Origin
from contrastive_core.objectives.objective import Objective, Tempered
from contrastive_core.objectives.said import HEARD, said
from contrastive_core.types import Batch

LOG_SCALE = Extra("log_scale", "()", Origin.LEARNT, "logarithm of the inverse temperature")
LARGEST_SCALE = 100.0
"""Upper bound of the learnt inverse temperature, as in the official code of CLIP."""


def learnt_scale(batch: Batch) -> Tensor:
    """Return the learnt inverse temperature, of shape (), at most 100."""
    return extra(batch, "log_scale").exp().clamp(max=LARGEST_SCALE)


class LearntScale(Objective):
    """Objective with a learnt temperature, stored as the logarithm of its inverse.

    Attributes
    ----------
    temperature : float
        Initial temperature; a field of the subclass.
    """

    temperature: float
    needs = Needs(extras=(LOG_SCALE,))

    @property
    @final
    def strength(self) -> float:
        """0.01 of the temperature at the start."""
        return 0.01 * self.temperature

    @final
    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the logarithm of the inverse temperature."""
        return {"log_scale": torch.tensor(-log(self.temperature))}

    @final
    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return an empty dict: the temperature is learnt by gradient."""
        return {}


@final
@dataclass(frozen=True)
class CLIP(LearntScale):
    r"""Symmetric cross-entropy of the matrix of similarities between two modalities.

    :math:`C = \tfrac12 [\mathrm{CE}(S/\tau, I) + \mathrm{CE}(S^T/\tau, I)]`, :math:`S = A B^T`. Unlike in NT-Xent, rows of one
    modality are not negatives of each other. One direction alone is the in-batch InfoNCE, also called multiple-negatives ranking loss.
    The logarithm of the temperature is learnt.

    Attributes
    ----------
    temperature : float
        Initial :math:`\tau`, dimensionless.
    both_ways : bool
        Whether rows of the second modality also search in the first.
    """

    temperature: float = 0.07
    both_ways: bool = True

    hears = HEARD
    source = "Radford et al. (2021), CLIP; Jia et al. (2021), ALIGN"
    verified = "value and gradient of each way equal info-nce-pytorch"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over samples and ways."""
        told, scale, (first, second) = said(batch), learnt_scale(batch), view_rows(batch).T
        rows, columns = unit(output[first]), unit(output[second])
        forward = told.matched(rows, columns, scale, first, second)
        return (forward + told.matched(columns, rows, scale, second, first)) / 2 if self.both_ways else forward


def clip(first: Tensor, second: Tensor, scale: float | Tensor) -> Tensor:
    """Return the CLIP loss of two sets of unit rows, both ways, of shape ()."""
    return (matched(first, second, scale) + matched(second, first, scale)) / 2


@final
@dataclass(frozen=True)
class CWCL(LearntScale):
    r"""Continuously weighted contrast: samples that are similar to a frozen network share the probability.

    C is the sum of two terms. From the first modality it is :math:`-\langle \sum_j w_{ij} \log p_{ij} / \sum_j w_{ij} \rangle` with
    :math:`w_{ij} = (1 + \cos(u_i, u_j))/2`, u the frozen network's representations of the first view; from the second it is plain
    cross-entropy. The weights carry no gradient. With weights of 1 for the sample itself and 0 otherwise, C is twice CLIP.

    Attributes
    ----------
    temperature : float
        Initial :math:`\tau`, dimensionless; its logarithm is learnt.
    """

    temperature: float = 0.07

    needs = Needs(extras=(LOG_SCALE, Extra("guide", "(B, d)", Origin.GIVEN, "a frozen network's representation of each row")))
    source = "Srinivasa et al. (2023), CWCL"
    verified = "formula confirmed in a second paper's text; identities tested"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the sum of both directions' means."""
        first, second = two_views(unit(output), batch)
        scale, guide = learnt_scale(batch), unit(two_views(extra(batch, "guide").detach(), batch)[0].to(output.dtype))

        def weights(part: slice) -> Tensor:
            return (1 + guide[part] @ guide.T) / 2

        return pooled(first, second, scale, even(first), targets=shares(weights, len(first))) + matched(second, first, scale)


def shares(weights: Targets, num_rows: int) -> Targets:
    """Return targets for a mean over rows: the weights of each row, divided by their sum."""

    def targets(part: slice) -> Tensor:
        tile = weights(part)
        return tile / (num_rows * tile.sum(1, keepdim=True))

    return targets


@final
@dataclass(frozen=True)
class CMIM(Tempered):
    r"""Contrastive term of cMIM: negatives are averaged, not summed, so that the loss hardly depends on the batch size.

    :math:`C = \langle -\log \frac{e^{s_{ii}/\tau}}{e^{s_{ii}/\tau} + \mathrm{mean}_{j \ne i}\, e^{s_{ij}/\tau}} \rangle`, s between
    the two views. The reconstruction and prior terms of the mutual-information machine are not included.

    Attributes
    ----------
    temperature : float
        :math:`\tau`, dimensionless; our source does not state it.
    """

    temperature: float = 0.1

    hears = frozenset({"weights", "pair_weights"})
    source = "Livne (2025), cMIM"
    verified = "from the paper, not re-read; closed forms tested"

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over samples."""
        told, (asked, found) = said(batch), view_rows(batch).T
        first, second = unit(output[asked]), unit(output[found])
        others = log(len(first) - 1)

        def weigh(logits: Tensor, part: slice) -> None:
            logits.sub_(others)
            logits[:, part].diagonal().add_(others)

        return told.matched(first, second, 1 / self.temperature, asked, found, weigh)
