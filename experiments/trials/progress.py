"""Progress of a run on stderr: a bar on a terminal, elsewhere a line from time to time."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from experiments.commandline.invocation import Invocation
from experiments.runs.live_epochs import read_live, running
from experiments.runs.records import Record

SECONDS_BETWEEN_LINES = 10.0
_MOST_READ = 16
"""Running trials whose epochs are read for a line."""


class StatusLine:
    """Trials per second, time left and failures; a context manager.

    Parameters
    ----------
    invocation : Invocation
        Output for the progress.
    label : str
        Text before it.
    counts : mapping of str to int
        Trials by status when the run starts.
    live : Path, optional
        Directory of the epochs of running trials, if trials have epochs.
    """

    def __init__(self, invocation: Invocation, label: str, counts: Mapping[str, int], live: Path | None = None) -> None:
        self._live = live
        self._invocation, self._label = invocation, label
        self._failed, self._total = counts["failed"], sum(counts.values())
        # The rate counts this start only: earlier trials took time that nobody measured here.
        self._before = self._done = counts["done"] + counts["failed"]
        self._start = self._shown = time.monotonic()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._bar = self._stack.enter_context(self._invocation.progress(self._total, self._label, done=self._done))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def add(self, records: Sequence[Record]) -> None:
        """Count some trials as settled."""
        self._done += len(records)
        self._failed += sum(record.error is not None for record in records)
        self._bar.set_postfix_str(f"{self._failed} failed", refresh=False)
        self._bar.update(len(records))

    def show(self) -> None:
        """Print a line, if there is no terminal and it is time."""
        now = time.monotonic()
        if self._invocation.has_bar or now - self._shown < SECONDS_BETWEEN_LINES:
            return
        self._shown = now
        self._invocation.note(self.text(now - self._start))

    def text(self, seconds: float) -> str:
        """Return the line, after so many seconds of computing."""
        rate = (self._done - self._before) / seconds if seconds > 0 else 0.0
        left = f"{duration((self._total - self._done) / rate)} left" if rate > 0 else "time left unknown"
        shown = f"{self._label}: {self._done} of {self._total} trials, {rate:.3g} per second, {left}, {self._failed} failed"
        return shown + under_way(self._live)


def under_way(live: Path | None) -> str:
    """Return how many epochs the running trials have finished, such as ``; 2 under way after 3 to 5 epochs``; empty without trials."""
    keys = [] if live is None else running(live)
    if live is None or not keys:
        return ""
    told = [read_live(live, key) for key in keys[:_MOST_READ]]
    epochs = sorted(one[-1].epoch if one else 0 for one in told)
    span = f"{epochs[0]}" if epochs[0] == epochs[-1] else f"{epochs[0]} to {epochs[-1]}"
    return f"; {len(keys)} under way after {span} epochs"


def duration(seconds: float) -> str:
    """Return a time as people say it: ``45 s``, ``12 min``, ``3.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
