"""Equilibrium propagation of machines that anneal: several output spins vote for each class, and all of them are nudged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.certificate import Stop
from contrastive_core.cost import Cost
from contrastive_core.errors import InputError
from contrastive_core.phases import Sides
from contrastive_core.rule import Settling
from contrastive_core.types import Batch
from eqprop.annealing import Annealing
from eqprop.rule import EquilibriumPropagation


@final
@dataclass(frozen=True)
class SpinVotes(Cost):
    """Several output spins vote for each class: targets are 1 for the spins of the label and -1 for the others.

    Attributes
    ----------
    voters : int
        Spins per class.
    """

    voters: int = 4
    curvature = 1.0

    def targets(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the target of each output spin, shaped as ``output``."""
        if output.shape[1] % self.voters:
            raise InputError(f"{output.shape[1]} output spins are no whole number of classes of {self.voters} voters")
        classes = torch.arange(output.shape[1] // self.voters).repeat_interleave(self.voters)
        return torch.where(batch.labels[:, None] == classes, 1.0, -1.0).to(output)

    def value(self, output: Tensor, batch: Batch) -> Tensor:
        """Return half the squared distance to the targets, of shape (B,): twice the number of wrong spins."""
        return 0.5 * (output - self.targets(output, batch)).square().sum(1)

    def gradient(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the output less its targets."""
        return output - self.targets(output, batch)

    def errors(self, output: Tensor, batch: Batch) -> Tensor:
        """Return where the class with most votes is not the label."""
        votes = output.reshape(len(output), -1, self.voters).sum(2)
        return votes.argmax(1) != batch.labels


def annealed_propagation(cost: SpinVotes, strength: float = 5.0, annealing: Annealing | None = None) -> EquilibriumPropagation:
    r"""Return equilibrium propagation with annealed phases, as Laydevant et al. (2024) train an Ising machine.

    The nudge adds the field :math:`-\beta y` to the outputs, whether they are right or wrong, clipped to what the machine can set; samples
    whose outputs are all right are left as they are.

    Parameters
    ----------
    cost : SpinVotes
        Cost with the targets y.
    strength : float
        Strength :math:`\beta` of the nudge.
    annealing : Annealing, optional
        Reads, sweeps and temperatures; None is the default.

    Returns
    -------
    EquilibriumPropagation
        One-sided rule. Its network has no voters of its own, since the cost has them.
    """
    once = Stop(0.0, 1)
    return EquilibriumPropagation(cost, Settling(annealing or Annealing(), once, once), strength, Sides.POSITIVE)
