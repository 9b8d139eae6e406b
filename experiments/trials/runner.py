"""Computing the pending trials of a journal: chunks on any engine, one transaction per chunk, and only the culprit fails."""

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path

from contrastive_core.errors import EqlabError
from contrastive_core.files.writing import remove
from contrastive_core.training.history_file import history_of
from experiments.commandline.interruption import heed
from experiments.commandline.invocation import Invocation
from experiments.runs.arrays import save_arrays
from experiments.runs.directory import RunDirectory
from experiments.runs.journal import Journal, StoreError
from experiments.runs.live_epochs import forget
from experiments.runs.live_shares import discard_shares
from experiments.runs.pages import settle, unfinished
from experiments.runs.records import Record, Task
from experiments.trials.engine import SERIAL, Engine, EngineError
from experiments.trials.engines import open_engine
from experiments.trials.progress import StatusLine
from experiments.trials.worker import NOTHING, Given, TrialRunner, Work, checkpoint_of, pack, run_chunk

DEATHS = 3
"""Deaths of a worker that a trial may cause, alone, before it counts as failed."""
CHUNKS_PER_WORKER = 3
"""In flight: one being computed, one waiting, one being written."""

ENDING = 4
"""Chunks that each worker would still get of what is left, from where on chunks become smaller."""
SMALLEST = 16
"""Part of a chunk that the smallest one is."""


@dataclass
class Run:
    """One pass over the pending trials of a journal.

    Attributes
    ----------
    directory : RunDirectory
        Directory of the run, for arrays and checkpoints.
    journal : Journal
        Journal with the pending trials, to which records go.
    work : Work
        Common part of all trials.
    chunk : int
        Trials per call of the engine, and per transaction.
    on_record : callable
        Called with every record, after it is written.
    given : Given
        Objects of the command for the serial engine.
    keep_checkpoints : bool
        Whether a trial's checkpoint stays once its record is written.
    """

    directory: RunDirectory
    journal: Journal
    work: Work
    chunk: int = 1
    on_record: Callable[[Record], None] = lambda _: None
    given: Given = NOTHING
    keep_checkpoints: bool = True
    _last: int = field(default=0, init=False)
    _left: int = field(default=0, init=False)

    def compute(self, engine: str, invocation: Invocation, label: str) -> None:
        """Compute every pending trial.

        Parameters
        ----------
        engine : str
            Name of the engine.
        invocation : Invocation
            Output for the progress.
        label : str
            Text before the progress.

        Raises
        ------
        EngineError
            If the engine is missing or lost; earlier records are kept.
        StoreError
            If the journal cannot be written.
        """
        counts = self.journal.counts()
        if not counts["pending"] + counts["running"]:
            self._tidy_up()
            return
        self._prepare()
        self.begin(counts["pending"] + counts["running"])
        with StatusLine(invocation, label, counts, self.directory.live) as line:
            if engine == SERIAL:
                # The only process is busy with the trial, which shows the progress itself whenever it tells of its share.
                trials = TrialRunner(self.work, self.given, lambda *_: line.show())
                while tasks := self.next(self.chunk):
                    self._keep([trials.run(task) for task in tasks], line)
                    line.show()
                    heed()
            else:
                with open_engine(engine) as opened:
                    self._spread(opened, line)
        self._tidy_up()

    def _tidy_up(self) -> None:
        """Remove what running trials told, once all is recorded; that of a run that was killed at its end too."""
        shutil.rmtree(self.directory.live, ignore_errors=True)

    def _prepare(self) -> None:
        """Make the directories of checkpoints and of what running trials tell."""
        self.work = self.work._replace(live=str(self.directory.live.resolve()))
        for path in (self.directory.live, *([Path(self.work.checkpoints)] if self.work.checkpoints else [])):
            try:
                path.mkdir(exist_ok=True)
            except OSError as error:
                raise StoreError(f"cannot make {path} ({error.strerror}); what was recorded before is kept") from error
        discard_shares(self.directory.live)

    def _spread(self, engine: Engine, line: StatusLine) -> None:
        """Keep the workers busy; after a death, first settle the trials that may have caused it, one by one."""
        flying: dict[Future[list[Record]], list[Task]] = {}
        suspects: list[list[Task]] = []
        while True:
            # After a death nothing new is sent: what is in flight may hold the culprit, and would take more chunks with it.
            workers = 0 if suspects else max(1, engine.workers())
            while len(flying) < CHUNKS_PER_WORKER * workers and (tasks := self.next(self.size(workers))):
                flying[self._submit(engine, tasks)] = tasks
            if not flying and not suspects:
                return
            if not flying:
                for tasks in suspects:
                    self._keep(self._one_by_one(engine, tasks), line)
                suspects = []
                continue
            # The wait ends once a second, so that the progress shows without a finished chunk.
            finished, _ = wait(flying, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in finished:
                tasks = flying.pop(future)
                if isinstance(future.exception(), BrokenExecutor):
                    suspects.append(tasks)
                else:
                    self._keep(_result(future), line)
            line.show()
            heed()

    def begin(self, left: int) -> None:
        """Begin at the first of so many pending trials."""
        self._last, self._left = 0, left

    def size(self, workers: int) -> int:
        """Return the number of trials of the next chunk: chunks become small at the end, so that all workers end together."""
        return min(self.chunk, max(self._left // (ENDING * workers), -(-self.chunk // SMALLEST)))

    def next(self, size: int) -> list[Task]:
        """Read the next pending trials, so that a million of them need no memory; none at the end."""
        tasks, self._last = unfinished(self.journal, self._last, size)
        self._left -= len(tasks)
        return tasks

    def _submit(self, engine: Engine, tasks: Sequence[Task]) -> Future[list[Record]]:
        return engine.executor.submit(run_chunk, pack(self.work, tasks))

    def _one_by_one(self, engine: Engine, tasks: Sequence[Task]) -> list[Record]:
        """Compute trials with nothing else in flight, so that the present trial is the one that killed a worker."""
        records: list[Record] = []
        for task in tasks:
            start = time.perf_counter()
            for _ in range(DEATHS):
                discard_shares(self.directory.live)
                future = self._submit(engine, [task])
                if not isinstance(future.exception(), BrokenExecutor):
                    records += _result(future)
                    break
            else:
                message = f"the worker died, {DEATHS} times out of {DEATHS}; it may need more memory"
                records.append(Record(task.key, None, message, None, time.perf_counter() - start))
        return records

    def _keep(self, records: Sequence[Record], line: StatusLine) -> None:
        # Arrays before records: a trial whose record is there is never computed again, and its arrays would be missing for ever.
        for record in records:
            if record.arrays:
                save_arrays(self.directory, record.key, record.arrays)
        settle(self.journal, records)
        self._tidy([record.key for record in records])
        line.add(records)
        for record in records:
            self.on_record(record)

    def _tidy(self, keys: Sequence[str]) -> None:
        forget(self.directory.live, *keys)
        if self.work.checkpoints and not self.keep_checkpoints:
            for key in keys:
                checkpoint = checkpoint_of(Path(self.work.checkpoints), key)
                remove(checkpoint)
                remove(history_of(checkpoint))


def _result(future: Future[list[Record]]) -> list[Record]:
    try:
        return future.result()
    except EqlabError:
        raise
    except Exception as error:
        # Errors of trials are records; this one is of the worker itself, such as another version of the code.
        raise EngineError(f"a worker could not compute a chunk: {type(error).__name__}: {error}") from error
