"""Trajectories of a run read back from their files, as the lines of a figure."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.rundir import RunDirectory

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
    import numpy as np

    path = run.trajectories / f"{key}.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: np.asarray(stored[name], dtype=float) for name in ("energy", "residual") if name in stored}
    except (OSError, ValueError, zipfile.BadZipFile):
        return {}
    if len(arrays) < 2:
        return {}
    if arrays["energy"].ndim == 2:
        arrays = mean_trace(arrays)
    return {name: values[:LONGEST].tolist() for name, values in arrays.items()}
