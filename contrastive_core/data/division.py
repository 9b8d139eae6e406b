"""Division of samples into training, validation and test splits, the same on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from contrastive_core.data.on_disk.rows import MappedRows
from contrastive_core.data.splits import Split
from contrastive_core.errors import InputError

# Seed of the order in which samples are split. Another value would change every published number on these data sets.
_SPLIT_SEED = 20240601
PARTS = ("train", "validation", "test")
HELD_OUT = 0.15
"""Share of the samples in the validation split, and in the test split, where the data give no division."""


def divide(samples: Split, told: NDArray[Any] | None, groups: tuple[str, NDArray[Any]] | None) -> tuple[Split, Split, Split, str]:
    """Divide samples as they are told, by whole groups, or by strata.

    Parameters
    ----------
    samples : Split
        All samples.
    told : ndarray of shape (N,), optional
        0 or train, 1 or validation, 2 or test for each sample.
    groups : pair of str and ndarray of shape (N,), optional
        Name and group of each sample, all of which are in one split.

    Returns
    -------
    tuple
        The three splits, and words on how they were made.

    Raises
    ------
    InputError
        If a split would be empty, or entries are something else.
    """
    count = len(samples.labels)
    if told is not None:
        parts = [np.flatnonzero(_part_numbers(told, count) == number) for number in range(3)]
        for part, name in zip(parts, PARTS, strict=True):
            if not len(part):
                raise InputError(f"'split' leaves no sample for {name}; 0 is training, 1 validation and 2 test, and each needs some")
        words = "divided as given"
    elif groups is not None:
        parts, words = _whole_groups(groups[1], groups[0]), f"whole {groups[0]} held out"
    else:
        held = max(1, round(HELD_OUT * count))
        return *split_stratified(samples, held, held), "fixed stratified split"
    train, validation, test = (_take(samples, part) for part in parts)
    return train, validation, test, words


def split_stratified(samples: Split, num_validation: int, num_test: int) -> tuple[Split, Split, Split]:
    """Divide samples into training, validation and test splits with the same share of every class.

    Real targets are stratified by the first of them, and tags by their combinations. The division depends on the labels and the two
    numbers only. The random order has a fixed seed and uses raw integers of the bit
    generator, which stay the same across versions of NumPy. The count of each class in the test split is within one of its share; in
    the validation split, it is within one of its share of the samples that the test split leaves.

    Parameters
    ----------
    samples : Split
        All samples, with inputs of shape (N, n_in).
    num_validation : int
        Samples in the validation split, at least 1.
    num_test : int
        Samples in the test split, at least 1.

    Returns
    -------
    tuple of Split
        Training, validation and test samples, each in random order, or in that of the file that inputs stay in; every sample is in
        exactly one of them.

    Raises
    ------
    InputError
        If a split would be empty.
    """
    num_samples = len(samples.labels)
    if num_validation < 1 or num_test < 1 or num_validation + num_test >= num_samples:
        raise InputError(
            f"cannot take {num_validation} validation and {num_test} test samples from {num_samples}; "
            "every split needs at least one sample, choose smaller positive numbers"
        )
    order = fixed_order(num_samples)
    rank = np.argsort(order)
    by_class = order[np.argsort(_strata(samples.labels.numpy())[order], kind="stable")]
    in_test = _spread(num_samples, num_test)
    rest = by_class[~in_test]
    in_validation = _spread(len(rest), num_validation)
    parts = (rest[~in_validation], rest[in_validation], by_class[in_test])
    train, validation, test = (_take(samples, part[np.argsort(rank[part])]) for part in parts)
    return train, validation, test


def fixed_order(count: int) -> NDArray[np.intp]:
    """Return an order of ``count`` samples that looks random, and is the same on every machine and for every version of NumPy."""
    return np.argsort(np.random.PCG64(_SPLIT_SEED).random_raw(count), kind="stable")


def _part_numbers(told: NDArray[Any], count: int) -> NDArray[np.int64]:
    if told.shape != (count,):
        raise InputError(f"'split' has the shape {told.shape} for {count} samples; give one entry for each, of shape ({count},)")
    if told.dtype.kind == "U":
        told = np.array([PARTS.index(name) if name in PARTS else -1 for name in told])
    if told.dtype.kind not in "iu" or told.min() < 0 or told.max() > 2:
        raise InputError("'split' must be 0, 1 and 2, or train, validation and test")
    return told.astype(np.int64)


def _whole_groups(groups: NDArray[Any], name: str) -> list[NDArray[np.intp]]:
    """Return the rows of each split, with every group in one of them."""
    ids, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(ids) < 3:
        raise InputError(f"{len(ids)} {name} cannot be divided into three splits; give the array 'split'")
    order = fixed_order(len(ids))
    wanted = HELD_OUT * len(groups)
    part_of = np.zeros(len(ids), dtype=np.int64)
    at = 0
    for part in (2, 1):
        taken = 0
        while at < len(ids) - part and (taken == 0 or taken + sizes[order[at]] <= wanted):
            part_of[order[at]] = part
            taken += sizes[order[at]]
            at += 1
    return [np.flatnonzero(part_of[place] == part) for part in range(3)]


def _strata(labels: NDArray[Any]) -> NDArray[Any]:
    """Return a value of each sample, by whose order samples are spread over the splits."""
    if labels.ndim == 1:
        return labels
    if np.isin(labels, (0, 1)).all():
        return np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)
    return labels[:, 0]


def _spread(length: int, count: int) -> NDArray[np.bool_]:
    """Mark ``count`` of ``length`` positions, evenly spaced."""
    steps = np.arange(length + 1) * count // length
    return np.diff(steps) > 0


def _take(samples: Split, indices: NDArray[np.intp]) -> Split:
    """Select samples by index, those of a file in its order."""
    return samples.take(torch.from_numpy(np.sort(indices) if isinstance(samples.inputs, MappedRows) else indices))
