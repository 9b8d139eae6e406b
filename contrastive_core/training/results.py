"""Values that training gives: progress after a step, and the result."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contrastive_core.training.evaluation import Evaluation
from contrastive_core.training.judge import Judge


class Progress(NamedTuple):
    """Progress after a step, with averages over the epoch so far; shares and errors of classes in [0, 1].

    Attributes
    ----------
    epoch, step, num_steps : int
        Epoch and step, counted from 1, and number of steps in the epoch.
    train_cost, train_error : float
        Cost and error at the free states of the rule.
    sweeps : float
        Steps of all phases, per sample.
    unconverged : float
        Share of phases, over all samples, that did not reach their tolerance.
    """

    epoch: int
    step: int
    num_steps: int
    train_cost: float
    train_error: float
    sweeps: float
    unconverged: float

    @classmethod
    def of(cls, epoch: int, step: int, num_steps: int, means: NDArray[np.float64], judge: Judge) -> Progress:
        """Return the progress from the mean cost, loss, sweeps and share of phases."""
        cost, loss, *effort = means.tolist()
        return cls(epoch, step, num_steps, cost, judge.error(loss), *effort)


class Result(NamedTuple):
    """Result of a training run.

    Attributes
    ----------
    history : list of dict
        One record per epoch.
    best_epoch : int
        First epoch with the smallest validation error, or the last epoch if the plan keeps it; counted from 1.
    validation, test : Evaluation
        Evaluation with the parameters of that epoch.
    """

    history: list[dict[str, float]]
    best_epoch: int
    validation: Evaluation
    test: Evaluation
