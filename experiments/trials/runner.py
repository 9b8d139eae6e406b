"""Computing what a journal has pending: chunks on any engine, one transaction per chunk, and only the culprit fails."""

import io
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contrastive_core.errors import EqlabError
from contrastive_core.files.writing import remove, write_bytes
from experiments.commandline.invocation import Invocation
from experiments.runs.directory import RunDirectory
from experiments.runs.journal import Journal, StoreError
from experiments.runs.live_epochs import forget
from experiments.runs.pages import settle, unfinished
from experiments.runs.records import Record, Task
from experiments.trials.engine import Engine, EngineError
from experiments.trials.engines import open_engine
from experiments.trials.experiment import find_experiment
from experiments.trials.progress import StatusLine
from experiments.trials.worker import Work, checkpoint_of, pack, run_chunk

DEATHS = 3
"""How often a trial may take its worker with it, alone, before it counts as failed."""
CHUNKS_PER_WORKER = 3
"""In flight: one being computed, one waiting, one being written."""


@dataclass
class Run:
    """One pass over the pending trials of a journal.

    Attributes
    ----------
    directory : RunDirectory
        Where arrays are kept.
    journal : Journal
        What is pending, and where records go.
    work : Work
        What all trials have in common.
    chunk : int
        Trials per call of the engine.
    on_record : callable
        Told of every record, after it is written.
    observers : mapping of str to callable
        Further arguments of the trials, for an engine that computes in this process.
    keep_checkpoints : bool
        Whether a trial's checkpoint stays once its record is written.
    """

    directory: RunDirectory
    journal: Journal
    work: Work
    chunk: int = 1
    on_record: Callable[[Record], None] = lambda _: None
    observers: Mapping[str, Callable[..., None]] = field(default_factory=dict)
    keep_checkpoints: bool = True

    def compute(self, engine: str, invocation: Invocation, label: str) -> None:
        """Compute every pending trial.

        Parameters
        ----------
        engine : str
            Where, as ``experiments.trials.engine`` reads it.
        invocation : Invocation
            Where progress is shown.
        label : str
            What stands before it.

        Raises
        ------
        EngineError
            If the engine is not there or is lost; what was recorded is kept.
        StoreError
            If the journal cannot be written.
        """
        counts = self.journal.counts()
        if not counts["pending"] + counts["running"]:
            return
        self._prepare()
        with open_engine(engine) as opened, StatusLine(invocation, label, counts) as line:
            self._compute(opened, line)
        shutil.rmtree(self.directory.live, ignore_errors=True)  # all is recorded

    def _prepare(self) -> None:
        """Make the directories in which trials leave what is no result of theirs."""
        wanted = [Path(self.work.checkpoints)] if self.work.checkpoints else []
        if find_experiment(self.work.experiment).live:
            wanted.append(self.directory.live)
            self.work = self.work._replace(live=str(self.directory.live.resolve()))
        for path in wanted:
            try:
                path.mkdir(exist_ok=True)
            except OSError as error:
                raise StoreError(f"cannot make {path} ({error.strerror}); what was recorded before is kept") from error

    def _compute(self, engine: Engine, line: StatusLine) -> None:
        """Keep the workers busy; after a death, first settle the trials that may have caused it, one by one."""
        chunks = self._chunks()
        flying: dict[Future[list[Record]], list[Task]] = {}
        suspects: list[list[Task]] = []
        while True:
            room = 1 if engine.here else max(1, CHUNKS_PER_WORKER * engine.workers()) - len(flying)
            for tasks in self._next(chunks, 0 if suspects else room):
                flying[self._submit(engine, tasks)] = tasks
            if not flying and not suspects:
                return
            if not flying:
                for tasks in suspects:
                    self._keep(self._one_by_one(engine, tasks), line)
                suspects = []
                continue
            finished, _ = wait(flying, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in finished:
                tasks = flying.pop(future)
                if isinstance(future.exception(), BrokenExecutor):
                    suspects.append(tasks)
                else:
                    self._keep(_result(future), line)
            line.show()

    def _chunks(self) -> Iterator[list[Task]]:
        """Read the pending trials a chunk at a time, so that a million of them need no memory."""
        last = 0
        while True:
            tasks, last = unfinished(self.journal, last, self.chunk)
            if not tasks:
                return
            yield tasks

    @staticmethod
    def _next(chunks: Iterator[list[Task]], count: int) -> Iterator[list[Task]]:
        for _ in range(count):
            tasks = next(chunks, None)
            if tasks is None:
                return
            yield tasks

    def _submit(self, engine: Engine, tasks: Sequence[Task]) -> Future[list[Record]]:
        packed = pack(self.work, tasks)
        if engine.here and self.observers:
            return engine.executor.submit(run_chunk, packed, self.observers)
        return engine.executor.submit(run_chunk, packed)

    def _one_by_one(self, engine: Engine, tasks: Sequence[Task]) -> list[Record]:
        """Compute trials with nothing else in flight, so that a worker that dies was killed by this one."""
        records: list[Record] = []
        for task in tasks:
            start = time.perf_counter()
            for _ in range(DEATHS):
                future = self._submit(engine, [task])
                if not isinstance(future.exception(), BrokenExecutor):
                    records += _result(future)
                    break
            else:
                message = f"the worker died, {DEATHS} times out of {DEATHS}; it may need more memory"
                records.append(Record(task.key, None, message, None, time.perf_counter() - start))
        return records

    def _keep(self, records: Sequence[Record], line: StatusLine) -> None:
        for record in records:
            if record.arrays:
                save_arrays(self.directory, record.key, record.arrays)
        settle(self.journal, records)
        for record in records:
            self._tidy(record.key)
        line.add(records)
        for record in records:
            self.on_record(record)

    def _tidy(self, key: str) -> None:
        if self.work.live:
            forget(Path(self.work.live), key)
        if self.work.checkpoints and not self.keep_checkpoints:
            remove(checkpoint_of(Path(self.work.checkpoints), key))


def _result(future: Future[list[Record]]) -> list[Record]:
    try:
        return future.result()
    except EqlabError:
        raise
    except Exception as error:
        # Errors of trials are records; this one is of the worker itself, such as another version of the code.
        raise EngineError(f"a worker could not compute a chunk: {type(error).__name__}: {error}") from error


def save_arrays(run: RunDirectory, key: str, arrays: Mapping[str, Any]) -> None:
    """Write a trial's arrays to a file of its own, whole or not at all.

    Parameters
    ----------
    run : RunDirectory
        Whose ``trajectories`` it goes to.
    key : str
        The trial.
    arrays : mapping of str to ndarray
        By name.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    import numpy as np

    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    path = run.trajectories / f"{key}.npz"
    try:
        run.trajectories.mkdir(exist_ok=True)
        write_bytes(path, content.getvalue())
    except OSError as error:
        raise StoreError(f"cannot write {path} ({error.strerror}); what was recorded before is kept") from error
