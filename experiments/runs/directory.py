"""A run's directory: configuration, provenance, journal, checkpoints and figures, made once and resumed only as the same run."""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from contrastive_core.errors import InputError
from experiments.commandline.documents import read_bounded, read_json, read_toml
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import Options, flatten
from experiments.commandline.output import to_json, to_toml, write_text
from experiments.runs.advice import NoRunError, beside, listing
from experiments.runs.inside import refuse_special_files
from experiments.runs.journal import Journal
from experiments.runs.provenance import provenance, versions
from experiments.runs.sqlite_file import locked

ROOT = Path("runs")
"""Directory of runs that are given no other place."""


class RunDirectory(NamedTuple):
    """Files and directories of one run.

    Attributes
    ----------
    path : Path
        Directory of the run.
    resumed : bool
        Whether the run existed before, so that its journal may hold trials.
    """

    path: Path
    resumed: bool = False

    @property
    def config(self) -> Path:
        """The resolved configuration, in TOML."""
        return self.path / "config.toml"

    @property
    def provenance(self) -> Path:
        """Provenance of the results, in JSON: the command, and every start of the run."""
        return self.path / "provenance.json"

    @property
    def journal_file(self) -> Path:
        """The trials and their histories, in SQLite."""
        return self.path / "journal.sqlite"

    @property
    def checkpoints(self) -> Path:
        """The directory of saved parameters."""
        return self.path / "checkpoints"

    @property
    def figures(self) -> Path:
        """The directory of figures."""
        return self.path / "figures"

    @property
    def trajectories(self) -> Path:
        """The directory of arrays, a file per trial that has any."""
        return self.path / "trajectories"

    @property
    def live(self) -> Path:
        """The directory of the epochs of running trials; nothing in it is a result."""
        return self.path / "live"

    def journal(self, *, readonly: bool = False) -> Journal:
        """Open the run's journal.

        Parameters
        ----------
        readonly : bool
            For looking at a run that another process may be writing.

        Returns
        -------
        Journal
            Journal, to be used in a ``with`` statement.
        """
        return Journal(self.journal_file, readonly=True) if readonly else Journal(self.journal_file, versions=versions())

    def read_config(self) -> dict[str, Any]:
        """Read the stored configuration.

        Returns
        -------
        dict
            Configuration, as ``Options.resolved`` returned it.

        Raises
        ------
        InputError
            If it is missing or damaged.
        """
        try:
            return read_toml(read_bounded(self.config).decode())
        except FileNotFoundError as error:
            raise InputError(f"{self.path} is not the directory of a run: it has no {self.config.name}") from error
        except (tomllib.TOMLDecodeError, ValueError) as error:
            raise InputError(f"{self.config} is damaged ({error}); restore it, or choose another --out") from error

    def read_provenance(self) -> dict[str, Any]:
        """Read the stored provenance.

        Returns
        -------
        dict
            With the ``command`` and its ``starts``, the latest last.

        Raises
        ------
        InputError
            If it is missing or damaged.
        """
        try:
            stored = read_json(read_bounded(self.provenance))
            starts = [dict(start) for start in stored["starts"]]
            for start in starts:
                datetime.fromisoformat(start["started"])
            return {"command": str(stored["command"]), "starts": starts}
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(f"{self.provenance} is missing or damaged; restore it, or choose another --out") from error


def place(name: str, root: Path | None = None) -> Path:
    """Find where a run of a name is, or would be: in ``root``, by default ``runs``; a name with a slash is a path itself."""
    if name in ("", ".", "..") or "\0" in name:
        raise InputError(f"{name!r} names no run; give a name, or a path with a slash")
    return Path(name) if "/" in name else (root or ROOT) / name


def find_run(name: str, root: Path | None = None) -> RunDirectory:
    """Find a run that is there.

    Parameters
    ----------
    name : str
        Name or path, as for ``place``.
    root : Path, optional
        Directory that holds the runs.

    Returns
    -------
    RunDirectory
        Run with a configuration.

    Raises
    ------
    NoRunError
        If there is no run of that name.
    """
    run = RunDirectory(Path(name) if "/" in name and not name.strip("/.") else place(name.rstrip("/") or name, root))
    if not run.config.is_file():
        problem = f"{run.path} is not the directory of a run: it has no {run.config.name}"
        raise NoRunError(f"{problem if run.path.is_dir() else f'there is no run {run.path}'}; see '{listing(root)}'{beside(name)}")
    return run


def open_run(options: Options, invocation: Invocation) -> RunDirectory:
    """Make the directory of a new run, or reopen that of the same run.

    Parameters
    ----------
    options : Options
        Options that identify the run; stored, and compared with those of an existing run.
    invocation : Invocation
        Command line, with the place of the run.

    Returns
    -------
    RunDirectory
        With all its directories made.

    Raises
    ------
    InputError
        If the directory cannot be written, holds something else, or holds a run with another configuration.
    """
    path = invocation.out or _new_name(invocation.command, options.digest())
    with _writable(path):
        path.mkdir(parents=True, exist_ok=True)
        with locked(path):  # two commands begun at once would both find an empty directory, and mix results and configurations
            if _is_empty(path):  # an existing directory is never emptied: it may hold anything that the user forgot
                return _begin(RunDirectory(path), options.resolved(), invocation)
    if not RunDirectory(path).config.is_file():
        raise InputError(f"{path} is not empty and holds no run; choose another --out")
    return resume_run(path, options, invocation)


def resume_run(path: Path, options: Options, invocation: Invocation) -> RunDirectory:
    """Reopen the directory of a run with the same configuration.

    Parameters
    ----------
    path : Path
        Directory of the run.
    options : Options
        Options that identify the run.
    invocation : Invocation
        Command line of this start.

    Returns
    -------
    RunDirectory
        The run, marked as resumed.

    Raises
    ------
    InputError
        If the directory holds no run, cannot be written, or holds another run; the message names every setting that differs.
    """
    refuse_special_files(path)
    run = RunDirectory(path, resumed=True)  # settings of one machine, such as the engine, are not stored and may differ between starts
    differences = compare(run.read_config(), options.resolved())
    command = run.read_provenance()["command"]
    if command != invocation.command:
        raise InputError(f"{path} holds a run of 'eqlab {command}', not 'eqlab {invocation.command}'; choose another --out")
    if listed := "; ".join(differences):
        raise InputError(f"{path} holds a run with another configuration ({listed}); resume it as it was, or choose another --out")
    with _writable(path), locked(path):
        _add_start(run, run.read_provenance()["starts"], invocation)
    return run


def compare(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """List the settings in which two configurations differ.

    Parameters
    ----------
    stored : mapping
        Configuration of the existing run.
    wanted : mapping
        Configuration of the requested run.

    Returns
    -------
    list of str
        Key and both values of each difference.
    """
    there, here = flatten(stored), flatten(wanted)
    # A missing key is a difference too, and no default stands in for it: defaults change between versions.
    different = [key for key in {**there, **here} if there.get(key) != here.get(key) or (key in there) != (key in here)]
    return [f"{key} is {_value(there, key)} there and {_value(here, key)} here" for key in different]


def differing(configurations: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """List the settings in which some runs differ, and the value that each has, None for none."""
    flat = [flatten(configuration) for configuration in configurations]
    keys = {key for one in flat for key in one if any(other.get(key) != one[key] for other in flat)}
    return {key: [one.get(key) for one in flat] for key in sorted(keys)}


def _begin(run: RunDirectory, wanted: Mapping[str, Any], invocation: Invocation) -> RunDirectory:
    _add_start(run, [], invocation)
    # Last, because the configuration marks a whole run: a start that is killed before leaves a directory that counts as empty.
    write_text(run.config, f"# Every setting of this run of: eqlab {invocation.command}\n" + to_toml(wanted))
    return run


def _add_start(run: RunDirectory, earlier: Sequence[Any], invocation: Invocation) -> None:
    starts = [*earlier, provenance(invocation.argv, invocation.threads, invocation.program)]
    write_text(run.provenance, to_json({"command": invocation.command, "starts": starts}) + "\n")
    run.checkpoints.mkdir(exist_ok=True)
    run.figures.mkdir(exist_ok=True)


def _new_name(command: str, digest: str) -> Path:
    stem = f"{command.replace(' ', '-')}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{digest[:8]}"
    names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    return next(path for name in names if not (path := ROOT / name).exists())


def _is_empty(path: Path) -> bool:
    found = {entry.name for entry in path.iterdir() if not entry.name.endswith(".tmp")}
    # A start that was killed before it wrote its configuration leaves these.
    return not found - {"provenance.json", "checkpoints", "figures"} and not any(
        (path / name).is_dir() and any((path / name).iterdir()) for name in found
    )


def _value(settings: Mapping[str, Any], key: str) -> str:
    return json.dumps(settings[key], default=str) if key in settings else "missing"


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write to {path} ({error.strerror}); choose another --out") from error
