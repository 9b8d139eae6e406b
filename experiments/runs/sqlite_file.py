"""Opening of a journal's SQLite file: creation or check, lock against a second writer, and a log mode that its file system allows."""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from contrastive_core.errors import DataError, InputError
from experiments.runs.damage import leave_out

SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE versions (id INTEGER PRIMARY KEY, content TEXT NOT NULL UNIQUE);
CREATE TABLE facts (name TEXT PRIMARY KEY, content TEXT NOT NULL); -- what the run is, in JSON
CREATE TABLE trials (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    options TEXT NOT NULL,
    seed TEXT NOT NULL, -- as text: a seed may be wider than SQLite's 64 bits
    status TEXT NOT NULL CHECK (status IN ('pending', 'running', 'done', 'failed')),
    metrics TEXT,
    error TEXT,
    details TEXT, -- of a failure: the traceback
    seconds REAL,
    started TEXT,
    versions INTEGER REFERENCES versions (id)
);
CREATE INDEX trials_by_status ON trials (status);
CREATE TABLE history (
    trial INTEGER NOT NULL REFERENCES trials (id),
    epoch INTEGER NOT NULL,
    metrics TEXT NOT NULL,
    PRIMARY KEY (trial, epoch)
) WITHOUT ROWID;
"""
# Write-ahead logging shares memory between processes, which the machines that mount these file systems do not share.
_NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "9p", "afs", "lustre", "gpfs", "beegfs", "ceph", "gluster", "orangefs", "fuse.")
_SECONDS_TO_WAIT = 30.0


def open_writer(path: Path) -> tuple[sqlite3.Connection, int]:
    """Open a journal for writing; a missing one is created, and an existing one is checked.

    Parameters
    ----------
    path : Path
        SQLite file, whose directory exists.

    Returns
    -------
    connection : sqlite3.Connection
        Connection without an open transaction.
    descriptor : int
        Open descriptor that keeps other writers out until it is closed or the process ends.

    Raises
    ------
    InputError
        If another process writes in this directory.
    DataError
        If the file is damaged, or is no journal of this version.
    """
    descriptor = lock(path.parent)
    try:
        existed = path.exists() and path.stat().st_size > 0
        with explained(path):
            connection = sqlite3.connect(path, timeout=_SECONDS_TO_WAIT, isolation_level=None)
        try:
            with explained(path):
                if existed:
                    _check_integrity(connection, path)
                _choose_journal_mode(connection, path)
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
                _check_schema(connection, path, create=True)
        except BaseException:
            connection.close()
            raise
    except BaseException:
        os.close(descriptor)
        raise
    return connection, descriptor


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a journal for reading, even while another process writes it.

    Parameters
    ----------
    path : Path
        SQLite file.

    Returns
    -------
    sqlite3.Connection
        Connection that refuses to write, and in which trials with a damaged record have failed.

    Raises
    ------
    InputError
        If there is no such file.
    DataError
        If the file is no journal of this version.
    """
    if not path.is_file():
        raise InputError(f"there is no journal {path}; give the directory of a run")
    with explained(path):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_SECONDS_TO_WAIT, isolation_level=None)
    try:
        with explained(path):
            _check_schema(connection, path, create=False)
            leave_out(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def close_writer(connection: sqlite3.Connection, descriptor: int) -> None:
    """Close a journal and leave one plain file, which can also be read from a read-only place.

    Parameters
    ----------
    connection : sqlite3.Connection
        From ``open_writer``.
    descriptor : int
        From ``open_writer``.
    """
    try:
        with suppress(sqlite3.Error), closing(connection):
            connection.execute("PRAGMA journal_mode = DELETE")  # refused while somebody reads, and then the log stays beside the file
    finally:
        os.close(descriptor)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of SQLite, and of JSON in its file, into ``InputError`` and ``DataError``."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise InputError(f"cannot open the journal {path}: {error}") from error
    except (sqlite3.DatabaseError, json.JSONDecodeError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, problem: str) -> DataError:
    return DataError(f"the journal {path} is damaged ({problem}); restore it from a copy, or move its run away and start again")


def _check_integrity(connection: sqlite3.Connection, path: Path) -> None:
    found: Sequence[tuple[str]] = connection.execute("PRAGMA integrity_check(1)").fetchall()
    if found != [("ok",)]:
        raise _damaged(path, found[0][0].splitlines()[-1])


def _check_schema(connection: sqlite3.Connection, path: Path, *, create: bool) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == SCHEMA_VERSION:
        return
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if version == 0 and tables == 0 and create:
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    elif version == 0:
        raise DataError(f"{path} is not a journal of eqlab; choose another --out")
    else:
        raise DataError(f"the journal {path} has format {version}, this eqlab reads {SCHEMA_VERSION}; use the version that wrote it")


def _choose_journal_mode(connection: sqlite3.Connection, path: Path) -> None:
    mode = "DELETE" if file_system(path).startswith(_NETWORK_FILE_SYSTEMS) else "WAL"
    connection.execute(f"PRAGMA journal_mode = {mode}")  # SQLite itself stays with DELETE where it finds that WAL cannot work


def file_system(path: Path) -> str:
    """Name the type of the file system that holds a path.

    Parameters
    ----------
    path : Path
        Path, which need not exist.

    Returns
    -------
    str
        Name such as ``ext4``; empty if the system does not tell.
    """
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    for mount in mounts:
        left, _, right = mount.partition(" - ")
        point = Path(left.split()[4].encode().decode("unicode_escape"))
        if len(point.parts) >= best and path.resolve().is_relative_to(point):
            best, kind = len(point.parts), right.split()[0]
    return kind


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other writers out of a run's directory inside the block, or raise ``InputError`` if there is one."""
    descriptor = lock(directory)
    try:
        yield
    finally:
        os.close(descriptor)


def lock(directory: Path) -> int:
    """Lock a run's directory against other writers, or raise ``InputError`` if there is one; closing the returned descriptor unlocks it."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise InputError(f"another process is writing to {directory}; wait for it, or choose another --out") from error
    except OSError:
        pass  # a file system without such locks: SQLite's own still keep every transaction whole
    return descriptor
