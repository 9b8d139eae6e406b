"""Objectives: costs of a whole batch of embeddings, with their gradients and their needs."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.objectives.batch_layout import check, wrong_neighbours
from contrastive_core.objectives.checks import require_positive
from contrastive_core.objectives.embeddings import FLOOR
from contrastive_core.objectives.needs import Needs, Origin
from contrastive_core.types import Batch

Extras = Mapping[str, Tensor]
"""Tensors by the names that an objective declares."""


class Objective(Cost):
    r"""A cost of the joint batch, :math:`C(o_1, \dots, o_B)`; subclasses are frozen dataclasses whose fields are its settings.

    A subclass writes one scalar function :func:`loss` of two copies of the outputs: through ``output`` flows the gradient, and
    ``held`` stands wherever the paper stops it (codes, keys, weights, selected pairs). ``value`` evaluates both at the same
    outputs. ``gradient`` differentiates the first alone, which is what training follows: with a stop-gradient it is no gradient
    of ``value``, but it is the gradient of ``loss`` at ``held``. In a live nudge ``Batch.held`` keeps the second at the free state,
    so that the nudged energy is a scalar function again.

    Attributes
    ----------
    needs : Needs
        Requirements on the batch.
    source : str
        The paper, by authors and year.
    verified : str
        Against what value and gradient were compared.
    """

    coupled = True
    needs: Needs = Needs()
    source: str = ""
    verified: str = ""

    @property
    @abstractmethod
    def strength(self) -> float:
        """The strength of a frozen nudge of outputs of length 1, in units of their stiffness.

        The gradient is B times that of the mean, so that it does not depend on the batch size; it does on the temperature and,
        by :func:`nudging_strength`, on the outputs' lengths.
        """

    @abstractmethod
    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the loss, of shape (), differentiable in ``output`` and in learnt extras; of checked arguments.

        Parameters
        ----------
        output : Tensor of shape (B, n)
            The embeddings.
        held : Tensor of shape (B, n)
            Copy of the embeddings at which the loss stops its gradient.
        batch : Batch
            The samples that they belong to.
        """

    @abstractmethod
    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the first value of every learnt and carried extra; empty if there is none.

        Parameters
        ----------
        width : int
            Number of outputs.
        samples : int
            Number of samples in the data set.
        generator : torch.Generator
            Source of randomness.
        """

    @abstractmethod
    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the carried extras for the next batch, given this one's outputs; empty if there is none."""

    @final
    def value(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the loss of the batch, of shape ().

        Raises
        ------
        InputError
            If the batch lacks what the objective needs.
        DivergenceError
            If an output is not finite.
        """
        held = check(output, batch, self.needs, type(self).__name__)
        return self.loss(output, held, batch)

    @final
    def gradient(self, output: Tensor, batch: Batch) -> Tensor:
        """Return B times the gradient of ``loss`` at fixed ``held``, of shape (B, n)."""
        held = check(output, batch, self.needs, type(self).__name__)
        with torch.enable_grad():
            leaf = output.detach().requires_grad_()
            loss = self.loss(leaf, held, batch)
            (slope,) = torch.autograd.grad(loss, leaf, allow_unused=True, materialize_grads=True)
        return output.shape[0] * slope

    @final
    def extra_gradient(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the gradient of the loss for every learnt extra, by name and shaped as it; not multiplied by B."""
        held = check(output, batch, self.needs, type(self).__name__)
        names = [extra.name for extra in self.needs.extras if extra.origin is Origin.LEARNT]
        with torch.enable_grad():
            leaves = {name: (batch.extras or {})[name].detach().requires_grad_() for name in names}
            loss = self.loss(output.detach(), held, batch._replace(extras={**(batch.extras or {}), **leaves}))
            slopes = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True) if leaves else ()
        return dict(zip(names, slopes, strict=True))

    @final
    def errors(self, output: Tensor, batch: Batch) -> Tensor:
        """Return where the row's nearest other row, by cosine, is none of its positives; bool, of shape (B,).

        Positives share the label where the objective needs classes, the instance where instances are given, and a label nearer
        than the batch's mean distance where labels are numbers or vectors. Without any of these, no row is wrong.
        """
        check(output, batch, self.needs, type(self).__name__)
        return wrong_neighbours(output, batch, self.needs.labels)


def nudging_strength(objective: Objective, output: Tensor) -> float:
    r"""Return the strength at which live and frozen nudges of outputs of these lengths both give the gradient.

    A cost of directions bends as :math:`1/|o|^2`, so that a live nudge of short outputs loses its fixed point where one of long ones, or
    a frozen one, is harmless: a fifth of the documented strength, times the square of the shortest output's length where that is
    below 1. Outputs without a direction do not count.

    Parameters
    ----------
    objective : Objective
        With its documented strength.
    output : Tensor of shape (B, n)
        Outputs at the free state.
    """
    lengths = torch.linalg.vector_norm(output.detach(), dim=1)
    alive = lengths[lengths > FLOOR]
    return 0.2 * objective.strength * min(1.0, float(alive.min()) ** 2 if len(alive) else 1.0)


class Stateless(Objective):
    """An objective that needs nothing besides outputs, views and labels, or only what every batch is given."""

    @final
    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return nothing: there is nothing to learn or carry."""
        return {}

    @final
    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return nothing: there is nothing to carry."""
        return {}


class Tempered(Stateless):
    """A plain objective with a temperature and no other setting.

    Attributes
    ----------
    temperature : float
        A field of the subclass, with its paper's default.
    """

    temperature: float

    @final
    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature)

    @property
    @final
    def strength(self) -> float:
        """0.01 of the temperature."""
        return 0.01 * self.temperature
