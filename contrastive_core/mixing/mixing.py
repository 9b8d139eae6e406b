"""Mixings of embeddings, and objectives of mixed embeddings, which nudge like any other."""

from abc import ABC, abstractmethod
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
    """Makes something of embeddings before an objective sees them; subclasses are frozen dataclasses whose fields are its settings.

    A mixing is a function of the outputs, so that a mixed objective is an objective: its force on the outputs is the gradient through
    the mixture. What a mixing chooses (who is mixed with whom), it chooses at ``held``.
    """

    @abstractmethod
    def refusal(self, objective: Objective) -> str | None:
        """Say in a clause what an objective lacks for this mixing; None if nothing."""

    @abstractmethod
    def needs(self, objective: Objective) -> Needs:
        """Return what a batch must have for the objective of mixed embeddings."""

    @abstractmethod
    def start(self, width: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the first value of what the mixing learns, for outputs of some width; empty if nothing."""

    @abstractmethod
    def loss(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return the objective's loss of mixed embeddings, as ``Objective.loss`` does; all draws follow from the seed."""


@final
@dataclass(frozen=True)
class Mixed(Objective):
    """An objective of mixed embeddings.

    Every batch has mixtures of its own, the same in all phases, so that a nudge is the gradient of one function.

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
        """The objective's own."""
        return self.objective.strength

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return what both start with."""
        first = torch.randint(2**40, (), generator=generator)
        return {**self.objective.start(width, samples, generator), **self.mixing.start(width, generator), DRAWS.name: first}

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return what the objective carries, and the next batch's draws."""
        return {**self.objective.carry(output, batch), DRAWS.name: extra(batch, DRAWS.name) + 1}

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the objective's loss of the mixture."""
        return self.mixing.loss(self.objective, output, held, batch, int(extra(batch, DRAWS.name)))


def mixed(objective: Objective, mixing: Mixing, name: str) -> Mixed:
    """Return an objective of mixed embeddings.

    Raises
    ------
    InputError
        If the mixing cannot be applied to the objective; ``name`` is what the message calls the mixing.
    """
    refusal = mixing.refusal(objective)
    if refusal is not None:
        raise InputError(f"mixing {name} cannot be applied to {type(objective).__name__}: {refusal}")
    needs = mixing.needs(objective)
    return Mixed(objective, mixing, needs._replace(extras=(*needs.extras, DRAWS)))


def given(objective: Objective) -> list[str]:
    """Return the names of what an objective must be given with every row."""
    return [wanted.name for wanted in objective.needs.extras if wanted.origin is Origin.GIVEN]


def drawing(seed: int) -> torch.Generator:
    """Return the generator of a batch's draws, from their beginning."""
    return torch.Generator().manual_seed(seed)


def with_extra(batch: Batch, name: str, value: Tensor) -> Batch:
    """Return the batch with one extra set."""
    return batch._replace(extras={**(batch.extras or {}), name: value})
