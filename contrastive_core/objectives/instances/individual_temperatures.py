r"""Objectives with a temperature for each sample, and moving averages of their denominators.

For an anchor with positive p, :math:`g = \mathrm{mean}_{k}\, e^{(s_k - s_p)/\tau_i}` over its negatives, and the loss is
:math:`\tau_i \log u + \tau_i \rho` with the moving average :math:`u \leftarrow (1-\gamma) u + \gamma g`. The gradient is that of g
divided by the held u. This is a surrogate whose own value has no meaning; the returned value is therefore that of the loss itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.objectives.batch_layout import extra, partners, view_rows
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.instances.nt_xent import aligned
from contrastive_core.objectives.log_softmax import Weigh, leave_out, leave_out_self, log_sum_exp, pooled
from contrastive_core.objectives.needs import Extra, Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch

MEMORY = (
    Extra("temperatures", "(V, S)", Origin.CARRIED, "temperature of each sample, for one or two modalities"),
    Extra("averages", "(V, S)", Origin.CARRIED, "moving average of each sample's denominator; 0 before its first batch"),
    Extra("momenta", "(V, S)", Origin.CARRIED, "moving average of each temperature's gradient"),
)


class Rates(NamedTuple):
    r"""Rates of change of the remembered temperatures and denominators.

    Attributes
    ----------
    budget : float
        :math:`\rho`, which keeps temperatures high.
    average, learning, momentum : float
        Share of the new denominator in its average, step size of a temperature, and share of the old gradient in its step.
    lowest, highest : float
        Bounds of the temperatures.
    """

    budget: float
    average: float
    learning: float
    momentum: float
    lowest: float
    highest: float


class Anchors(NamedTuple):
    """Anchors, and the columns among which each must find its positive.

    Attributes
    ----------
    rows, columns : Tensor of shape (A, n) and (K, n)
        Unit embeddings.
    positive : Tensor of shape (A,)
        Similarity of each anchor to its positive.
    weigh : Weigh
        Function that leaves out all columns but the negatives.
    negatives : int
        Number of negatives of an anchor.
    slots : Tensor of shape (A,)
        Index of each anchor's sample in the flat memory.
    """

    rows: Tensor
    columns: Tensor
    positive: Tensor
    weigh: Weigh
    negatives: int
    slots: Tensor


class Ways(NamedTuple):
    """Rule that forms anchors from a batch.

    Attributes
    ----------
    modalities : int
        Number of temperatures of each sample.
    anchors : callable
        Function of embeddings, of shape (B, n), and their checked batch; it returns one group of anchors per modality.
    """

    modalities: int
    anchors: Callable[[Tensor, Batch], tuple[Anchors, ...]]


def remembered(anchors: Anchors, memory: Tensor, temperatures: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return the log denominators of this batch and the logs of their updated averages, of shape (A,) each."""
    with torch.no_grad():
        sums = log_sum_exp(anchors.rows, anchors.columns, 1 / temperatures, anchors.weigh)
        fresh = sums - anchors.positive / temperatures - log(anchors.negatives)
        old = memory.view(-1)[anchors.slots]
        # Averages are mixed as logarithms, since e^{h/tau} overflows at small temperatures. Without a memory the new value is taken.
        mixed = torch.logaddexp(old.log() + log(1 - share), fresh + log(share)) if share < 1 else fresh
        return fresh, torch.where(old > 0, mixed, fresh)


def surrogate(live: Anchors, held: Anchors, memory: Tensor, temperatures: Tensor, rates: Rates) -> Tensor:
    """Return the loss of the anchors, of shape (), whose gradient in the live rows is the surrogate's."""
    fresh, mixed = remembered(held, memory, temperatures, rates.average)
    loss = (temperatures * (mixed + rates.budget)).mean()
    pull = temperatures * (fresh - mixed).exp() / len(fresh)  # tau g/u, the chain rule at the held average

    def moving(anchors: Anchors) -> Tensor:
        return pooled(anchors.rows, anchors.columns, 1 / temperatures, pull, anchors.weigh) - (pull * anchors.positive / temperatures).sum()

    return loss + (moving(live) - moving(held))


def step(anchors: Anchors, extras: dict[str, Tensor], rates: Rates) -> dict[str, Tensor]:
    """Return temperatures, averages and momenta after a batch; samples outside the batch keep their values."""
    flat = {name: value.reshape(-1) for name, value in extras.items()}
    temperatures = flat["temperatures"][anchors.slots]
    fresh, mixed = remembered(anchors, extras["averages"], temperatures, rates.average)
    with torch.enable_grad():  # E[h] under the negatives' softmax is the slope of the log sum in the inverse temperature
        inverse = (1 / temperatures).requires_grad_()
        total = pooled(anchors.rows, anchors.columns, inverse, torch.ones_like(temperatures), anchors.weigh)
        (mean_score,) = torch.autograd.grad(total, inverse)
    slope = mixed + rates.budget - (fresh - mixed).exp() * (mean_score - anchors.positive) / temperatures
    counts = torch.zeros_like(flat["averages"]).index_add(0, anchors.slots, torch.ones_like(temperatures))

    def spread(values: Tensor) -> Tensor:
        return torch.zeros_like(flat["averages"]).index_add(0, anchors.slots, values) / counts.clamp(min=1)

    seen = counts > 0
    momenta = torch.where(seen, rates.momentum * flat["momenta"] + (1 - rates.momentum) * spread(slope), flat["momenta"])
    moved = (flat["temperatures"] - rates.learning * momenta).clamp(rates.lowest, rates.highest)
    new = {
        "temperatures": torch.where(seen, moved, flat["temperatures"]),
        "averages": torch.where(seen, spread(mixed.exp()), flat["averages"]),
        "momenta": momenta,
    }
    return {name: new[name].view_as(extras[name]) for name in new}


@dataclass(frozen=True)
class Individual(Objective):
    r"""Objective that keeps a temperature and a denominator for every sample.

    ``Batch.instances`` must number the samples of the data set from 0.

    Attributes
    ----------
    temperature : float
        Initial value of every :math:`\tau_i`.
    budget : float
        :math:`\rho`; larger values keep temperatures higher.
    average : float
        :math:`\gamma`; 1 for the first batch of a sample.
    learning : float
        Step size of the temperatures.
    momentum : float
        Share of the old gradient in the step of a temperature.
    lowest, highest : float
        Bounds of the temperatures.
    ways : Ways
        Anchors and their columns; a constant of the subclass.
    """

    ways: ClassVar[Ways]
    temperature: float = 0.1
    budget: float = 0.3
    average: float = 0.9
    learning: float = 0.01
    momentum: float = 0.1
    lowest: float = 0.05
    highest: float = 0.7

    needs = Needs(extras=MEMORY)
    source = "Qiu et al. (2023), automatic temperature individualization"

    @final
    def __post_init__(self) -> None:
        _check(self.temperature, self.rates)

    @property
    @final
    def rates(self) -> Rates:
        """Rates of change of temperatures and denominators."""
        return Rates(self.budget, self.average, self.learning, self.momentum, self.lowest, self.highest)

    @property
    @final
    def strength(self) -> float:
        """0.005 at any temperature, because the loss is already multiplied by it."""
        return 0.005

    @final
    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return equal temperatures and an empty memory for every sample."""
        zeros = torch.zeros(self.ways.modalities, samples)
        return {"temperatures": zeros + self.temperature, "averages": zeros, "momenta": zeros.clone()}

    @final
    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return temperatures and averages after this batch."""
        memory = {name.name: extra(batch, name.name) for name in MEMORY}
        for anchors in self.ways.anchors(output, batch):
            memory = step(anchors, memory, self.rates)
        return memory

    @final
    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over anchors."""
        flat, averages = extra(batch, "temperatures").view(-1), extra(batch, "averages")
        ways = zip(self.ways.anchors(output, batch), self.ways.anchors(held, batch), strict=True)
        return torch.stack([surrogate(live, still, averages, flat[live.slots], self.rates) for live, still in ways]).mean()


def _every_row(output: Tensor, batch: Batch) -> tuple[Anchors, ...]:
    """Return every row as an anchor, with the rows of other samples as negatives."""
    rows, partner = unit(output), partners(view_rows(batch))
    pairs = torch.stack([torch.arange(len(rows), device=rows.device), partner], dim=1)
    return (Anchors(rows, rows, aligned(rows, partner), leave_out(pairs), len(rows) - 2, _slots(batch, 1)),)


def _across_modalities(output: Tensor, batch: Batch) -> tuple[Anchors, ...]:
    """Return the samples of each modality as anchors, with the samples of the other one as columns."""
    index, slots = view_rows(batch), _slots(batch, 2)
    first, second = (unit(output)[rows] for rows in index.T)
    positive = (first * second).sum(1)
    others, samples = len(first) - 1, extra(batch, "temperatures").shape[1]
    return (
        Anchors(first, second, positive, leave_out_self, others, slots[index[:, 0]]),
        Anchors(second, first, positive, leave_out_self, others, slots[index[:, 1]] + samples),
    )


@final
@dataclass(frozen=True)
class ISogCLR(Individual):
    r"""Individual temperatures for two views of one modality (iSogCLR).

    Each of the 2 N rows is an anchor; its negatives are all rows but itself and its partner. With ``average`` 1 and equal temperatures
    the gradient is :math:`\tau` times that of DCL. The paper averages :math:`e^{(s_k - s_p)/\tau}`. For one modality libauc averages
    :math:`e^{s_k/\tau}`, which differs from the second visit of a sample on.
    """

    ways = Ways(1, _every_row)
    verified = "gradient and temperatures of a sample's first batch equal libauc; identity with DCL tested"


@final
@dataclass(frozen=True)
class RGCL(Individual):
    r"""Individual temperatures for two modalities (RGCL): robust global contrast.

    Anchors are the samples in each modality (view); their negatives are the other samples in the other modality. The loss is the mean
    of both directions.
    """

    temperature: float = 0.05
    budget: float = 6.0
    lowest: float = 0.005
    highest: float = 0.05

    ways = Ways(2, _across_modalities)
    verified = "gradient and temperatures equal libauc, whose gradient is N - 1 times as large"


def _check(temperature: float, rates: Rates) -> None:
    require_positive(temperature=temperature, average=rates.average, lowest=rates.lowest, highest=rates.highest)
    require_at_least(0, budget=rates.budget, learning=rates.learning, momentum=rates.momentum)
    if not rates.lowest <= temperature <= rates.highest or rates.average > 1 or rates.momentum >= 1:
        raise InputError(
            f"temperature must lie in [{rates.lowest}, {rates.highest}], average in (0, 1] and momentum below 1, got {temperature}, "
            f"{rates.average} and {rates.momentum}"
        )


def _slots(batch: Batch, modalities: int) -> Tensor:
    """Return the sample number of each row, checked against the size of the memory."""
    memory, instances = extra(batch, "temperatures"), batch.instances
    if instances is None or memory.shape[0] != modalities or int(instances.min()) < 0 or int(instances.max()) >= memory.shape[1]:
        raise InputError(
            f"the memory holds {tuple(memory.shape)} temperatures, which does not fit instances up to "
            f"{-1 if instances is None else int(instances.max())} in {modalities} modalities; number the samples of the data set from 0"
        )
    return instances
