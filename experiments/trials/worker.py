"""What a worker does: some trials one after the other, each ending in a record, whatever happens in it."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from contrastive_core.errors import EqlabError, InputError
from experiments.commandline.options import Options, from_settings, merge, nested
from experiments.commandline.output import to_json
from experiments.machine import keep_freed_memory
from experiments.runs.live_epochs import announce
from experiments.runs.provenance import package_versions, without_home
from experiments.runs.records import Record, Task
from experiments.trials.engine import EngineError
from experiments.trials.experiment import find_experiment


class Work(NamedTuple):
    """What all trials of a run have in common.

    Attributes
    ----------
    experiment : str
        A name in ``EXPERIMENTS``.
    settings : mapping
        The options that no axis changes, as ``Options.settings`` gives them.
    checkpoints : str or None
        Directory where a trial keeps what it can go on from; used by workers that see it.
    live : str or None
        Directory where a trial tells of its epochs; used by workers that see it.
    """

    experiment: str
    settings: Mapping[str, Any]
    checkpoints: str | None = None
    live: str | None = None


def pack(work: Work, tasks: Sequence[Task]) -> str:
    """Write a chunk as one text, which engines carry without looking into it."""
    return json.dumps([work, list(tasks), package_versions()])


def run_chunk(packed: str, observers: Mapping[str, Callable[..., None]] | None = None) -> list[Record]:
    """Compute the trials of a chunk.

    Parameters
    ----------
    packed : str
        From ``pack``.
    observers : mapping of str to callable, optional
        Further arguments of the trials, such as ``on_epoch``; they are called in this process only.

    Returns
    -------
    list of Record
        One per trial, in order.

    Raises
    ------
    EngineError
        If this process has other versions of the packages that results depend on than the one that sent the chunk.
    """
    keep_freed_memory()
    work, tasks = _unpack(packed)
    trial = _Trial(work, observers or {})
    return [trial.run(task) for task in tasks]


def measure(packed: str, seconds: float) -> float:
    """Return how long a trial takes on average, after one that loads what has to be loaded.

    Parameters
    ----------
    packed : str
        From ``pack``, with trials from all over the grid.
    seconds : float
        How long to measure, at most by one trial.

    Returns
    -------
    float
        Seconds per trial.
    """
    work, tasks = _unpack(packed)
    trial = _Trial(work, {})
    first = trial.run(tasks[0])
    start, done = time.perf_counter(), 0
    for task in tasks:
        trial.run(task)
        done += 1
        if time.perf_counter() - start > seconds or first.seconds > 2 * seconds:
            break
    return (time.perf_counter() - start) / done


def _unpack(packed: str) -> tuple[Work, list[Task]]:
    work, tasks, theirs = json.loads(packed)
    ours = package_versions()
    if ours != theirs:
        listed = ", ".join(f"{name} {ours[name]} instead of {theirs.get(name)}" for name in ours if ours[name] != theirs.get(name))
        raise EngineError(f"a worker has other software than this process ({listed}); install the same, or results would not be one table")
    return Work(*work), [Task(*task) for task in tasks]


def checkpoint_of(folder: Path, key: str) -> Path:
    """Return where a trial keeps what it can go on from."""
    return folder / f"{key}.safetensors"


def _seen(folder: str | None) -> Path | None:
    path = Path(folder) if folder else None
    return path if path and path.is_dir() else None


class _Trial:
    """Runs one trial after the other; neighbours in a grid often have the same options, which are then made once."""

    def __init__(self, work: Work, observers: Mapping[str, Callable[..., None]]) -> None:
        self._experiment = find_experiment(work.experiment)
        self._work, self._observers = work, observers
        self._made: tuple[Mapping[str, Any], Options] | None = None
        self._checkpoints = _seen(work.checkpoints) if self._experiment.checkpoints else None
        self._live = _seen(work.live) if self._experiment.live and "on_epoch" not in self._observers else None

    def run(self, task: Task) -> Record:
        """Compute a trial; whatever happens in it is its record, and the others go on."""
        start = time.perf_counter()
        extra: dict[str, Any] = dict(self._observers)
        if self._checkpoints:
            extra["checkpoint"] = checkpoint_of(self._checkpoints, task.key)
        if self._live:
            extra["on_epoch"] = announce(self._live, task.key)
        try:
            outcome = self._experiment.trial(self._options(task.changes), task.seed, **extra)
            metrics = to_json(outcome.metrics, indent=False)
            history = [(int(epoch["epoch"]), to_json(epoch, indent=False)) for epoch in outcome.history]
        except Exception as error:
            message = str(error) if isinstance(error, EqlabError) else f"{type(error).__name__}: {error}"
            details = without_home("".join(traceback.format_exception(error)))
            return Record(task.key, None, message, details, time.perf_counter() - start, mistake=isinstance(error, InputError))
        return Record(task.key, metrics, None, None, time.perf_counter() - start, history, dict(outcome.arrays))

    def _options(self, changes: Mapping[str, Any]) -> Options:
        if self._made is None or self._made[0] != changes:
            self._made = changes, from_settings(self._experiment.options, merge(self._work.settings, nested(changes)))
        return self._made[1]
