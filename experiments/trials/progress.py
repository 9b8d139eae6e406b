"""Progress of a run on stderr: a bar on a terminal, elsewhere a line from time to time, both with the shares of running trials."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from experiments.commandline.invocation import Invocation
from experiments.runs.live_epochs import running
from experiments.runs.live_shares import Share, read_share
from experiments.runs.records import Record

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_BARS = 1.0
"""Time between two looks at the shares of running trials for a bar."""
_MOST_READ = 256
"""Running trials whose shares are read for a line."""


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
        Directory in which running trials tell of their epochs and shares.
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
        self._bar.set_postfix_str(f"{self._failed} failed{under_way(self._live).text}", refresh=False)
        self._bar.update(len(records))

    def show(self) -> None:
        """Print a line or renew the bar, if it is time."""
        now, bar = time.monotonic(), self._invocation.has_bar
        if self._invocation.quiet or now - self._shown < (SECONDS_BETWEEN_BARS if bar else SECONDS_BETWEEN_LINES):
            return
        self._shown = now
        if bar:
            self._bar.set_postfix_str(f"{self._failed} failed{under_way(self._live).text}")
        else:
            self._invocation.note(self.text(now - self._start))

    def text(self, seconds: float) -> str:
        """Return the line, after so many seconds of computing."""
        now = under_way(self._live)
        pace = now.pace(self._done - self._before, self._total - self._done, seconds)
        return f"{self._label}: {self._done} of {self._total} trials, {pace}, {self._failed} failed{now.text}"


class UnderWay(NamedTuple):
    """Trials that have begun and are not recorded.

    Attributes
    ----------
    text : str
        Their number and shares, such as ``; 2 under way, 15 % done (epoch 4 of 20) to 31 % done``; empty without trials.
    done, since : float
        Sum of the shares that are done, and of those that were done when their trials began or resumed, in trials.
    """

    text: str
    done: float
    since: float

    def pace(self, settled: int, missing: int, seconds: float) -> str:
        """Return the rate and the time left, to which running trials count by their shares.

        Parameters
        ----------
        settled : int
            Trials settled in this time.
        missing : int
            Trials without a record, running ones included.
        seconds : float
            Time of computing.
        """
        rate = (settled + self.done - self.since) / seconds if seconds > 0 else 0.0
        return f"{rate:.3g} per second, {duration((missing - self.done) / rate)} left" if rate > 0 else "time left unknown"


def under_way(live: Path | None) -> UnderWay:
    """Look up how far the running trials are.

    Parameters
    ----------
    live : Path or None
        Directory in which they tell of it.
    """
    keys = [] if live is None else running(live)
    if live is None or not keys:
        return UnderWay("", 0.0, 0.0)
    told = sorted(share for key in keys[:_MOST_READ] if (share := read_share(live, key)))
    text = f"; {len(keys)} under way"
    if told:
        text += f", {_shown(told[0])}" + (f" to {_shown(told[-1])}" if len(told) > 1 else "")
    return UnderWay(text, sum(share.done for share in told), sum(share.since for share in told))


def _shown(share: Share) -> str:
    return f"{100 * share.done:.0f} % done" + (f" ({share.place})" if share.place else "")


def duration(seconds: float) -> str:
    """Return a time as people say it: ``45 s``, ``12 min``, ``3.5 h``, ``174 days``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 100 * 3600 else f"{seconds / 86400:.0f} days"
