"""Arrays of a run read back from their files, and trajectories as the lines of a figure."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.runs.directory import RunDirectory

if TYPE_CHECKING:
    import numpy as np

LONGEST = 400
"""Sweeps of a trace that are shown."""


def mean_trace(arrays: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    """Put the samples of a trajectory together.

    Parameters
    ----------
    arrays : mapping of str to ndarray of shape (steps, samples)
        ``energy`` and ``residual``; empty where there was no step.

    Returns
    -------
    dict of str to ndarray of shape (steps,)
        The mean energy, and the largest residual.
    """
    return {"energy": arrays["energy"].mean(1), "residual": arrays["residual"].max(1)} if arrays else {}


def read_arrays(run: RunDirectory, key: str) -> dict[str, np.ndarray[Any, Any]]:
    """Read all arrays of a trial.

    Parameters
    ----------
    run : RunDirectory
        The run.
    key : str
        The trial.

    Returns
    -------
    dict of str to ndarray
        By name; empty if the trial kept none, or its file is damaged.
    """
    import numpy as np

    try:
        with np.load(run.trajectories / f"{key}.npz", allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile):
        return {}


def read_trace(run: RunDirectory, key: str) -> dict[str, list[float]]:
    """Read how a trial relaxed.

    Parameters
    ----------
    run : RunDirectory
        The run.
    key : str
        The trial.

    Returns
    -------
    dict of str to list of float
        ``energy`` and ``residual`` after every sweep, over all samples; empty if the trial kept none, or another kind.
    """
    arrays = read_arrays(run, key)
    if not {"energy", "residual"} <= arrays.keys():
        return {}
    arrays = {name: arrays[name].astype(float) for name in ("energy", "residual")}
    if arrays["energy"].ndim == 2:
        arrays = mean_trace(arrays)
    return {name: values[:LONGEST].tolist() for name, values in arrays.items()}
