"""Tasks, which are to tell classes, numbers or tags of a sample, and the scores by which each is judged; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Score(NamedTuple):
    """A number by which the outputs for a split are judged.

    Attributes
    ----------
    name : str
        Name in records, such as ``rmse``.
    title : str
        Name for people.
    meaning : str
        Definition in one clause.
    percent : bool
        Whether it is a share, which people read in percent.
    """

    name: str
    title: str
    meaning: str
    percent: bool

    @property
    def factor(self) -> float:
        """Factor from a record to the number that people read."""
        return 100.0 if self.percent else 1.0

    @property
    def heading(self) -> str:
        """Name for people with its unit."""
        return f"{self.title} (%)" if self.percent else self.title

    def text(self, value: float | None) -> str:
        """Write a value for people; a dash if there is none."""
        if value is None:
            return "-"
        return f"{100 * value:.2f} %" if self.percent else f"{value:.4g}"


class LearningTask(NamedTuple):
    """Task of learning, by what the outputs say of each sample.

    Attributes
    ----------
    name : str
        Name in ``TASKS``.
    output : str
        Meaning of an output unit, as a noun in the singular.
    error : Score
        Score by which an epoch is chosen; the smallest is the best.
    others : tuple of Score
        Further scores, of the test split.
    """

    name: str
    output: str
    error: Score
    others: tuple[Score, ...]


_ERROR = Score("error", "error", "share of samples misclassified", True)
_WRONG_TAGS = _ERROR._replace(meaning="share of samples with any wrong tag, one minus the subset accuracy")
_F1 = Score("macro_f1", "macro F1", "", True)

TASKS: dict[str, LearningTask] = {
    task.name: task
    for task in (
        LearningTask(
            "classification",
            "class",
            _ERROR,
            (
                Score("balanced_error", "balanced error", "mean over the classes of the share of their samples misclassified", True),
                _F1._replace(meaning="mean over the classes of F1, the harmonic mean of precision and recall"),
            ),
        ),
        LearningTask(
            "regression",
            "number",
            Score("rmse", "RMSE", "root of the mean squared error, in the unit of the targets", False),
            (
                Score("mae", "MAE", "mean absolute error, in the unit of the targets", False),
                Score("r2", "R2", "coefficient of determination, mean over the targets", False),
            ),
        ),
        LearningTask(
            "multi-label",
            "tag",
            _WRONG_TAGS,
            (_F1._replace(meaning="mean over the tags of F1, the harmonic mean of precision and recall"),),
        ),
    )
}
"""Tasks by name."""

ERRORS: dict[str, Score] = {task.error.name: task.error for task in reversed(TASKS.values())}
"""Scores by which epochs are chosen, by name."""


class Target(NamedTuple):
    """A real target, which the splits hold standardised.

    Attributes
    ----------
    name : str
        Name of the target.
    mean, deviation : float
        Mean and standard deviation over the training split, in the unit of the target.
    """

    name: str
    mean: float
    deviation: float


def error_among(names: Iterable[str], split: str = "validation") -> Score:
    """Return the error that a record holds of a split, by its names such as ``validation_rmse``; that of classes if it holds none.

    Parameters
    ----------
    names : iterable of str
        Names of the record.
    split : str
        ``train``, ``validation`` or ``test``.
    """
    there = set(names)
    return next((score for name, score in ERRORS.items() if f"{split}_{name}" in there), _ERROR)
