"""Weighted sums of objectives and of costs of single samples, lowered by one nudge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.errors import InputError, ShapeError
from contrastive_core.objectives.batch_layout import extra
from contrastive_core.objectives.instances.queue import OWN_KEYS
from contrastive_core.objectives.needs import Extra, Labels, Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.objectives.reconstruction import Reconstruction
from contrastive_core.objectives.replaced import ReplacedDetection
from contrastive_core.types import Batch

PROGRESS = Extra("progress", "()", Origin.CARRIED, "the share of the training that is over, from 0 to 1")

SHARES = "class shares"
"""Extra with the share of each class in a row, of shape (B, classes), by which supervised terms learn from mixtures."""


OF_VALUES = (Reconstruction, ReplacedDetection)
"""Costs with an output for each value of an input."""


class Term(NamedTuple):
    """One cost of a sum.

    Attributes
    ----------
    name : str
        Name in reports.
    cost : Cost
        Objective, or cost of single samples.
    first, last : float
        Weight at the beginning and at the end of a training; it moves linearly between them.
    """

    name: str
    cost: Cost
    first: float = 1.0
    last: float = 1.0


@final
@dataclass(frozen=True)
class WeightedSum(Objective):
    r"""The sum :math:`\sum_k w_k C_k` of objectives and costs of single samples.

    The gradient of a sum is the sum of the gradients, so that one nudge lowers all terms. Objectives see the first ``embedding`` outputs.
    Costs of single samples have outputs of their own behind them: first one output for each class, which all supervised terms share, then
    one for each value of an input, if there is a reconstruction or a detection of replaced values. Learnt and carried extras of term
    :math:`k` are named ``"k.name"``.

    Attributes
    ----------
    terms : tuple of Term
        Terms, with at least one objective.
    embedding : int, optional
        Number of outputs that objectives see; None for all of them, where no term has outputs of its own.
    """

    terms: tuple[Term, ...]
    embedding: int | None = None

    def __post_init__(self) -> None:
        """Refuse sums whose terms do not fit together.

        Raises
        ------
        InputError
            If there is no objective, terms need different labels or numbers of views, or outputs are not told apart or shared.
        """
        own = [term.name for term in self.terms if not isinstance(term.cost, Objective)]
        if len(own) == len(self.terms):
            raise InputError(
                f"a sum of {', '.join(own) or 'nothing'} has no objective of views; add one, or lower one cost of samples alone"
            )
        if own and self.embedding is None:
            raise InputError(f"{own[0]} has outputs of its own beside the embedding; give the embedding's width")
        of_values = list(dict.fromkeys(type(term.cost) for term in self.terms if isinstance(term.cost, OF_VALUES)))
        if len(of_values) > 1:
            raise InputError("a reconstruction and a detection of replaced values would share one output for each value; leave one out")
        kinds = {kind: term.name for term in self.terms if (kind := _needs(term.cost).labels) is not Labels.NONE}
        if len(kinds) > 1:
            listed = " and ".join(f"{name} needs {kind.value}" for kind, name in kinds.items())
            raise InputError(f"terms of a sum share their labels, but {listed}; leave one out")
        if self.needs.most is not None and self.needs.fewest > self.needs.most:
            most = min((term for term in self.terms if _needs(term.cost).most is not None), key=lambda term: _needs(term.cost).most or 0)
            raise InputError(f"terms of a sum share their views: {most.name} takes at most {self.needs.most}, another {self.needs.fewest}")

    @property
    def needs(self) -> Needs:  # type: ignore[override]
        """Needs of all terms together."""
        each = [_needs(term.cost) for term in self.terms]
        kept = tuple(one._replace(name=name) for number, need in enumerate(each, 1) for one, name in _named(number, need))
        labels = next((need.labels for need in each if need.labels is not Labels.NONE), Labels.NONE)
        extras = (*dict.fromkeys(kept), *([PROGRESS] if any(term.first != term.last for term in self.terms) else []))
        most = min((need.most for need in each if need.most is not None), default=None)
        return Needs(max(need.fewest for need in each), most, labels, extras)

    @property
    def hears(self) -> frozenset[str]:  # type: ignore[override]
        """Statements about rows and pairs that every term takes; costs of samples take none."""
        return frozenset.intersection(*(term.cost.hears if isinstance(term.cost, Objective) else frozenset() for term in self.terms))

    @property
    def strength(self) -> float:
        """Strength at which the nudges of all terms together are as weak as each alone at its own strength."""
        return 1 / sum(max(term.first, term.last) / _strength(term.cost) for term in self.terms)

    @property
    def supervised(self) -> bool:
        """Whether a term has an output for each class."""
        return any(_of_classes(term.cost) for term in self.terms)

    def width(self, classes: int, values: int) -> int | None:
        """Return the number of outputs that a network needs for data of this many classes and values of an input."""
        if self.embedding is None:
            return None
        return self.embedding + classes * self.supervised + values * self._has_values

    @property
    def _has_values(self) -> bool:
        return any(isinstance(term.cost, OF_VALUES) for term in self.terms)

    @property
    def detects(self) -> bool:
        """Whether a term asks which values of a view were replaced."""
        return any(isinstance(term.cost, ReplacedDetection) for term in self.terms)

    @property
    def restores(self) -> bool:
        """Whether a term compares outputs with the samples behind the views."""
        return self.detects or any(isinstance(term.cost, Reconstruction) and term.cost.clean for term in self.terms)

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the initial extras of all terms, under their names in the sum, and the progress at the end of a training."""
        started: dict[str, Tensor] = {}
        for number, term in enumerate(self.terms, 1):
            if isinstance(term.cost, Objective):
                own = term.cost.start(self.embedding or width, samples, generator)
                started |= {f"{number}.{name}": value for name, value in own.items()}
        return started | ({PROGRESS.name: torch.ones(())} if PROGRESS in self.needs.extras else {})

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the carried extras of all terms, under their names in the sum."""
        return {
            f"{number}.{name}": value
            for number, term in enumerate(self.terms, 1)
            if isinstance(term.cost, Objective)
            for name, value in term.cost.carry(
                output[:, self._columns(term.cost, output, batch)], self._seen(number, output, batch)
            ).items()
        }

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the weighted sum of the terms' losses."""
        progress = extra(batch, PROGRESS.name) if PROGRESS in self.needs.extras else output.new_ones(())
        total = output.new_zeros(())
        for term, loss in zip(self.terms, self._losses(output, held, batch), strict=True):
            total = total + (term.first + (term.last - term.first) * progress.to(output.dtype)) * loss
        return total

    def parts(self, output: Tensor, batch: Batch) -> dict[str, float]:
        """Return the value of each term without its weight, by the term's name."""
        losses = self._losses(output, output if batch.held is None else batch.held, batch)
        return {term.name: float(loss) for term, loss in zip(self.terms, losses, strict=True)}

    def wrong_classes(self, output: Tensor, batch: Batch) -> Tensor | None:
        """Return a mask, of shape (B,), of samples whose class outputs decide wrongly; None without supervised terms."""
        term = next((term for term in self.terms if _of_classes(term.cost)), None)
        return None if term is None else term.cost.errors(output[:, self._columns(term.cost, output, batch)], batch)

    def _losses(self, output: Tensor, held: Tensor, batch: Batch) -> list[Tensor]:
        losses = []
        for number, term in enumerate(self.terms, 1):
            columns = self._columns(term.cost, output, batch)
            if isinstance(term.cost, Objective):
                losses.append(term.cost.loss(output[:, columns], held[:, columns], self._seen(number, output, batch)))
            else:
                shares = (batch.extras or {}).get(SHARES)
                losses.append(term.cost.value(output[:, columns], batch if shares is None else batch._replace(labels=shares)).mean())
        return losses

    def _columns(self, cost: Cost, output: Tensor, batch: Batch) -> slice:
        if self.embedding is None:
            return slice(None)
        last = output.shape[1] - self._has_values * batch.inputs[0].numel()
        if last - self.embedding < self.supervised:
            raise ShapeError(f"{output.shape[1]} outputs are too few for an embedding of {self.embedding} and the outputs of other terms")
        if isinstance(cost, Objective):
            return slice(self.embedding)
        return slice(last, None) if isinstance(cost, OF_VALUES) else slice(self.embedding, last)

    def _seen(self, number: int, output: Tensor, batch: Batch) -> Batch:
        """Return the batch with the extras of one term under the names that the term knows."""
        extras, prefix = dict(batch.extras or {}), f"{number}."
        own = {name.removeprefix(prefix): value for name, value in extras.items() if name.startswith(prefix)}
        columns = self._columns(self.terms[number - 1].cost, output, batch)
        return batch._replace(extras=extras | own, held=None if batch.held is None else batch.held[:, columns])


def class_outputs(objective: Objective, output: Tensor, batch: Batch) -> int | None:
    """Return the number of outputs that a sum has for classes; None if it has none, or is no sum."""
    if not isinstance(objective, WeightedSum) or objective.embedding is None or not objective.supervised:
        return None
    term = next(term for term in objective.terms if _of_classes(term.cost))
    return output[:1, objective._columns(term.cost, output, batch)].shape[1]


def embedded(objective: Objective, outputs: Tensor) -> Tensor:
    """Return the outputs that objectives see: the embedding of a sum that has further outputs, and otherwise all."""
    width = objective.embedding if isinstance(objective, WeightedSum) else None
    return outputs if width is None else outputs[:, :width]


def _needs(cost: Cost) -> Needs:
    if isinstance(cost, Objective):
        return cost.needs
    return Needs(1, None, Labels.CLASSES if _of_classes(cost) else Labels.NONE)


def _named(number: int, needs: Needs) -> list[tuple[Extra, str]]:
    # What is given with a batch is one tensor for all terms that ask for it; the rest belongs to a term. Keys of the rows themselves
    # have the name of keys of their next views, which another term may ask for.
    shared = [one.origin is Origin.GIVEN and one != OWN_KEYS for one in needs.extras]
    return [(one, one.name if common else f"{number}.{one.name}") for one, common in zip(needs.extras, shared, strict=True)]


def _of_classes(cost: Cost) -> bool:
    return not isinstance(cost, (Objective, *OF_VALUES))


def _strength(cost: Cost) -> float:
    # A hundredth of the inverse curvature, as objectives document it for outputs of length 1.
    return cost.strength if isinstance(cost, Objective) else 0.01 / cost.steepest
