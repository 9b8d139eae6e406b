"""COMET: contrast on nested levels, from observations and samples to trials and patients."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import ShapeError
from contrastive_core.objectives.batch_layout import extra, two_views
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.log_softmax import even, leave_out_self, pooled
from contrastive_core.objectives.needs import Extra, Labels, Needs, Origin
from contrastive_core.objectives.objective import Stateless
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class COMET(Stateless):
    r"""Weighted sum of the contrasts on four levels of a medical time series.

    *Observation*: the outputs of a row are cut into time steps. Each step must find the same step of the other view among all steps
    of the sample's two views. *Sample*: NT-Xent of the rows. Both levels have no temperature and no normalisation, as in the official
    code. *Trial* and *patient*: rows of the two views with the same trial or patient, the sample itself excepted, must find each
    other. Their loss is the mean of :math:`-\log(e^{s_{ij}/\tau}/\sum_k e^{s_{ik}/\tau})` over these pairs, along rows and along
    columns, with cosines s; the official code normalises along time instead. A level without pairs adds 0.

    Attributes
    ----------
    temperature : float
        :math:`\tau` of the trial and patient levels.
    steps : int
        Time steps that a row's outputs are cut into, a divisor of their number.
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
        labels=Labels.CLASSES, extras=(Extra("trials", "(B,)", Origin.GIVEN, "number of each row's trial; labels are the patients"),)
    )
    source = "Wang, Han, Wang & Zhang (2023), COMET"
    verified = "read in the official code, not run"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature)
        require_at_least(1, steps=self.steps)
        require_at_least(0, observation=self.observation, sample=self.sample, trial=self.trial, patient=self.patient)

    @property
    def strength(self) -> float:
        """0.01 of the temperature."""
        return 0.01 * self.temperature

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the weighted sum of the levels."""
        views = two_views(output, batch)
        units = two_views(unit(output), batch)
        trials, patients = (two_views(ids, batch)[0] for ids in (extra(batch, "trials"), batch.labels))
        return (
            self.observation * self._observations(*views)
            + self.sample * raw_contrast(torch.cat(views), len(views[0]))
            + self.trial * self._same(*units, trials)
            + self.patient * self._same(*units, patients)
        )

    def _observations(self, first: Tensor, second: Tensor) -> Tensor:
        if first.shape[1] % self.steps:
            raise ShapeError(f"{first.shape[1]} outputs cannot be cut into {self.steps} time steps; give a multiple of {self.steps}")
        times = torch.cat([view.view(len(view), self.steps, -1) for view in (first, second)], dim=1)  # (N, 2 T, n/T)
        return torch.stack([raw_contrast(sample, self.steps) for sample in times]).mean()

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


def raw_contrast(rows: Tensor, offset: int) -> Tensor:
    """Return NT-Xent without temperature and normalisation; the partner of a row is ``offset`` rows away, cyclically."""
    positive = (rows * rows.roll(offset, 0)).sum(1).mean()
    loss: Tensor = pooled(rows, rows, 1.0, even(rows), leave_out_self) - positive
    return loss
