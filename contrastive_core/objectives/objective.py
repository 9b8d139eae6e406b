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
from contrastive_core.objectives.said import check_said
from contrastive_core.types import Batch

Extras = Mapping[str, Tensor]
"""Tensors by the names that an objective declares."""


class Objective(Cost):
    r"""A cost of the joint batch, :math:`C(o_1, \dots, o_B)`; subclasses are frozen dataclasses whose fields are its settings.

    A subclass writes one scalar function :func:`loss` of two copies of the outputs: ``output`` carries the gradient, and ``held``
    takes its place wherever the paper stops the gradient (codes, keys, weights, selected pairs). ``value`` evaluates both copies at
    the same outputs. ``gradient`` differentiates with respect to ``output`` alone; this is the gradient that training follows. With
    a stop-gradient it is not the gradient of ``value``, but it is the gradient of ``loss`` at fixed ``held``. In a live nudge
    ``Batch.held`` keeps the second copy at the free state, so that the nudged energy is a scalar function again.

    Attributes
    ----------
    needs : Needs
        Requirements on the batch.
    source : str
        Paper, by authors and year.
    verified : str
        Reference that value and gradient were compared with.
    halves : tuple of str
        Names of the two halves of the outputs, which are probed apart, if their meanings differ.
    paired : bool
        Whether these halves are the embeddings of two modalities, each of which must find the other.
    hears : frozenset of str
        Extras that say something of rows and pairs, and that the objective takes; a batch with others is refused.
    """

    coupled = True
    needs: Needs = Needs()
    source: str = ""
    verified: str = ""
    halves: tuple[str, ...] = ()
    paired: bool = False
    hears: frozenset[str] = frozenset()

    @property
    @abstractmethod
    def strength(self) -> float:
        """Strength of a frozen nudge for outputs of length 1, in units of their stiffness.

        The strength does not depend on the batch size, because ``gradient`` is B times the gradient of the mean. It depends on the
        temperature and, through :func:`nudging_strength`, on the lengths of the outputs.
        """

    @abstractmethod
    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the loss, of shape (), differentiable in ``output`` and in learnt extras; the arguments have been checked.

        Parameters
        ----------
        output : Tensor of shape (B, n)
            The embeddings.
        held : Tensor of shape (B, n)
            Copy of the embeddings at which the loss stops its gradient.
        batch : Batch
            Samples that the embeddings belong to.
        """

    @abstractmethod
    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the initial value of every learnt and carried extra; empty if there is none.

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
    def _checked(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the outputs at which gradients stop, after all checks."""
        held = check(output, batch, self.needs, type(self).__name__)
        check_said(batch, output, self.hears, type(self).__name__)
        return held

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
        held = self._checked(output, batch)
        return self.loss(output, held, batch)

    @final
    def gradient(self, output: Tensor, batch: Batch) -> Tensor:
        """Return B times the gradient of ``loss`` at fixed ``held``, of shape (B, n)."""
        held = self._checked(output, batch)
        with torch.enable_grad():
            leaf = output.detach().requires_grad_()
            loss = self.loss(leaf, held, batch)
            (slope,) = torch.autograd.grad(loss, leaf, allow_unused=True, materialize_grads=True)
        return output.shape[0] * slope

    @final
    def extra_gradient(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the gradient of the loss for every learnt extra, by name; it is not multiplied by B."""
        held = self._checked(output, batch)
        names = [extra.name for extra in self.needs.extras if extra.origin is Origin.LEARNT]
        with torch.enable_grad():
            leaves = {name: (batch.extras or {})[name].detach().requires_grad_() for name in names}
            loss = self.loss(output.detach(), held, batch._replace(extras={**(batch.extras or {}), **leaves}))
            slopes = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True) if leaves else ()
        return dict(zip(names, slopes, strict=True))

    @final
    def errors(self, output: Tensor, batch: Batch) -> Tensor:
        """Return a mask of shape (B,) that is True where the nearest other row, by cosine, is not a positive.

        Positives are rows of the same class where the objective needs classes, rows with labels nearer than the batch's mean
        distance where labels are numbers or vectors, and otherwise rows of the same instance. Without instances no row is wrong.
        """
        self._checked(output, batch)
        return wrong_neighbours(output, batch, self.needs.labels, paired=self.paired)


def nudging_strength(objective: Objective, output: Tensor) -> float:
    r"""Return a strength at which live and frozen nudges both estimate the gradient, for the lengths of these outputs.

    The curvature of a cost of directions grows as :math:`1/|o|^2`. A live nudge of short outputs therefore loses its fixed point at
    strengths that are harmless for long outputs or for a frozen nudge. The result is a fifth of the documented strength, times the
    square of the shortest output's length if that is below 1. Outputs without a direction do not count.

    Parameters
    ----------
    objective : Objective
        Objective, with its documented strength.
    output : Tensor of shape (B, n)
        Outputs at the free state.
    """
    rows = torch.cat(output.detach().chunk(2, 1)) if objective.paired else output.detach()
    lengths = torch.linalg.vector_norm(rows, dim=1)
    alive = lengths[lengths > FLOOR]
    return 0.2 * objective.strength * min(1.0, float(alive.min()) ** 2 if len(alive) else 1.0)


class Stateless(Objective):
    """Objective without learnt and carried extras."""

    @final
    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return an empty dict: there are no extras to start."""
        return {}

    @final
    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return an empty dict: there are no extras to carry."""
        return {}


class Tempered(Stateless):
    """Objective with a temperature and no other setting.

    Attributes
    ----------
    temperature : float
        Temperature; a field of the subclass, whose default is that of its paper.
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
