"""Arrays of trials, each trial's in a file of its own, and trajectories as the lines of a figure."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contrastive_core.files.writing import write_bytes
from experiments.runs.directory import RunDirectory
from experiments.runs.inside import file_of
from experiments.runs.journal import StoreError

if TYPE_CHECKING:
    import numpy as np

LONGEST = 400
"""Sweeps of a trace that are shown."""


def save_arrays(run: RunDirectory, key: str, arrays: Mapping[str, Any]) -> None:
    """Write a trial's arrays to a file, whole or not at all.

    Parameters
    ----------
    run : RunDirectory
        Run of the trial; the file goes to its ``trajectories``.
    key : str
        Key of the trial, which becomes the file's name.
    arrays : mapping of str to ndarray
        Arrays by name.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    import numpy as np

    # In memory first, so that the file appears whole: a half-written archive would be read as none.
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    path = file_of(run.trajectories, key, ".npz")
    try:
        run.trajectories.mkdir(exist_ok=True)
        write_bytes(path, content.getvalue())
    except OSError as error:
        raise StoreError(f"cannot write {path} ({error.strerror}); what was recorded before is kept") from error


def mean_trace(arrays: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    """Reduce a trajectory to one line per quantity, over its samples.

    Parameters
    ----------
    arrays : mapping of str to ndarray of shape (steps, samples)
        Arrays ``energy``, ``residual`` and ``change_l`` of each layer; an empty mapping where there was no step.

    Returns
    -------
    dict of str to ndarray of shape (steps,)
        Mean energy, and largest residual and changes, after every step.
    """
    return {name: values.mean(1) if name == "energy" else values.max(1) for name, values in arrays.items()}


def read_arrays(run: RunDirectory, key: str) -> dict[str, np.ndarray[Any, Any]]:
    """Read all arrays of a trial.

    Parameters
    ----------
    run : RunDirectory
        Run of the trial.
    key : str
        Key of the trial.

    Returns
    -------
    dict of str to ndarray
        Arrays by name; empty if the trial kept none, or its file is damaged.
    """
    from contrastive_core.files.arrays import load_arrays

    # Arrays are for figures only. A page about a run must not fail because one file is damaged.
    try:
        return load_arrays(file_of(run.trajectories, key, ".npz"))
    except (OSError, ValueError):  # a key that is no file name is a ValueError too
        return {}


def read_trace(run: RunDirectory, key: str) -> dict[str, list[float]]:
    """Read the trace of a trial's relaxation.

    Parameters
    ----------
    run : RunDirectory
        Run of the trial.
    key : str
        Key of the trial.

    Returns
    -------
    dict of str to list of float
        ``energy``, ``residual`` and, in runs of later versions, ``change_l`` of each layer after every sweep, over all samples; empty
        if the trial kept none, or another kind.
    """
    arrays = read_arrays(run, key)
    if not {"energy", "residual"} <= arrays.keys():
        return {}
    arrays = {name: values.astype(float) for name, values in arrays.items() if name in ("energy", "residual") or name.startswith("change_")}
    if arrays["energy"].ndim == 2:
        arrays = mean_trace(arrays)
    return {name: values[:LONGEST].tolist() for name, values in arrays.items()}
