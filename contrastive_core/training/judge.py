"""Judgement of outputs: the loss of each sample, and the scores of a split, by the task of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.data.splits import Splits
from contrastive_core.data.task import TASKS, Score
from contrastive_core.errors import InputError
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class Judge:
    """Losses and scores of outputs.

    Scores follow from sums over samples, so that the sums of several processes add up.

    Attributes
    ----------
    task : str
        Name in ``TASKS``.
    outputs : int
        Number of classes, targets or tags; 0 judges errors alone.
    deviations : tuple of float
        Deviation of each target of a regression, by which its labels were divided.
    """

    task: str = "classification"
    outputs: int = 0
    deviations: tuple[float, ...] = ()

    @property
    def score(self) -> Score:
        """Score by which an epoch is chosen."""
        return TASKS[self.task].error

    def losses(self, cost: Cost, output: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample, of shape (B,) and dtype float64.

        It is 1 for a sample misclassified, or with any wrong tag, and the squared error of numbers, a mean over the targets.
        """
        if self.task == "regression":
            return self._errors(output, batch).square().mean(1)
        if self.task == "multi-label":
            return ((output > 0.5) != (batch.labels > 0.5)).any(1).double()
        return cost.errors(output, batch).double()

    def error(self, loss: float) -> float:
        """Return the error of samples with a mean loss: the root of it for numbers."""
        return loss**0.5 if self.task == "regression" else loss

    def sums(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the sums from which scores follow, of shape (k, outputs) and dtype float64 on the CPU."""
        if not self.outputs:
            return torch.zeros(0, dtype=torch.float64)
        if self.task == "regression":
            errors, values = self._errors(output, batch), batch.labels.double()
            moments = (torch.ones_like(values), errors.square(), errors.abs(), values, values.square())
            return torch.stack([one.sum(0) for one in moments]).cpu()
        if self.task == "multi-label":
            said, true = output > 0.5, batch.labels > 0.5
        else:
            # What several votes for each class decide, or whether a distribution as target is met, is known to the cost alone.
            if output.shape[1] != self.outputs or batch.labels.dim() != 1:
                return torch.zeros(0, dtype=torch.float64)
            said, true = (torch.nn.functional.one_hot(one, self.outputs).bool() for one in (output.argmax(1), batch.labels))
        return torch.stack([one.sum(0) for one in (true, said, true & said)]).double().cpu()

    def scores(self, sums: Tensor) -> dict[str, float]:
        """Return the scores beside the error, by the names that ``TASKS`` has; none without sums."""
        if not sums.numel():
            return {}
        if self.task == "regression":
            count, squared, absolute, values, squares = sums
            around = squares - values.square() / count
            scale = torch.tensor(self.deviations, dtype=torch.float64)
            # A target that is constant over the split is explained by no share: scikit-learn's convention.
            explained = torch.where(around > 0, 1 - squared / scale.square() / around, 0.0)
            return {"mae": float((absolute / count).mean()), "r2": float(explained.mean())}
        true, said, both = sums
        there = true + said > 0
        scores = {"macro_f1": float((2 * both / (true + said))[there].mean())}
        if self.task == "classification":
            scores = {"balanced_error": float(1 - (both / true)[true > 0].mean()), **scores}
        return scores

    def _errors(self, output: Tensor, batch: Batch) -> Tensor:
        """Return errors in the unit of each target, of shape (B, outputs)."""
        return (output.double() - batch.labels.double()) * output.new_tensor(self.deviations, dtype=torch.float64)


ERRORS_ALONE = Judge()
"""Judge of decisions without scores."""


def judge_of(splits: Splits) -> Judge:
    """Return the judge of a data set."""
    return Judge(splits.task, splits.num_classes, tuple(target.deviation for target in splits.targets))


def require_cost(cost: Cost, splits: Splits, data: str) -> None:
    """Refuse a cost of classes for data of numbers or tags.

    Raises
    ------
    InputError
        If the task of the data is no classification, and the cost has no constant curvature as squared errors have.
    """
    if splits.task != "classification" and cost.curvature == 0:
        raise InputError(
            f"{data} is a {splits.task} of {splits.num_classes} {TASKS[splits.task].output}s, and {type(cost).__name__} needs classes; "
            "take --cost squared-error"
        )
