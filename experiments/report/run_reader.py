"""Reading a run for a report: its journal, opened for reading only, and the epochs of trials that still run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from contrastive_core import plugins
from experiments.runs.directory import RunDirectory
from experiments.runs.inside import refuse_special_files
from experiments.runs.journal import Journal
from experiments.runs.live_epochs import read_live, running
from experiments.runs.pages import recall, spent
from experiments.runs.records import Epoch
from experiments.sweeps.axes import Axis
from experiments.sweeps.directory import COMMAND, refuse_edited
from experiments.trials.experiment import Experiment, described
from experiments.trials.progress import duration, under_way


class OpenedRun(NamedTuple):
    """An opened run.

    Attributes
    ----------
    run : RunDirectory
        Directory of the run.
    journal : Journal
        Journal, open for reading.
    command : str
        Command that made the run.
    facts : mapping
        Facts that the journal keeps about the run, such as its axes.
    counts : mapping of str to int
        Number of trials by status.
    running : sequence of str
        Keys of trials that have begun and are not recorded.
    """

    run: RunDirectory
    journal: Journal
    command: str
    facts: Mapping[str, Any]
    counts: Mapping[str, int]
    running: Sequence[str]

    @property
    def total(self) -> int:
        """Number of all trials."""
        return sum(self.counts.values())

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Axes of the grid; empty for a run of one trial."""
        return tuple(Axis(name, tuple(keys), values) for name, keys, values in self.facts.get("axes", ()))

    @property
    def seeds(self) -> int:
        """Trials per point of the grid."""
        return int(self.facts.get("declared", {}).get("seeds", 1))

    @property
    def first_seed(self) -> int:
        """First seed of a command, or root of the seeds of a sweep."""
        return int(self.facts.get("declared", {}).get("seed", 0))

    def keys(self, first: int, count: int, most: int) -> list[str]:
        """List the trials that have begun, among neighbours in the grid.

        Parameters
        ----------
        first, count : int
            Position of the first one in the order of planning, and number of neighbours.
        most : int
            Largest number of trials to list.

        Returns
        -------
        list of str
            Keys of recorded trials, then of running ones.
        """
        query = "SELECT key FROM trials WHERE id > ? AND id <= ? AND status IN ('done', 'failed') ORDER BY id LIMIT ?"
        recorded = [key for (key,) in self.journal.connection.execute(query, (first, first + count, most))]
        place = "SELECT key FROM trials WHERE key = ? AND id > ? AND id <= ?"
        rows = [self.journal.connection.execute(place, (key, first, first + count)).fetchone() for key in self.running]
        return [*recorded, *(row[0] for row in rows if row)][:most]

    @property
    def experiment(self) -> str:
        """Name of the experiment that the trials belong to."""
        return str(self.facts.get("declared", self.facts).get("experiment", self.command))

    def definition(self) -> Experiment:
        """Return what is known of the experiment, without importing a plug-in."""
        return described(self.experiment, self.facts.get("about", {}))

    def history(self, key: str) -> list[Epoch]:
        """Read the epochs of a trial, also of one that still runs."""
        recorded = self.journal.history(key)
        last = recorded[-1].epoch if recorded else -1
        # A resumed trial may have epochs of its first start in the journal, and later ones in its file only.
        return recorded + [one for one in (read_live(self.run.live, key) if key in self.running else []) if one.epoch > last]


@contextmanager
def open_for_reading(run: RunDirectory) -> Iterator[OpenedRun | None]:
    """Open a run to look at it, also while another process writes it.

    Parameters
    ----------
    run : RunDirectory
        The run.

    Yields
    ------
    OpenedRun or None
        None if there is no journal yet.

    Raises
    ------
    InputError
        If the run is damaged, has a link out of its directory, or is a sweep whose configuration was edited.
    """
    refuse_special_files(run.path)
    command = run.read_provenance()["command"]
    if not run.journal_file.exists():
        yield None
        return
    with plugins.looking(), run.journal(readonly=True) as journal:
        facts, counts = recall(journal), journal.counts()
        if command == COMMAND:
            refuse_edited(run, facts)
        unrecorded = counts["pending"] + counts["running"]
        # Files of live epochs outlive a kill; they are read only while trials are missing.
        yield OpenedRun(run, journal, command, facts, counts, running(run.live) if unrecorded else [])


def state_of(opened: OpenedRun) -> str:
    """Write in a sentence how far a run is.

    Parameters
    ----------
    opened : OpenedRun
        The run.

    Returns
    -------
    str
        Trials done, failed and in all. While some are missing also the rate since the last start and the time left at that rate.
    """
    counts = opened.counts
    text = f"{counts['done']} of {opened.total} trials done, {counts['failed']} failed"
    missing = counts["pending"] + counts["running"]
    if not missing:
        return f"{text}; {duration(spent(opened.journal))} of computing"
    now = under_way(opened.run.live)
    pace = now.pace(*_since_start(opened, missing))
    return f"{text}{now.text}; {pace}; last written {changed(opened.run):%Y-%m-%d %H:%M:%S} UTC"


def changed(run: RunDirectory) -> datetime:
    """Return the time at which a trial last wrote something."""
    times = [0.0]
    paths = [run.journal_file, run.journal_file.with_name(f"{run.journal_file.name}-wal")]
    with suppress(OSError):
        paths += run.live.iterdir()
    for path in paths:
        with suppress(OSError):  # the file of a trial goes when it is recorded, perhaps just now
            times.append(path.stat().st_mtime)
    return datetime.fromtimestamp(max(times), UTC)


def _since_start(opened: OpenedRun, missing: int) -> tuple[int, int, float]:
    """Return the trials settled since the last start, those missing, and the seconds from that start to the last record."""
    starts = opened.run.read_provenance()["starts"]
    if not starts:
        return 0, missing, 0.0
    query = "SELECT count(*) FROM trials WHERE status IN ('done', 'failed') AND started >= ?"
    (settled,) = opened.journal.connection.execute(query, (starts[-1]["started"],)).fetchone()
    seconds = (changed(opened.run) - datetime.fromisoformat(starts[-1]["started"])).total_seconds()
    return settled, missing, seconds
