"""Answers that are learnt of each sample, as an array of classes or of targets."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contrastive_core.errors import InputError


class Answers(NamedTuple):
    """Answers of all samples.

    Attributes
    ----------
    arrays : dict of str to ndarray
        The array ``labels`` or ``targets``.
    classes : tuple of str
        Names of the classes where ``labels`` are their numbers; empty otherwise.
    """

    arrays: dict[str, NDArray[Any]]
    classes: tuple[str, ...] = ()


def answers(values: NDArray[Any], name: str, task: str) -> Answers:
    """Return the array ``labels`` or ``targets``, with the names of the classes.

    Texts and truth values are classes, and so are whole numbers that are 0, 1, 2 and so on without a gap. Other whole numbers can be
    classes or numbers, which has to be said. Fractions are numbers, and so are several columns.

    Parameters
    ----------
    values : ndarray of shape (N,) or (N, m)
        Entries.
    name : str
        Name of the entries, for messages.
    task : str
        ``classification`` or ``regression``; ``auto`` tells by the entries.

    Raises
    ------
    InputError
        If the entries cannot be what the task says, or could be either.
    """
    text = values.dtype.kind not in "biuf"
    if task == "regression" or (values.ndim == 2 and task != "classification"):
        if text:
            raise InputError(f"{name} holds text, and targets must be numbers; take --task classification for classes")
        return Answers({"targets": values.astype(np.float64)})
    if values.ndim == 2:
        raise InputError(f"{name} is {values.shape[1]} columns, and classes are one; name one column")
    if text or values.dtype.kind == "b":
        return Answers({"labels": values.astype(str)})
    whole = bool((np.isfinite(values) & (values == np.round(values))).all())
    distinct = np.unique(values)
    if whole and np.array_equal(distinct, np.arange(len(distinct))):
        return Answers({"labels": values.astype(np.int64)})
    if task == "classification":
        if not whole:
            raise InputError(f"{name} holds fractions, which are no classes; take --task regression, or name the classes")
        return Answers({"labels": np.searchsorted(distinct, values).astype(np.int64)}, tuple(f"{value:g}" for value in distinct))
    if whole:
        raise InputError(
            f"{name} holds whole numbers from {values.min():g} to {values.max():g}, which can be classes or numbers; say --task "
            "classification or --task regression"
        )
    return Answers({"targets": values.astype(np.float64)})
