"""Directory of a sweep: created whole or not at all, and opened again only with the configuration that it was created with."""

import math
import secrets
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import BrokenExecutor
from concurrent.futures import TimeoutError as NotInTime
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from contrastive_core import plugins
from contrastive_core.errors import InputError
from experiments.commandline.invocation import Invocation
from experiments.commandline.output import to_json, to_toml, write_text
from experiments.runs.advice import listing
from experiments.runs.directory import RunDirectory, compare
from experiments.runs.inside import refuse_special_files
from experiments.runs.journal import Journal
from experiments.runs.pages import recall, remember
from experiments.runs.provenance import provenance
from experiments.sweeps.study import Study, from_facts
from experiments.trials.engines import open_engine
from experiments.trials.worker import measure, pack

COMMAND = "sweep"
SECONDS_PER_CHUNK = 1.0
"""Enough that an engine's milliseconds per call do not matter, little enough to lose when a worker dies."""
SECONDS_TO_MEASURE = 60.0
LARGEST_CHUNK = 10_000
_HEADER = "# Every setting of this sweep; it can be given to: eqlab sweep new --file\n"


class Sweep(NamedTuple):
    """Opened sweep.

    Attributes
    ----------
    run : RunDirectory
        Directory of the sweep.
    journal : Journal
        Open journal.
    study : Study
        Trials of the sweep.
    chunk : int
        Trials per call of an engine, fixed at creation.
    """

    run: RunDirectory
    journal: Journal
    study: Study
    chunk: int


def measure_chunk(study: Study) -> int:
    """Return how many trials make about a second of work, by computing some in a process of its own.

    Parameters
    ----------
    study : Study
        Trials to be computed.

    Returns
    -------
    int
        At least 1, and at most an eighth of all trials, so that every worker gets some. It is 1 if trials take very long or end the
        process.
    """
    total = math.prod(study.shape)
    tasks = list(islice(study.tasks(), 0, None, -(-total // 64)))
    Random(0).shuffle(tasks)  # else slow trials would be measured at one end of the grid only
    try:
        with open_engine("process:1") as engine:
            packed = pack(study.work, tasks)
            seconds = engine.executor.submit(measure, packed, SECONDS_PER_CHUNK).result(timeout=SECONDS_TO_MEASURE)
    except (NotInTime, BrokenExecutor):
        return 1
    return max(1, min(int(SECONDS_PER_CHUNK / seconds), -(-total // 8), LARGEST_CHUNK))


def create_sweep(path: Path, study: Study, invocation: Invocation, chunk: int | None = None) -> RunDirectory:
    """Make a sweep's directory, with all its trials pending.

    Parameters
    ----------
    path : Path
        New or empty directory.
    study : Study
        Trials of the sweep.
    invocation : Invocation
        Command line, for the provenance.
    chunk : int, optional
        Trials per call of an engine; by default about a second of them.

    Returns
    -------
    RunDirectory
        Directory of the new sweep.

    Raises
    ------
    InputError
        If the directory is not empty or cannot be written.
    """
    _refuse_taken(path, study)
    chunk = measure_chunk(study) if chunk is None else chunk
    unfinished = RunDirectory(path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp"))
    try:
        unfinished.figures.mkdir(parents=True)
        starts = [provenance(invocation.argv, 1)]
        write_text(unfinished.provenance, to_json({"command": COMMAND, "starts": starts}) + "\n")
        with unfinished.journal() as journal, journal.transaction():
            remember(journal, {**study.facts(), "chunk": chunk})
            journal.plan(study.tasks())
        write_text(unfinished.config, _HEADER + to_toml(study.declared))
        unfinished.path.rename(path)
    except OSError as error:
        raise InputError(f"cannot write to {path.parent} ({error.strerror}); choose another --runs") from error
    finally:
        shutil.rmtree(unfinished.path, ignore_errors=True)
    return RunDirectory(path)


def _refuse_taken(path: Path, study: Study) -> None:
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    run = RunDirectory(path)
    if not run.config.is_file():
        raise InputError(f"{path} is there already and holds no sweep; choose another name")
    differences = compare(run.read_config(), study.declared)
    how = f"another configuration ({'; '.join(differences)})" if differences else "the same configuration"
    raise InputError(f"there is a sweep {path} already, with {how}; go on with it by 'eqlab sweep run', or choose another name")


def refuse_edited(run: RunDirectory, facts: Mapping[str, Any]) -> None:
    """Refuse a sweep whose configuration was changed, because its trials would be attributed to other settings.

    Parameters
    ----------
    run : RunDirectory
        Directory of the sweep.
    facts : mapping
        Facts of its journal.

    Raises
    ------
    InputError
        If the configuration is not that of the trials; the message names every setting that differs.
    """
    config = run.read_config()
    if differences := compare(facts.get("declared", config), config):
        listed = "; ".join(differences).replace(" there", " in its journal").replace(" here", f" in {run.config.name}")
        raise InputError(f"{run.config} is not what the sweep was made with ({listed}); restore it, or make another sweep")


@contextmanager
def open_sweep(path: Path, invocation: Invocation, *, readonly: bool = False) -> Iterator[Sweep]:
    """Open a sweep, to compute it or to look at it.

    Parameters
    ----------
    path : Path
        Directory of the sweep.
    invocation : Invocation
        Command line of this start, for the provenance.
    readonly : bool
        Whether to read only, which is possible while another process computes.

    Yields
    ------
    Sweep
        Sweep with its journal open.

    Raises
    ------
    InputError
        If there is no such sweep, its journal is damaged or in use, or its configuration is no longer that of its trials.
    """
    run = RunDirectory(path, resumed=True)
    if not path.is_dir():
        raise InputError(
            f"there is no sweep {path}; make it with 'eqlab sweep new', or list what there is with '{listing(invocation.runs)}'"
        )
    refuse_special_files(path)
    run.read_config()  # whether there is a run at all
    stored = run.read_provenance()
    if stored["command"] != COMMAND:
        raise InputError(f"{path} holds a run of 'eqlab {stored['command']}', which is no sweep; repeat that command to go on with it")
    if not run.journal_file.is_file():  # a new one would be empty, and the sweep done
        raise InputError(f"the journal {run.journal_file} is missing; restore it from a copy")
    with run.journal(readonly=readonly) as journal, plugins.looking() if readonly else plugins.only_told():
        facts = recall(journal)
        if "declared" not in facts:
            raise InputError(f"{run.journal_file} is not the journal of a sweep; restore it from a copy")
        refuse_edited(run, facts)
        study = from_facts(facts, shown=readonly)
        if not readonly:
            starts = [*run.read_provenance()["starts"], provenance(invocation.argv, 1)]
            try:
                write_text(run.provenance, to_json({"command": COMMAND, "starts": starts}) + "\n")
            except OSError as error:
                raise InputError(f"cannot write to {path} ({error.strerror}); make room, or free its permissions") from error
        yield Sweep(run, journal, study, facts["chunk"])
