"""Computing trials one after the other, here or in a worker; each ends in a record, whatever happens in it."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

from contrastive_core import plugins
from contrastive_core.errors import EqlabError, InputError
from contrastive_core.progress.share import Listener, listening
from experiments.commandline.options import Options, merge, nested
from experiments.commandline.output import to_json
from experiments.commandline.recorded import from_settings
from experiments.machine import keep_freed_memory, limit_threads
from experiments.runs.inside import file_of
from experiments.runs.live_epochs import announce
from experiments.runs.live_shares import announce_share
from experiments.runs.provenance import package_versions, without_home
from experiments.runs.records import Record, Task
from experiments.trials.engine import EngineError
from experiments.trials.experiment import find_experiment


class Work(NamedTuple):
    """Common part of all trials of a run.

    Attributes
    ----------
    experiment : str
        Name of the experiment.
    settings : mapping
        Options that no axis changes, as ``Options.settings`` gives them.
    checkpoints : str or None
        Directory of checkpoints, from which trials resume; workers that do not see it compute without.
    live : str or None
        Directory in which trials announce their epochs and shares; workers that do not see it announce none.
    """

    experiment: str
    settings: Mapping[str, Any]
    checkpoints: str | None = None
    live: str | None = None


class Given(NamedTuple):
    """Objects of the command that the serial engine hands to a trial as they are; workers make their own from the settings.

    Attributes
    ----------
    options : Options, optional
        Options of the only trial.
    arguments : mapping
        Further arguments of the trial, such as ``prepared`` and ``on_step``.
    """

    options: Options | None = None
    arguments: Mapping[str, Any] = {}


NOTHING = Given()


def pack(work: Work, tasks: Sequence[Task]) -> str:
    """Write a chunk as one text, which engines carry without looking into it."""
    return json.dumps([work, list(tasks), package_versions(), plugins.used(), plugins.told()])


def run_chunk(packed: str) -> list[Record]:
    """Compute the trials of a chunk in a worker.

    Parameters
    ----------
    packed : str
        Chunk, written by ``pack``.

    Returns
    -------
    list of Record
        Records in the order of the trials.

    Raises
    ------
    EngineError
        If a package that results depend on has another version than in the process that sent the chunk.
    """
    keep_freed_memory()
    with _unpacked(packed) as (work, tasks):
        trials = TrialRunner(work)
        return [trials.run(task) for task in tasks]


def measure(packed: str, seconds: float) -> float:
    """Measure the mean time of a trial, after one that loads the libraries.

    Parameters
    ----------
    packed : str
        Chunk, written by ``pack``, with trials from all over the grid.
    seconds : float
        Time to measure for, exceeded by one trial at most.

    Returns
    -------
    float
        Seconds per trial.
    """
    with _unpacked(packed) as (work, tasks):
        trials = TrialRunner(work)
        first = trials.run(tasks[0])
        start, done = time.perf_counter(), 0
        for task in tasks:
            trials.run(task)
            done += 1
            # The first trial also compiles, so that a long one says little; twice the time is certainly a long one.
            if time.perf_counter() - start > seconds or first.seconds > 2 * seconds:
                break
        return (time.perf_counter() - start) / done


@contextmanager
def _unpacked(packed: str) -> Iterator[tuple[Work, list[Task]]]:
    """Read a chunk, inside the block with the plug-ins that the process that sent it may import, and no others."""
    limit_threads(1)  # whoever started this worker: every engine finds the same bits
    work, tasks, theirs, used, told = json.loads(packed)
    if told is not None:
        plugins.tell(told)
    with nullcontext() if told is None else plugins.only_told():
        _require_same(used)
        _require_versions(theirs)
        yield Work(*work), [Task(*task) for task in tasks]


def _require_versions(theirs: Mapping[str, Any]) -> None:
    """Refuse to compute with other software than the process that sent the chunk."""
    ours = package_versions()
    if ours != theirs:
        listed = ", ".join(f"{name} {ours[name]} instead of {theirs.get(name)}" for name in ours if ours[name] != theirs.get(name))
        raise EngineError(f"a worker has other software than this process ({listed}); install the same, or results would not be one table")


def _require_same(used: Sequence[Mapping[str, Any]]) -> None:
    """Refuse to compute with another version of a plug-in than the process that sent the chunk."""
    for plugin in used:
        kind, name = plugin["kind"], plugin["name"]
        plugins.load(kind, name)
        if {"kind": kind, "name": name, **plugins.identify(kind, name)} != plugin:
            raise EngineError(f"a worker has another version of the {kind} {name!r} than this process; install the same everywhere")


def checkpoint_of(folder: Path, key: str) -> Path:
    """Return the file of a trial's checkpoint."""
    return file_of(folder, key, ".safetensors")


class TrialRunner:
    """Computes the trials of one run in this process, one after the other.

    Parameters
    ----------
    work : Work
        Common part of the trials.
    given : Given
        Objects that the command has made already.
    listener : callable, optional
        Called whenever a trial tells which share of it is done, after that was announced.
    """

    def __init__(self, work: Work, given: Given = NOTHING, listener: Listener = lambda *_: None) -> None:
        self._experiment = find_experiment(work.experiment)
        self._work, self._given, self._listener = work, given, listener
        # Neighbours in a grid often differ in the seed only, so that the last options are kept.
        self._made: tuple[Mapping[str, Any], Options] | None = ({}, given.options) if given.options is not None else None
        self._checkpoints = _seen(work.checkpoints) if self._experiment.checkpoints else None
        self._live = _seen(work.live)

    def run(self, task: Task) -> Record:
        """Compute a trial; an error inside it becomes its record, and does not stop the others."""
        start = time.perf_counter()
        arguments = dict(self._given.arguments)
        if self._checkpoints:
            arguments["checkpoint"] = checkpoint_of(self._checkpoints, task.key)
        if self._live and self._experiment.live:
            arguments["on_epoch"] = _both(announce(self._live, task.key), arguments.get("on_epoch"))
        share = announce_share(self._live, task.key) if self._live else None
        try:
            with listening(self._listener if share is None else _both(share, self._listener)):
                outcome = self._experiment.trial(self._options(task.changes), task.seed, **arguments)
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


P = ParamSpec("P")


def _both(first: Callable[P, None], second: Callable[P, None] | None) -> Callable[P, None]:
    """Return a callback that calls two, the first one first."""
    if second is None:
        return first

    def tell(*args: P.args, **kwargs: P.kwargs) -> None:
        first(*args, **kwargs)
        second(*args, **kwargs)

    return tell


def _seen(folder: str | None) -> Path | None:
    """Return the folder if this machine sees it: workers elsewhere may share no file system with the journal."""
    path = Path(folder) if folder else None
    return path if path and path.is_dir() else None
