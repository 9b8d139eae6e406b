"""Loaders as callers get them: any path is taken, and what a plug-in returns is checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import wraps
from math import prod
from pathlib import Path
from typing import Any

import torch

from contrastive_core.data.catalog import CATALOG
from contrastive_core.data.splits import Loader, Split, Splits
from contrastive_core.data.task import TASKS
from contrastive_core.errors import InputError, PluginError
from contrastive_core.expect import expect_whole, shown
from contrastive_core.guards.foreign import foreign


def checked(name: str, load: Any) -> Loader:
    """Return a loader that refuses arguments of wrong types, and results of a plug-in that are no data set.

    Parameters
    ----------
    name : str
        Name of the data set.
    load : object
        Loader that the name stands for; with a plug-in, it may be anything.

    Returns
    -------
    callable
        ``load(data_dir, seed)``, whose folder may also be a text.

    Raises
    ------
    PluginError
        If the object cannot be called; when called, also if it raises, or returns no data set.
    """
    if not callable(load):
        raise PluginError(f"the data set {name!r} is no loader (data_dir, seed) -> Splits but {shown(load)}; see docs/how-to/plugins.md")

    @wraps(load)
    def loader(data_dir: str | os.PathLike[str] | None, seed: int) -> Splits:
        if not isinstance(data_dir, str | os.PathLike | None):
            raise InputError(f"data_dir must be the path of a folder or None, got {shown(data_dir)}; None looks into the usual folders")
        arguments = (None if data_dir is None else Path(data_dir), expect_whole(seed, "seed", "0 is the usual one", least=0))
        if name in CATALOG:
            shipped: Splits = load(*arguments)
            return shipped
        with foreign(f"the data set {name!r} cannot be loaded"):
            found = load(*arguments)
        if isinstance(found, Mapping):
            from contrastive_core.data.named.arrays import own_data

            return own_data(found, source=name)
        return _whole(name, found)

    return loader


def _whole(name: str, found: object) -> Splits:
    """Return the data set that a plug-in gave, if it is one."""
    fault = _fault(found) if isinstance(found, Splits) else f"a result that is no Splits but {shown(found)}"
    if fault or not isinstance(found, Splits):
        raise PluginError(f"the data set {name!r} has {fault}; see docs/how-to/plugins.md for what a loader returns")
    return found


def _fault(splits: Splits) -> str:
    if splits.task not in TASKS:
        return f"{shown(splits.task)} as its task"
    if isinstance(splits.num_classes, bool) or not isinstance(splits.num_classes, int) or splits.num_classes < 1:
        return f"{shown(splits.num_classes)} as its number of classes"
    for part in ("train", "validation", "test"):
        if fault := _fault_of_part(getattr(splits, part), splits.num_classes, splits.task):
            return f"{fault} in its split {part!r}"
    widths = [split.inputs.shape[1] for split in splits[:3]]
    if len(set(widths)) > 1:
        return f"splits of different widths ({', '.join(map(str, widths))} inputs)"
    shape = splits.shape
    if not isinstance(shape, tuple) or (shape and (len(shape) != 3 or prod(shape) != widths[0])):
        return f"rows of {widths[0]} inputs, which are no pictures of shape {shape}"
    return ""


def _fault_of_part(split: object, num_classes: int, task: str) -> str:
    if not isinstance(split, Split) or not all(isinstance(one, torch.Tensor) for one in split):
        return "no Split of two tensors"
    inputs, labels = split
    if not len(inputs.flatten()) or not len(labels.flatten()):
        return "no samples"
    if inputs.dim() != 2 or not inputs.is_floating_point():
        return f"inputs of shape {tuple(inputs.shape)} and type {inputs.dtype}, in place of floats of shape (N, n_in),"
    if task != "classification":
        if not labels.is_floating_point() or labels.shape != (len(inputs), num_classes):
            found = f"targets of shape {tuple(labels.shape)} and type {labels.dtype}"
            return f"{found}, in place of floats of shape ({len(inputs)}, {num_classes}),"
        return "" if inputs.isfinite().all() and labels.isfinite().all() else "NaN or infinity"
    if labels.dtype != torch.int64 or labels.shape != inputs.shape[:1]:
        return f"labels of shape {tuple(labels.shape)} and type {labels.dtype}, in place of int64 of shape ({len(inputs)},),"
    if labels.min() < 0 or labels.max() >= num_classes:
        return f"labels from {labels.min()} to {labels.max()}, in place of 0 to {num_classes - 1},"
    return "" if inputs.isfinite().all() else "NaN or infinity"
