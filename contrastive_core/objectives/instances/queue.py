"""Objectives with negatives from a queue of past outputs of a second network."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.batch_layout import extra, view_rows
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.log_softmax import even, matched, through
from contrastive_core.objectives.needs import Extra, Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.objectives.said import said
from contrastive_core.types import Batch

KEYS = Extra("keys", "(B, n)", Origin.GIVEN, "a second (momentum) network's output that each row has to match")
OWN_KEYS = Extra("keys", "(B, n)", Origin.GIVEN, "a second (momentum) network's output for each row itself")
TEACHER = Extra("teacher", "(B, m)", Origin.GIVEN, "a teacher's output for each row itself: a frozen network's, or the momentum encoder's")


def keys_of_outputs(wanted: Extra, outputs: Tensor, views: int) -> Tensor | None:
    """Return the keys that an extra stands for, of shape (B, n); None if it stands for none.

    Parameters
    ----------
    wanted : Extra
        Extra of an objective, or of a term of a sum, where it may have another name.
    outputs : Tensor of shape (B, n)
        Outputs of the second network, grouped by view.
    views : int
        Number of views.
    """
    if wanted.meaning in (OWN_KEYS.meaning, TEACHER.meaning):
        return outputs
    # Rows are grouped by view, so that a roll by one view gives the next view of each sample.
    return outputs.roll(-(len(outputs) // views), 0) if wanted.meaning == KEYS.meaning else None


def against_queue(rows: Tensor, keys: Tensor, queue: Tensor, scale: float, weights: Tensor | None = None) -> Tensor:
    r"""Return :math:`\langle \log(e^{s_+} + \sum_Q e^{s_Q}) - s_+ \rangle` of unit rows, of shape (); keys and queue carry no gradient."""
    positive = scale * (rows * unit(keys.detach())).sum(1)  # (N,)
    share = even(rows) if weights is None else weights.to(rows.dtype) / weights.to(rows.dtype).sum()
    return through(rows, queue.detach(), scale, lambda sums: (share * (torch.logaddexp(sums, positive) - positive)).sum())


def pushed(queue: Tensor, keys: Tensor) -> Tensor:
    """Return the queue with unit keys in front; as many old ones are dropped, so that its length stays."""
    return torch.cat([unit(keys.detach()), queue])[: len(queue)]


class Queued(Objective):
    """Objective with a temperature and queues of past keys.

    Attributes
    ----------
    temperature, length
        Temperature, and keys per queue; fields of the subclass.
    """

    temperature: float
    length: int

    @final
    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature)
        require_at_least(1, length=self.length)

    @property
    @final
    def strength(self) -> float:
        """0.01 of the temperature."""
        return 0.01 * self.temperature


@final
@dataclass(frozen=True)
class QueueInfoNCE(Queued):
    r"""InfoNCE against a queue (MoCo): each row must find its key among the queue of past keys.

    :math:`C = \langle \log(e^{q \cdot k_+/\tau} + \sum_{k \in Q} e^{q \cdot k/\tau}) - q \cdot k_+/\tau \rangle`. Only the queries
    carry a gradient. The key of a row is the second network's output for another view of its sample.

    Attributes
    ----------
    temperature : float
        :math:`\tau`, dimensionless.
    length : int
        Keys in the queue.
    """

    temperature: float = 0.07
    length: int = 65536

    needs = Needs(fewest=1, most=None, extras=(KEYS, Extra("queue", "(Q, n)", Origin.CARRIED, "unit keys of past batches, newest first")))
    hears = frozenset({"weights"})
    source = "He, Fan, Wu, Xie & Girshick (2020), MoCo"
    verified = "value and gradient equal info-nce-pytorch and solo-learn"

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return a queue of random directions."""
        return {"queue": unit(torch.randn((self.length, width), generator=generator, device=generator.device))}

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the queue with this batch's keys in front."""
        return {"queue": pushed(extra(batch, "queue"), extra(batch, "keys"))}

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over rows."""
        return against_queue(unit(output), extra(batch, "keys"), extra(batch, "queue"), 1 / self.temperature, said(batch).weights)


@final
@dataclass(frozen=True)
class MomentumQueue(Queued):
    r"""InfoNCE with a queue for each of two modalities, in all four directions (CoCoSoDa).

    The modalities are the two views. :math:`C` is the mean over the four pairs (u, v) of the InfoNCE of the rows of view u with the
    keys of view v of their samples. Negatives are the other keys of view v in the batch and the queue of v. Only the queries carry a
    gradient. The official code also has the two terms between the outputs of the two modalities.

    Attributes
    ----------
    temperature : float
        :math:`\tau`, dimensionless.
    length : int
        Keys in each queue.
    """

    temperature: float = 0.07
    length: int = 4096

    needs = Needs(extras=(KEYS, Extra("queues", "(2, Q, n)", Origin.CARRIED, "unit keys of past batches for each view, newest first")))
    source = "Shi et al. (2022), CoCoSoDa"
    verified = "the four terms and their negatives as in the official code, read and not run; its defaults were not seen"

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return two queues of random directions."""
        directions = torch.randn((2 * self.length, width), generator=generator, device=generator.device)
        return {"queues": unit(directions).view(2, self.length, width)}

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the queues with this batch's keys in front."""
        keys, queues = extra(batch, "keys"), extra(batch, "queues")
        return {"queues": torch.stack([pushed(queue, keys[rows]) for queue, rows in zip(queues, view_rows(batch).T, strict=True)])}

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over samples and directions."""
        rows, keys, queues, index = unit(output), extra(batch, "keys"), extra(batch, "queues"), view_rows(batch).T
        scale, terms = 1 / self.temperature, list[Tensor]()
        for found, queue in zip(index, queues, strict=True):
            columns = torch.cat([unit(keys[found].detach()), queue.detach()])  # column i is the key of row i
            terms += [matched(rows[asked], columns, scale) for asked in index]
        return torch.stack(terms).mean()
