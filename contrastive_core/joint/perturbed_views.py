"""Views perturbed against an objective: worst-case positives, and one perturbation for all samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.joint.attack import inside, require_attack, unit
from contrastive_core.joint.input_gradient import Slope, by_adjoint, by_autograd
from contrastive_core.network import Network
from contrastive_core.networks.layered import Layered
from contrastive_core.objectives.objective import Objective
from contrastive_core.rule import Setting
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class ViewAttack:
    """Projected gradient ascent of an objective by the inputs of views, inside Euclidean balls and the box from 0 to 1.

    Attributes
    ----------
    network : Network
        Network under attack; a settled one has to be layered, rows of units or pictures.
    objective : Objective
        Objective that rises.
    setting : Setting, optional
        Relaxation of a settled network, whose inputs get their exact gradient by the adjoint; None differentiates the bottom-up pass.
    radius : float
        Euclidean radius of the ball around each view.
    steps : int
        Number of steps.
    every : bool
        Whether all views move. Otherwise the first view of each sample stays, and the others are its worst positives.
    """

    network: Network
    objective: Objective
    setting: Setting | None
    radius: float = 0.5
    steps: int = 5
    every: bool = False

    def __post_init__(self) -> None:
        require_attack(self.radius, self.steps, self.rate or 1.0)
        if self.setting is not None and type(self.network) is not Layered:
            raise InputError("gradients of inputs need a layered or convolutional network, or a rule without relaxation such as backprop")

    @property
    def rate(self) -> float:
        """Length of a step, 2.5 times the radius over the number of steps, so that the ball's edge is reached from everywhere in it."""
        return 2.5 * self.radius / self.steps

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with perturbed views; what else it holds belongs to the views as they were.

        Parameters
        ----------
        batch : Batch
            Views, in the box from 0 to 1.
        """
        moved, now = self._moved(batch), batch.inputs
        for _ in range(self.steps):
            step = self.rate * unit(self._slope(batch._replace(inputs=now)).gradient)
            now = torch.where(moved, inside(now + step, batch.inputs, self.radius), batch.inputs)
        return batch._replace(inputs=now)

    def universal(self, batches: Sequence[Batch]) -> Tensor:
        """Return one perturbation, of shape (n_in,), that raises the objective of all batches when it is added to the views that move.

        Each step follows the sum of the gradients of all moved views. The perturbation stays in the ball; the box is that of
        :meth:`shifted`.
        """
        change = torch.zeros_like(batches[0].inputs[0])
        for _ in range(self.steps):
            slope = torch.zeros_like(change)
            for batch in batches:
                gradient = self._slope(self.shifted(batch, change)).gradient
                slope += torch.where(self._moved(batch), gradient, 0.0).sum(0)
            change = change + self.rate * unit(slope[None])[0]
            change = change * min(1.0, self.radius / max(float(change.norm()), 1e-12))
        return change

    def shifted(self, batch: Batch, change: Tensor) -> Batch:
        """Return the batch with one change, of shape (n_in,), added to the views that move, in the box from 0 to 1."""
        return batch._replace(inputs=torch.where(self._moved(batch), (batch.inputs + change).clamp(0.0, 1.0), batch.inputs))

    def _moved(self, batch: Batch) -> Tensor:
        if self.every or batch.views is None:
            return torch.ones(len(batch.inputs), 1, dtype=torch.bool)
        return (batch.views > 0)[:, None]

    def _slope(self, batch: Batch) -> Slope:
        if self.setting is None:
            return by_autograd(self.network, self.objective, batch)
        return by_adjoint(self.network, self.objective, batch, self.setting)
