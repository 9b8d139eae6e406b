"""Mixings of embeddings, and objectives of mixed embeddings, which nudge like any other."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.objectives.batch_layout import extra
from contrastive_core.objectives.needs import Extra, Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch

DRAWS = Extra("draws", "()", Origin.CARRIED, "the seed of this batch's mixtures")


class Mixing(ABC):
    """Transformation of embeddings before an objective sees them; subclasses are frozen dataclasses whose fields are settings.

    A mixing is a function of the outputs, so that a mixed objective is an objective again: its force on the outputs is the gradient
    through the mixture. Choices, such as the partners of a mixture, are made at ``held`` and carry no gradient.
    """

    @abstractmethod
    def refusal(self, objective: Objective) -> str | None:
        """Return the reason, as a clause, for which an objective cannot use this mixing; None if it can."""

    @abstractmethod
    def needs(self, objective: Objective) -> Needs:
        """Return the needs of the objective of mixed embeddings."""

    @abstractmethod
    def start(self, started: Mapping[str, Tensor], width: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the initial value of every tensor that the mixing learns or carries; may be empty.

        Parameters
        ----------
        started : mapping of str to Tensor
            First extras of the objective, by name.
        width : int
            Number of outputs.
        generator : torch.Generator
            Source of randomness.
        """

    @abstractmethod
    def carry(self, carried: Mapping[str, Tensor], batch: Batch, seed: int) -> dict[str, Tensor]:
        """Return the mixing's carried tensors for the next batch; may be empty.

        Parameters
        ----------
        carried : mapping of str to Tensor
            Extras that the objective carries to the next batch.
        batch : Batch
            This batch, with the tensors carried until now.
        seed : int
            Source of all draws.
        """

    @abstractmethod
    def loss(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return the objective's loss for mixed embeddings, like ``Objective.loss``; all draws follow from the seed."""


class Memoryless(Mixing):
    """Mixing that neither learns nor carries a tensor."""

    @final
    def start(self, started: Mapping[str, Tensor], width: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return an empty dict: nothing is learnt or carried."""
        return {}

    @final
    def carry(self, carried: Mapping[str, Tensor], batch: Batch, seed: int) -> dict[str, Tensor]:
        """Return an empty dict: nothing is carried."""
        return {}


@final
@dataclass(frozen=True)
class Mixed(Objective):
    """Objective of mixed embeddings.

    Mixtures change from batch to batch. All phases of a batch use the same ones, so that a nudge is the gradient of one function.

    Attributes
    ----------
    objective : Objective
        Objective that sees the mixture.
    mixing : Mixing
        Mixing that makes it.
    needs : Needs
        Needs of both.
    """

    objective: Objective
    mixing: Mixing
    needs: Needs

    @property
    def strength(self) -> float:
        """Strength of the objective itself."""
        return self.objective.strength

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the initial extras of both, and the seed of the first mixtures."""
        first = torch.randint(2**40, (), generator=generator)
        started = self.objective.start(width, samples, generator)
        return {**started, **self.mixing.start(started, width, generator), DRAWS.name: first}

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the carried extras of both, and the seed of the next mixtures."""
        carried, draws = self.objective.carry(output, batch), extra(batch, DRAWS.name)
        return {**carried, **self.mixing.carry(carried, batch, int(draws)), DRAWS.name: draws + 1}

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the objective's loss for the mixture."""
        return self.mixing.loss(self.objective, output, held, batch, int(extra(batch, DRAWS.name)))


def mixed(objective: Objective, mixing: Mixing, name: str) -> Mixed:
    """Combine an objective and a mixing.

    Raises
    ------
    InputError
        If the mixing cannot be applied to the objective; the message calls the mixing ``name``.
    """
    refusal = mixing.refusal(objective)
    if refusal is not None:
        raise InputError(f"mixing {name} cannot be applied to {type(objective).__name__}: {refusal}")
    needs = mixing.needs(objective)
    return Mixed(objective, mixing, needs._replace(extras=(*needs.extras, DRAWS)))


def given(objective: Objective) -> list[str]:
    """Return the names of the extras that must be given with every batch."""
    return [wanted.name for wanted in objective.needs.extras if wanted.origin is Origin.GIVEN]


def drawing(seed: int) -> torch.Generator:
    """Return a generator at the beginning of a batch's draws."""
    return torch.Generator().manual_seed(seed)


def with_extra(batch: Batch, name: str, value: Tensor) -> Batch:
    """Return the batch with one extra set."""
    return batch._replace(extras={**(batch.extras or {}), name: value})
