"""Distillation: rows follow a teacher's probabilities, its relations between samples, or its scores of pairs."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.objectives.batch_layout import extra, others_among, view_rows
from contrastive_core.objectives.checks import require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.instances.queue import TEACHER
from contrastive_core.objectives.log_softmax import even, leave_out_self, pooled
from contrastive_core.objectives.needs import Extra, Needs, Origin
from contrastive_core.objectives.objective import Objective, Stateless
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch


def taught(output: Tensor, batch: Batch, *, width: bool = False) -> Tensor:
    """Return the teacher's unit rows without a gradient, of shape (B, m).

    Parameters
    ----------
    output : Tensor of shape (B, n)
        Outputs of the network that learns.
    batch : Batch
        Batch with the teacher's outputs.
    width : bool
        Whether the teacher must have as many outputs.

    Raises
    ------
    InputError
        If it must and has not.
    """
    rows = extra(batch, TEACHER.name).detach().to(output.dtype).reshape(len(output), -1)
    if width and rows.shape[1] != output.shape[1]:
        raise InputError(
            f"the teacher has {rows.shape[1]} outputs and this embedding {output.shape[1]}, which are compared one by one; give "
            f"--embedding {rows.shape[1]}, or an objective of relations, such as relation-distillation"
        )
    return unit(rows)


class Distilled(Stateless):
    """Objective with a temperature of the network that learns and one of the teacher.

    Attributes
    ----------
    temperature, teacher_temperature : float
        Temperatures; fields of the subclass.
    """

    temperature: float
    teacher_temperature: float

    @final
    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature, teacher_temperature=self.teacher_temperature)

    @property
    @final
    def strength(self) -> float:
        """0.01 of the temperature."""
        return 0.01 * self.temperature


@final
@dataclass(frozen=True)
class SelfDistillation(Objective):
    r"""Cross-entropy to a teacher's probabilities for another view.

    :math:`C = -\langle q_a \cdot \log p_b \rangle_{a \ne b}` over ordered pairs of views of a sample, with
    :math:`p = \mathrm{softmax}(o/|o|\tau)` and :math:`q = \mathrm{softmax}((t/|t| - c)/\tau')`. The centre c is the moving average of the
    teacher's directions and keeps one unit from winning for all samples. In the papers logits come from a further projection; here they are
    the directions of the outputs themselves.

    Attributes
    ----------
    temperature, teacher_temperature : float
        :math:`\tau` and :math:`\tau'`, dimensionless.
    centring : float
        Share of the newest batch in the centre, in [0, 1]; 0 keeps the centre at 0.
    """

    temperature: float = 0.1
    teacher_temperature: float = 0.04
    centring: float = 0.1

    needs = Needs(most=None, extras=(TEACHER, Extra("centre", "(n,)", Origin.CARRIED, "the moving average of the teacher's directions")))
    source = "Distillation with Contrast (2022), with the centre of DINO (Caron et al., 2021)"
    verified = "from the papers, not re-read; equals an independent twin"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature, teacher_temperature=self.teacher_temperature)
        if not 0 <= self.centring <= 1:
            raise InputError(f"the centring must lie in [0, 1], got {self.centring}; 0.1 is usual")

    @property
    def strength(self) -> float:
        """0.01 of the temperature."""
        return 0.01 * self.temperature

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return a centre of 0."""
        return {"centre": torch.zeros(width, device=generator.device)}

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the centre, moved towards the mean of this batch."""
        centre = extra(batch, "centre")
        return {"centre": centre + self.centring * (taught(output, batch, width=True).mean(0) - centre)}

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over samples and ordered pairs of views."""
        index = view_rows(batch)
        aims = ((taught(output, batch, width=True) - extra(batch, "centre").detach()) / self.teacher_temperature).softmax(1)
        scores = (unit(output) / self.temperature).log_softmax(1)
        # The sum over ordered pairs of two views, less those of a view with itself, without a tensor of all pairs of views.
        every = (aims[index].sum(1) * scores[index].sum(1)).sum() - (aims * scores).sum()
        return -every / (index.numel() * (index.shape[1] - 1))


@final
@dataclass(frozen=True)
class ContrastiveDistillation(Stateless):
    r"""Contrast of each row with the teacher's rows: its own is the positive, those of other samples are negatives.

    :math:`C = -\langle \log \frac{e^{o_i \cdot t_i/\tau}}{\sum_{j \notin V_i} e^{o_i \cdot t_j/\tau}} \rangle_i` of unit rows, where
    :math:`V_i` are the other views of the row's sample. Constant rows give the logarithm of the number of terms in the sum.

    Attributes
    ----------
    temperature : float
        :math:`\tau`, dimensionless.
    """

    temperature: float = 0.1

    needs = Needs(fewest=1, most=None, extras=(TEACHER,))
    source = "CALICO (2023), contrastive distillation of regions"
    verified = "from the paper, not re-read; equals an independent twin"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature)

    @property
    def strength(self) -> float:
        """0.01 of the temperature."""
        return 0.01 * self.temperature

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over rows."""
        rows, known, samples = unit(output), taught(output, batch, width=True), batch.instances

        def leave_out_views(logits: Tensor, part: slice) -> None:
            if samples is not None:
                same = samples[part, None] == samples[None, :]
                logits.masked_fill_(same & others_among(part, len(samples), logits), -torch.inf)

        every = pooled(rows, known, 1 / self.temperature, even(rows), leave_out_views)
        return every - (rows * known).sum(1).mean() / self.temperature


@final
@dataclass(frozen=True)
class RelationDistillation(Distilled):
    r"""Distillation of relations: the similarities of a row to all others follow the teacher's.

    :math:`C = \langle \mathrm{CE}(\mathrm{softmax}_{j \ne i}(t_i \cdot t_j/\tau'), \mathrm{softmax}_{j \ne i}(o_i \cdot o_j/\tau))
    \rangle_i` of unit rows. The teacher may have another number of outputs.

    Attributes
    ----------
    temperature, teacher_temperature : float
        :math:`\tau` and :math:`\tau'`, dimensionless.
    """

    temperature: float = 0.1
    teacher_temperature: float = 0.05

    needs = Needs(fewest=1, most=None, extras=(TEACHER,))
    source = "Hybrid Distillation (2023), relations of tokens taken between samples"
    verified = "from the paper, not re-read; equals an independent twin"

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over rows."""
        rows, known = unit(output), taught(output, batch)

        def targets(part: slice) -> Tensor:
            logits = known[part] @ known.T / self.teacher_temperature
            leave_out_self(logits, part)
            return logits.softmax(1) / len(rows)

        return pooled(rows, rows, 1 / self.temperature, even(rows), leave_out_self, targets)


@final
@dataclass(frozen=True)
class ScoreDistillation(Stateless):
    r"""Regression of the scores of pairs to the teacher's: :math:`C = \langle (\cos(o_i, o_j) - \cos(t_i, t_j))^2 \rangle_{i \ne j}`.

    The teacher may have another number of outputs. In the paper it is a network that sees both texts of a pair.
    """

    needs = Needs(fewest=1, most=None, extras=(TEACHER,))
    source = "Distilled Sentence Embedding (2019), scores of pairs"
    verified = "from the paper, not re-read; equals an independent twin"
    strength = 0.005

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over pairs of rows."""
        known, pairs = taught(output, batch), len(output) * (len(output) - 1)

        def term(part: slice, rows: Tensor) -> Tensor:
            others = others_among(part, len(rows), rows)
            return (rows[part] @ rows.T - known[part] @ known.T)[others].square().sum() / pairs

        return tiled(term, len(output), len(output), unit(output))
