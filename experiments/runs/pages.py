"""Trials in a journal by the thousand, written and read a chunk at a time."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from contrastive_core.errors import InputError
from experiments.commandline.documents import read_json
from experiments.commandline.output import to_json
from experiments.runs.journal import Journal
from experiments.runs.provenance import utc_now
from experiments.runs.records import Record, Task, read_seed

_SETTLE = (
    "UPDATE trials SET status = ?, metrics = ?, error = ?, details = ?, seconds = ?, started = ifnull(started, ?), versions = ? "
    "WHERE key = ? AND status IN ('pending', 'running')"
)
_EPOCH = "INSERT OR REPLACE INTO history (trial, epoch, metrics) SELECT id, ?, ? FROM trials WHERE key = ?"
# The rows come in the order of the ids; without the plus signs SQLite would collect and sort them all for every page.
_UNFINISHED = "SELECT id, key, options, seed FROM trials WHERE id > ? AND +status IN ('pending', 'running') ORDER BY id LIMIT ?"


_TYPES = {"declared": dict, "settings": dict, "about": dict, "forms": dict, "chunk": int, "axes": list}
"""Type of each fact; a journal that others sent may hold any."""


class Page(NamedTuple):
    """Trials that are still to be computed.

    Attributes
    ----------
    tasks : list of Task
        Trials in the order in which they were planned; empty at the end.
    last : int
        Row of the last one, after which the next page begins.
    """

    tasks: list[Task]
    last: int


def unfinished(journal: Journal, after: int, limit: int) -> Page:
    """Read trials that are neither done nor failed.

    Parameters
    ----------
    journal : Journal
        Journal of the run.
    after : int
        ``last`` of the page before, 0 for the first page.
    limit : int
        Largest number of trials.

    Returns
    -------
    Page
        Next trials.
    """
    rows = journal.connection.execute(_UNFINISHED, (after, limit)).fetchall()
    tasks = [Task(key, read_json(options), read_seed(key, seed)) for _, key, options, seed in rows]
    return Page(tasks, rows[-1][0] if rows else after)


def settle(journal: Journal, records: Sequence[Record]) -> None:
    """Write the records of some trials, with their histories, in one transaction.

    Parameters
    ----------
    journal : Journal
        Journal in which the trials are planned and not yet settled.
    records : sequence of Record
        Records of the trials; their arrays are kept elsewhere.

    Raises
    ------
    InputError
        If a trial is settled already, or unknown; nothing is written then.
    StoreError
        If the file cannot be written.
    """
    now, versions = utc_now(), journal.versions
    rows = [
        (("failed" if one.error is not None else "done"), one.metrics, one.error, one.details, one.seconds, now, versions, one.key)
        for one in records
    ]
    epochs = [(epoch, metrics, one.key) for one in records for epoch, metrics in one.history]
    with journal.transaction():
        # Two processes that compute the same run would each write its results; the second one finds no open trial and stops.
        changed = journal.connection.executemany(_SETTLE, rows).rowcount
        if changed != len(rows):
            raise InputError(f"{len(rows) - changed} of {len(rows)} trials have a result already; another process may be writing this run")
        # After the trials: an epoch of an unknown trial would be dropped without a word.
        journal.connection.executemany(_EPOCH, epochs)


def retry_failed(journal: Journal) -> int:
    """Make every failed trial pending again, and return how many there were."""
    renew = "UPDATE trials SET status = 'pending', error = NULL, details = NULL, seconds = NULL, started = NULL WHERE status = 'failed'"
    with journal.transaction():
        return journal.connection.execute(renew).rowcount


def details(journal: Journal, key: str) -> str | None:
    """Return the traceback of a trial that failed."""
    row = journal.connection.execute("SELECT details FROM trials WHERE key = ?", (key,)).fetchone()
    return row[0] if row else None


def spent(journal: Journal) -> float:
    """Return the sum of the times of all trials, in seconds."""
    return float(journal.connection.execute("SELECT total(seconds) FROM trials").fetchone()[0])


def remember(journal: Journal, facts: Mapping[str, Any]) -> None:
    """Store facts about a run by name; a fact that is there already is replaced."""
    rows: Iterable[tuple[str, str]] = [(name, to_json(content, indent=False)) for name, content in facts.items()]
    with journal.transaction():
        journal.connection.executemany("INSERT OR REPLACE INTO facts (name, content) VALUES (?, ?)", rows)


def recall(journal: Journal) -> dict[str, Any]:
    """Return all facts that ``remember`` stored; facts of another form are damage, which the journal explains."""
    facts = {name: read_json(content) for name, content in journal.connection.execute("SELECT name, content FROM facts ORDER BY name")}
    wrong = [name for name, kind in _TYPES.items() if name in facts and not isinstance(facts[name], kind)]
    if not wrong and not all(_is_axis(axis) for axis in facts.get("axes", ())):
        wrong = ["axes"]
    if wrong or ("axes" in facts and not {"declared", "settings"} <= facts.keys()):
        raise json.JSONDecodeError(f"the fact {wrong[0]} has another form" if wrong else "the facts of its grid are missing", "", 0)
    return facts


def _is_axis(axis: Any) -> bool:
    """Tell whether a fact is an axis: its name, the settings that it changes, and a list of their values for each place."""
    if not (
        isinstance(axis, list) and len(axis) == 3 and isinstance(axis[0], str) and isinstance(axis[1], list) and isinstance(axis[2], list)
    ):
        return False
    whole = all(isinstance(values, list) and len(values) == len(axis[1]) for values in axis[2])
    return whole and bool(axis[2]) and all(isinstance(key, str) for key in axis[1])
