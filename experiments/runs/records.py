"""What the journal holds: trials and the epochs of their histories."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

Status = Literal["pending", "running", "done", "failed"]
STATUSES: tuple[Status, ...] = ("pending", "running", "done", "failed")
COLUMNS = "key, options, seed, status, metrics, error, seconds, started, (SELECT content FROM versions WHERE id = trials.versions)"
"""What to select from ``trials`` for ``read_trial``."""


class Task(NamedTuple):
    """One trial to be computed.

    Attributes
    ----------
    key : str
        Its name in the journal.
    changes : mapping
        Settings, by dotted key, in which it differs from the others.
    seed : int
        From which its randomness follows.
    """

    key: str
    changes: Mapping[str, Any]
    seed: int


class Trial(NamedTuple):
    """One trial as the journal holds it.

    Attributes
    ----------
    key : str
        Its name within the run.
    options : dict
        What it was run with.
    seed : int
        From which its randomness follows.
    status : str
        ``pending``, ``running``, ``done`` or ``failed``; a trial that is running without a process was killed.
    metrics : dict or None
        What it found, once done; a number that was not finite is None.
    error : str or None
        Why it failed.
    seconds : float or None
        How long it took.
    started : str or None
        When it was last begun, in UTC.
    versions : dict or None
        Of the software that last began it.
    """

    key: str
    options: dict[str, Any]
    seed: int
    status: Status
    metrics: dict[str, Any] | None
    error: str | None
    seconds: float | None
    started: str | None
    versions: dict[str, Any] | None


class Epoch(NamedTuple):
    """One row of a trial's history.

    Attributes
    ----------
    epoch : int
        Its number.
    metrics : dict
        What was measured; a number that was not finite is None.
    """

    epoch: int
    metrics: dict[str, Any]


class Record(NamedTuple):
    """What became of a trial, on its way from a worker to the journal.

    Attributes
    ----------
    key : str
        Its name within the run.
    metrics : str or None
        What it found, in JSON; None if it failed.
    error : str or None
        Why it failed, in a sentence.
    details : str or None
        Where it failed: the traceback.
    seconds : float
        How long it took.
    history : sequence of (int, str)
        Epochs, and what was measured at each, in JSON.
    arrays : mapping of str to ndarray
        Its trajectories.
    mistake : bool
        Whether it failed because of what it was told, which is the user's to mend.
    """

    key: str
    metrics: str | None
    error: str | None
    details: str | None
    seconds: float
    history: Sequence[tuple[int, str]] = ()
    arrays: Mapping[str, Any] = {}
    mistake: bool = False


def read_trial(row: tuple[Any, ...]) -> Trial:
    """Make a trial of a row of the database.

    Parameters
    ----------
    row : tuple
        The values of ``COLUMNS``.

    Returns
    -------
    Trial
        With its JSON parsed.
    """
    key, options, seed, status, metrics, error, seconds, started, versions = row
    found = json.loads(metrics) if metrics else None
    return Trial(key, json.loads(options), int(seed), status, found, error, seconds, started, json.loads(versions) if versions else None)
