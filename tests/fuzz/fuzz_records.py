"""Records of finished runs in which one value has another form: every reader names the trial and leaves it out, in a sentence.

By hand: ``PYTHONPATH=tests/support:tests/by_hand python tests/fuzz/fuzz_records.py [COMMAND ...]`` tries every place with every value; the
suite tries some of each command.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from os import chdir
from pathlib import Path
from typing import Any, NamedTuple

from command_line import eqlab
from documents import SERIAL, SPINS, sets

_NETWORK = ("--data", "two-moons", "--hidden", "4", "--train-size", "32")
RUNS: dict[str, tuple[str, ...]] = {
    "train": (*_NETWORK, "--epochs", "1"),
    "compare": (*_NETWORK, "--epochs", "1", "--rules", "ep-centered,backprop", "--seeds", "1", *SERIAL),
    "gradients": (*_NETWORK, "--samples", "4", "--rules", "ep-centered,contrastive-hebbian"),
    "tune": ("--hidden", "6", "--train-size", "128", "--batches", "2", "--warmup", "0", "--strengths", "0.1", "--tolerances", "0.01"),
    "contrast": ("--hidden", "6", "--train-size", "48", "--epochs", "1", "--embedding", "4", "--batch-size", "24", "--seeds", "1", *SERIAL),
    "hardware": (*sets(data="two-moons", train_size=32, hidden="[4]", epochs=1, seeds=1, imperfections='["adc.adc_bits=4"]'), *SERIAL),
    "recall": (*sets(**SPINS, flow_sweeps=5), "--patterns", "2"),
    "phase": (*sets(**SPINS), "--dilutions", "0.2", "--ratios", "0.3", *SERIAL),
    "learn": (*sets(**SPINS), "--qualities", "0.5", "--examples", "3", *SERIAL),
    "basins": ("--qualities", "0.2,0.9", "--patterns", "2", "--size", "64", "--networks", "2", *SERIAL),
    "capacity": ("--sizes", "100,200,400", "--loads", "0.14,0.18,0.22", "--spins", "12000", "--resamples", "20", *SERIAL),
    "ising": ("--searches", "5", "--spins", "10", "--noises", "0,1,8", "--epochs", "0"),
    "spice": ("--hidden", "4", "--samples", "1", "--edges", "1"),
    "device show": ("ecram",),
}
"""Small options of every command whose records have a form of their own."""
VALUES: tuple[Any, ...] = (None, 3, "text", [None], {"a": None})


class Change(NamedTuple):
    """A place in the metrics of a run's first trial, and what is written there instead."""

    path: tuple[str, ...]
    value: Any


def made(command: str, folder: Path) -> list[str]:
    """Compute a run in a folder, and return the command line that shows it again."""
    line = [*command.split(), *RUNS[command], "--quiet", "--out", str(folder)]
    done = eqlab(*line)
    assert done.exit_code == 0, done.output
    return line


def changes(folder: Path) -> list[Change]:
    """List every place in the first record of a run, with every value that is of another form."""
    record = json.loads(_metrics(folder))
    return [Change(path, value) for path, there in _places(record) for value in VALUES if type(value) is not type(there)]


def _places(record: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in record.items():
        yield (*path, key), value
        if isinstance(value, dict):
            yield from _places(value, (*path, key))


def _metrics(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "journal.sqlite")) as connection:
        return str(connection.execute("SELECT metrics FROM trials ORDER BY id LIMIT 1").fetchone()[0])


def change(folder: Path, one: Change) -> None:
    """Write a change into the journal of a run."""
    record = inner = json.loads(_metrics(folder))
    for key in one.path[:-1]:
        inner = inner[key]
    inner[one.path[-1]] = one.value
    with closing(sqlite3.connect(folder / "journal.sqlite")) as connection, connection:
        connection.execute("UPDATE trials SET metrics = ? WHERE id = (SELECT min(id) FROM trials)", (json.dumps(record),))


def readings(folder: Path, line: Sequence[str]) -> list[list[str]]:
    """List the command lines that read a run."""
    run = str(folder)
    return [list(line), ["report", run], ["runs", "show", run], ["runs", "compare", run, run], ["sweep", "collect", run]]


def problems(original: Path, line: Sequence[str], one: Change, ways: Sequence[int] = range(5)) -> list[str]:
    """Read a run with one change in some ways, and list the tracebacks."""
    folder = Path(line[-1])
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(original, folder)
    change(folder, one)
    found = []
    for arguments in map(readings(folder, line).__getitem__, ways):
        result = eqlab(*arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            place = traceback.extract_tb(result.exception.__traceback__)[-1]
            found.append(f"{arguments[0]}: {Path(place.filename).name}:{place.lineno}: {result.exception!r:.100}")
        elif result.exit_code not in (0, 2, 3):
            found.append(f"{arguments[0]}: exit code {result.exit_code}")
    return found


def main() -> None:
    """Try every place of the records of some commands, by default all, and print what is wrong."""
    with tempfile.TemporaryDirectory() as place:
        chdir(place)
        for command in sys.argv[1:] or RUNS:
            folder, original = Path(place) / "run", Path(place) / "original"
            for old in (folder, original):
                with suppress(FileNotFoundError):
                    shutil.rmtree(old)
            line = made(command, folder)
            shutil.copytree(folder, original)
            tried = changes(original)
            wrong = {problem: one for one in tried for problem in problems(original, line, one)}
            print(f"{command}: {len(tried)} changes, {len(wrong)} kinds of traceback", flush=True)
            for problem, one in wrong.items():
                print(f"  {problem} ({'.'.join(one.path)} = {json.dumps(one.value)})", flush=True)


if __name__ == "__main__":
    main()
