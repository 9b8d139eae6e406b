"""Records of a journal: trials before and after they are stored, and the epochs of their histories."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from contrastive_core.errors import DataError
from experiments.commandline.documents import read_json

Status = Literal["pending", "running", "done", "failed"]
STATUSES: tuple[Status, ...] = ("pending", "running", "done", "failed")
COLUMNS = "key, options, seed, status, metrics, error, seconds, started, (SELECT content FROM versions WHERE id = trials.versions)"
"""Columns of ``trials`` that ``read_trial`` takes."""


class Task(NamedTuple):
    """Trial to be computed.

    Attributes
    ----------
    key : str
        Name of the trial in the journal.
    changes : mapping
        Settings, by dotted key, in which the trial differs from the others.
    seed : int
        Seed of all its randomness.
    """

    key: str
    changes: Mapping[str, Any]
    seed: int


class Metrics(dict[str, Any]):
    """Metrics of a finished trial; asking for one that the journal does not have is a ``DataError``, not a bug."""

    def __missing__(self, key: str) -> Any:
        """Refuse a record that another version wrote, or that was edited."""
        raise DataError(f"a record of the run has no {key!r}, so another version wrote it; use that version, or choose another --out")


class Trial(NamedTuple):
    """Trial as the journal holds it.

    Attributes
    ----------
    key : str
        Name of the trial within the run.
    options : dict
        Settings in which it differs from the others.
    seed : int
        Seed of all its randomness.
    status : str
        ``pending``, ``running``, ``done`` or ``failed``; ``running`` without a process means killed.
    metrics : dict or None
        Metrics of a finished trial; a number that was not finite is None.
    error : str or None
        Reason of a failure.
    seconds : float or None
        Time that it took.
    started : str or None
        Time of its last record or start, in UTC.
    versions : dict or None
        Versions of the software that computed it.
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
    """Row of a trial's history.

    Attributes
    ----------
    epoch : int
        Number of the epoch.
    metrics : dict
        Measured quantities; a number that was not finite is None.
    """

    epoch: int
    metrics: dict[str, Any]


class Record(NamedTuple):
    """Outcome of a trial on its way from a worker to the journal.

    Attributes
    ----------
    key : str
        Name of the trial within the run.
    metrics : str or None
        Metrics in JSON; None if it failed.
    error : str or None
        Reason of a failure, in a sentence.
    details : str or None
        Traceback of a failure.
    seconds : float
        Time that it took.
    history : sequence of (int, str)
        Epochs, and their metrics in JSON.
    arrays : mapping of str to ndarray
        Trajectories by name.
    mistake : bool
        Whether it failed because of its options, which the user can mend.
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
        Values of ``COLUMNS``.

    Returns
    -------
    Trial
        Trial with its JSON parsed.
    """
    key, options, seed, status, metrics, error, seconds, started, versions = row
    found = read_metrics(metrics) if metrics else None
    return Trial(
        key, _object(options), read_seed(key, seed), status, found, error, seconds, started, _object(versions) if versions else None
    )


def read_metrics(text: str) -> Metrics:
    """Read the metrics of a finished trial; mappings in them miss a name as the whole record does.

    Raises
    ------
    JSONDecodeError
        If they are no JSON object.
    """
    found = read_json(text, Metrics)
    if not isinstance(found, Metrics):
        raise json.JSONDecodeError("a record is no object", text, 0)
    return found


def read_seed(key: str, seed: Any) -> int:
    """Read the seed of a trial, which a journal keeps as text.

    Raises
    ------
    JSONDecodeError
        If it is no whole number.
    """
    if not str(seed).removeprefix("-").isdecimal():
        raise json.JSONDecodeError(f"the seed of trial {key!r} is no whole number", str(seed), 0)
    return int(seed)


def _object(text: str) -> dict[str, Any]:
    found = read_json(text)
    if not isinstance(found, dict):
        raise json.JSONDecodeError("a record is no object", text, 0)
    return found
