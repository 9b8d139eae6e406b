"""Remains of an interrupted run: trials that are recorded, and checkpoints."""

import sqlite3
from contextlib import closing

from experiments.runs.directory import RunDirectory


def is_begun(run: RunDirectory) -> bool:
    """Tell whether starting a run once more would continue it, and not compute everything from the beginning.

    Parameters
    ----------
    run : RunDirectory
        Run whose journal no process of ours has open.

    Returns
    -------
    bool
        True also if the journal cannot be read, because it may then hold results.
    """
    if run.checkpoints.is_dir() and any(run.checkpoints.iterdir()):
        return True
    if not run.journal_file.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{run.journal_file.absolute().as_uri()}?mode=ro", uri=True)) as journal:
            (found,) = journal.execute("SELECT count(*) FROM trials WHERE status IN ('done', 'failed')").fetchone()
            return bool(found)
    except sqlite3.Error:
        return True
