"""The journal of a run: its trials and their histories in one SQLite file, written in whole transactions."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from contrastive_core.errors import EqlabError
from experiments.commandline.documents import read_json
from experiments.commandline.output import to_json
from experiments.runs.records import COLUMNS, STATUSES, Epoch, Status, Trial, read_trial
from experiments.runs.sqlite_file import close_writer, explained, open_reader, open_writer


class StoreError(EqlabError):
    """A journal that could not be written, such as on a full disk; what was committed before is intact."""


class Journal:
    """The trials of one run and their histories; a context manager.

    Every method that writes is one transaction: after it returns, the record survives the death of the process, and of the machine.
    Methods called within ``transaction`` are committed together. There is one writer at a time, and any number of readers.

    Parameters
    ----------
    path : Path
        SQLite file, created if it is missing.
    versions : mapping, optional
        Versions of the software, stored with every trial.
    readonly : bool
        Whether to open an existing journal for reading only.

    Raises
    ------
    InputError
        If the file is damaged, is no journal, is being written by another process, or is missing and ``readonly``.
    """

    def __init__(self, path: Path, *, versions: Mapping[str, Any] | None = None, readonly: bool = False) -> None:
        self._path = path
        self._lock: int | None = None
        self._versions: int | None = None
        if readonly:
            self._connection = open_reader(path)
            return
        self._connection, self._lock = open_writer(path)
        try:
            self._versions = self._remember(to_json(versions, indent=False)) if versions is not None else None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
        if isinstance(error, sqlite3.Error | json.JSONDecodeError):  # of reading: those of writing are StoreErrors already
            with explained(self._path):
                raise error

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        lock, self._lock = self._lock, None
        if lock is None:
            self._connection.close()
        else:
            close_writer(self._connection, lock)

    @property
    def connection(self) -> sqlite3.Connection:
        """The open database, for ``experiments.runs.pages``; write to it within ``transaction`` only."""
        return self._connection

    @property
    def versions(self) -> int | None:
        """The row of the versions of the software that writes."""
        return self._versions

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything that is written inside the block together, or nothing of it if the block raises.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        # SQLite has no nested transactions: an inner block joins the outer one, which alone commits.
        if self._connection.in_transaction:
            yield
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise StoreError(f"cannot write the journal {self._path}: {error}; what was recorded before is kept") from error
            raise

    def plan(self, trials: Iterable[tuple[str, Mapping[str, Any], int]]) -> None:
        """Add trials as pending; those that the journal has are left as they are.

        Parameters
        ----------
        trials : iterable of (str, mapping, int)
            Key, options and seed of each.
        """
        rows = ((key, to_json(options, indent=False), str(seed)) for key, options, seed in trials)
        with self.transaction():
            self._connection.executemany("INSERT OR IGNORE INTO trials (key, options, seed, status) VALUES (?, ?, ?, 'pending')", rows)

    def trials(self, status: Status | None = None) -> Iterator[Trial]:
        """Read the trials one by one, in the order in which they were planned or begun.

        Parameters
        ----------
        status : str, optional
            Status of the trials to read; by default all.

        Yields
        ------
        Trial
            Trial as it was when read.
        """
        where, values = ("WHERE status = ?", (status,)) if status else ("", ())
        for row in self._connection.execute(f"SELECT {COLUMNS} FROM trials {where} ORDER BY id", values):
            yield read_trial(row)

    def trial(self, key: str) -> Trial | None:
        """Read one trial.

        Parameters
        ----------
        key : str
            Name of the trial.

        Returns
        -------
        Trial or None
            None if the journal has no trial of that name.
        """
        row = self._connection.execute(f"SELECT {COLUMNS} FROM trials WHERE key = ?", (key,)).fetchone()
        return read_trial(row) if row else None

    def counts(self) -> dict[str, int]:
        """Count the trials by status.

        Returns
        -------
        dict of str to int
            All four statuses.
        """
        found = dict(self._connection.execute("SELECT status, count(*) FROM trials GROUP BY status").fetchall())
        return {status: found.get(status, 0) for status in STATUSES}

    def history(self, key: str) -> list[Epoch]:
        """Read a trial's history.

        Parameters
        ----------
        key : str
            The trial.

        Returns
        -------
        list of Epoch
            By epoch; empty for a trial without any.
        """
        query = "SELECT epoch, history.metrics FROM history JOIN trials ON trials.id = trial WHERE key = ? ORDER BY epoch"
        return [Epoch(epoch, read_json(metrics)) for epoch, metrics in self._connection.execute(query, (key,))]

    def _remember(self, content: str) -> int:
        with self.transaction():
            self._connection.execute("INSERT OR IGNORE INTO versions (content) VALUES (?)", (content,))
            row = self._connection.execute("SELECT id FROM versions WHERE content = ?", (content,)).fetchone()
        return int(row[0])
