"""Progress of a run on stderr: a bar on a terminal, elsewhere a line from time to time."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from experiments.commandline.invocation import Invocation
from experiments.runs.records import Record

SECONDS_BETWEEN_LINES = 10.0


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
    """

    def __init__(self, invocation: Invocation, label: str, counts: Mapping[str, int]) -> None:
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
        return f"{self._label}: {self._done} of {self._total} trials, {rate:.3g} per second, {left}, {self._failed} failed"


def duration(seconds: float) -> str:
    """Return a time as people say it: ``45 s``, ``12 min``, ``3.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
