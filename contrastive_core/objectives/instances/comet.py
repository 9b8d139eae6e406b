"""COMET: contrast on nested levels, from observations and samples to trials and patients."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import ShapeError
from contrastive_core.objectives.batch_layout import extra, two_views
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.log_softmax import even, leave_out_self, pooled
from contrastive_core.objectives.needs import Extra, Needs, Origin
from contrastive_core.objectives.objective import Stateless
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class COMET(Stateless):
    r"""Weighted sum of the contrasts on four levels of a medical time series.

    The outputs of a row are cut into time steps. *Observation*: each step must find the same step of the other view among all steps
    of the sample's two views. *Sample*: each step of a row must find this step of the row's other view among the same step of all
    rows. Both levels have no temperature and no normalisation, and average over lengths: the series itself, then its maxima over
    pairs of neighbouring steps, and so on down to two steps. *Trial* and *patient*: rows of the two views with the same trial or
    patient, the sample itself excepted, must find each other. Their loss is the mean of :math:`-\log(e^{s_{ij}/\tau}/\sum_k
    e^{s_{ik}/\tau})` over these pairs, along rows and along columns. s is the cosine of codes in which every channel has length 1 over
    time. The official code takes rows for :math:`i < j` and columns for :math:`i > j` alone, and depends on the order of the batch;
    this is its mean over both orders. A level without pairs adds 0.

    Attributes
    ----------
    temperature : float
        :math:`\tau` of the trial and patient levels.
    steps : int
        Time steps that a row's outputs are cut into, a divisor of their number, 2 or more.
    observation, sample, trial, patient : float
        Weights of the levels.
    """

    temperature: float = 0.1
    steps: int = 2
    observation: float = 0.25
    sample: float = 0.25
    trial: float = 0.25
    patient: float = 0.25

    needs = Needs(
        extras=(
            Extra("trials", "(B,)", Origin.GIVEN, "number of each row's trial"),
            Extra("patients", "(B,)", Origin.GIVEN, "number of each row's patient"),
        )
    )
    source = "Wang, Han, Wang & Zhang (2023), COMET"
    verified = "value equals a rewriting of the official code; trial and patient levels, its mean over both orders of the batch"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature)
        require_at_least(2, steps=self.steps)
        require_at_least(0, observation=self.observation, sample=self.sample, trial=self.trial, patient=self.patient)

    @property
    def strength(self) -> float:
        """0.001 of the temperature, because a channel over time is shorter than a row, and its curvature larger."""
        return 0.001 * self.temperature

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the weighted sum of the levels."""
        if output.shape[1] % self.steps:
            raise ShapeError(f"{output.shape[1]} outputs cannot be cut into {self.steps} time steps; give a multiple of {self.steps}")
        views = [view.view(len(view), self.steps, -1) for view in two_views(output, batch)]  # (N, T, n/T)
        lengths = list(shortened(torch.stack(views)))
        observation = torch.stack([observations(*pair) for pair in lengths]).mean()
        sample = torch.stack([samples(*pair) for pair in lengths]).mean()
        first, second = (unit(unit_over_time(view).flatten(1)) for view in views)
        trials, patients = (two_views(ids, batch)[0] for ids in (extra(batch, "trials"), extra(batch, "patients")))
        return (
            self.observation * observation
            + self.sample * sample
            + self.trial * self._same(first, second, trials)
            + self.patient * self._same(first, second, patients)
        )

    def _same(self, first: Tensor, second: Tensor, ids: Tensor) -> Tensor:
        """Return the contrast of rows with equal ids, averaged over both directions."""
        _, group, sizes = torch.unique(ids, return_inverse=True, return_counts=True)
        others: Tensor = (sizes[group] - 1).to(first.dtype)
        pairs = others.sum().clamp(min=1)

        def targets(part: slice) -> Tensor:
            same: Tensor = (group[part, None] == group[None, :]) / pairs
            same[:, part].fill_diagonal_(0)
            return same

        ways = ((first, second), (second, first))
        terms = [pooled(a, b, 1 / self.temperature, others / pairs, targets=targets) for a, b in ways]
        return torch.stack(terms).mean()


def shortened(views: Tensor) -> Iterator[Tensor]:
    """Yield series and their maxima over pairs of neighbouring steps, down to two steps; shapes (2, N, T, c), (2, N, T/2, c), ..."""
    while views.shape[2] > 1:
        yield views
        even = views.shape[2] // 2 * 2  # an odd last step is dropped
        views = torch.maximum(views[:, :, 0:even:2], views[:, :, 1:even:2])


def observations(first: Tensor, second: Tensor) -> Tensor:
    """Return the contrast of the steps of each sample, averaged over samples; arguments of shape (N, T, c)."""
    times = torch.cat([first, second], dim=1)
    return torch.stack([raw_contrast(sample, first.shape[1]) for sample in times]).mean()


def samples(first: Tensor, second: Tensor) -> Tensor:
    """Return the contrast of the samples at each step, averaged over steps; arguments of shape (N, T, c)."""
    rows = torch.cat([first, second]).transpose(0, 1)
    return torch.stack([raw_contrast(step, len(first)) for step in rows]).mean()


def unit_over_time(series: Tensor) -> Tensor:
    """Return series, of shape (N, T, c), in which every channel has length 1 over time; a silent channel becomes 0."""
    channels = series.transpose(1, 2)
    return unit(channels.reshape(-1, series.shape[1])).view_as(channels).transpose(1, 2)


def raw_contrast(rows: Tensor, offset: int) -> Tensor:
    """Return NT-Xent without temperature and normalisation; the partner of a row is ``offset`` rows away, cyclically."""
    positive = (rows * rows.roll(offset, 0)).sum(1).mean()
    loss: Tensor = pooled(rows, rows, 1.0, even(rows), leave_out_self) - positive
    return loss
